import { emptyList } from "../../../platform/index.js";
import { rememberedStreams } from "./limits.js";

/** The ways to close a stream: by the ends of both sides, by the client's reset, by the server's. */
export type CloseKind = "ended" | "reset by client" | "reset by server";

/** Records how the most recently closed streams were closed. */
export class ClosedStreams {
  private readonly streams: number[] = [];
  private readonly kinds = emptyList<CloseKind>();
  private next = 0;

  add(stream: number, kind: CloseKind): void {
    this.streams[this.next] = stream;
    this.kinds[this.next] = kind;
    this.next = (this.next + 1) % rememberedStreams;
  }

  /** Returns how a stream was closed; undefined: it was never opened, or is not recorded any more. */
  find(stream: number): CloseKind | undefined {
    return this.kinds[this.streams.indexOf(stream)];
  }
}
