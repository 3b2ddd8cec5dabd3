import { emptyList } from "../../../platform/index.js";
import { rememberedStreams } from "./limits.js";

/** Ways in which a stream has closed: by the ends of both sides, by the client's reset, by ours. */
export type Closing = "ended" | "reset by client" | "reset by server";

/** Remembers how the streams that closed last have closed. */
export class ClosedStreams {
  private readonly streams: number[] = [];
  private readonly closings = emptyList<Closing>();
  private next = 0;

  add(stream: number, closing: Closing): void {
    this.streams[this.next] = stream;
    this.closings[this.next] = closing;
    this.next = (this.next + 1) % rememberedStreams;
  }

  /** Returns how a stream has closed; undefined: it was never opened, or that is long ago. */
  find(stream: number): Closing | undefined {
    return this.closings[this.streams.indexOf(stream)];
  }
}
