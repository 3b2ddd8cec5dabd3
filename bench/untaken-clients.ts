import { once } from "node:events";
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { frameMessage } from "./load/load-connection.js";

/** Clients that read none of their answers, so that these wait at the server once HTTP/2's window of a connection (64 KiB) is full. */
export class UntakenClients implements Disposable {
  private readonly sessions: ClientHttp2Session[] = [];

  /** @param endpoint `host:port` */
  constructor(private readonly endpoint: string) {}

  /** Begins the same call `count` times on a new connection. Resolves once each has response headers. */
  async call(count: number, path: string, message: Uint8Array, isStreaming: boolean): Promise<void> {
    const session = connect(`http://${this.endpoint}`);
    session.on("error", () => undefined); // the server may close it
    this.sessions.push(session);
    await Promise.all(
      Array.from({ length: count }, async () => {
        const stream = session.request({
          ...{ ":method": "POST", ":path": path },
          ...{ "content-type": "application/grpc", te: "trailers" },
        });
        stream.on("error", () => undefined); // the stream ends with its session
        stream.write(frameMessage(message));
        if (!isStreaming) stream.end();
        await waitForAnswer(stream);
      }),
    );
  }

  /** Closes all connections at once. */
  [Symbol.dispose](): void {
    for (const session of this.sessions) session.destroy();
  }
}

const waitForAnswer = (stream: ClientHttp2Stream): Promise<unknown> =>
  Promise.race([once(stream, "response"), once(stream, "close")]);
