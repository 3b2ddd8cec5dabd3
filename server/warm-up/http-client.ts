import type { Socket } from "node:net";
import { PendingAnswers } from "./pending-answers.js";

/** Sends HTTP/1.1 requests on a connection, one after the other. Answers must have a Content-Length. */
export class HttpClient {
  private readonly pending: PendingAnswers;
  private head = "";
  /** The bytes of the body that have not arrived; undefined: the head is incomplete. */
  private bodyBytes: number | undefined;

  constructor(private readonly socket: Socket) {
    this.pending = new PendingAnswers(socket);
    socket.on("data", (chunk: Buffer) => this.onChunk(chunk));
  }

  /** Sends a request; resolves once it is answered. @throws Error if the connection closes earlier */
  ask(request: string): Promise<void> {
    this.head = "";
    this.bodyBytes = undefined;
    this.socket.write(request);
    return this.pending.expect(1);
  }

  close(): void {
    this.socket.destroy();
  }

  private onChunk(chunk: Buffer): void {
    if (this.bodyBytes === undefined) {
      this.head += chunk.toString("latin1");
      const end = this.head.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/^content-length: *(\d+)/im.exec(this.head.slice(0, end))?.[1] ?? 0);
      this.bodyBytes = length - (this.head.length - end - 4);
    } else this.bodyBytes -= chunk.length;
    if (this.bodyBytes <= 0) this.pending.onAnswered();
  }
}
