// Sends requests that no client of etcd sends, on its own connections, and reports the end of each call.

import { once } from "node:events";
import { connect, type ClientHttp2Session, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { request as httpRequest, type IncomingMessage } from "node:http";

/** The end of a call: the gRPC status, without one the HTTP status, or the code of the stream's reset. */
export type End = `grpc ${number}` | `http ${number}` | `reset ${number}`;

/** An HTTP/2 request to a gRPC method. */
export interface HostileCall {
  readonly headers?: OutgoingHttpHeaders;
  readonly body: Uint8Array;
  /** Whether the client half-closes the stream. */
  readonly isOver?: boolean;
}

/** One HTTP/2 connection. */
export class HostileConnection implements Disposable {
  private constructor(private readonly session: ClientHttp2Session) {}

  /** @param address `host:port` */
  static async open(address: string): Promise<HostileConnection> {
    const session = connect(`http://${address}`);
    session.on("error", () => undefined); // the member may close the connection
    await once(session, "connect");
    return new HostileConnection(session);
  }

  /** Makes a call. Resolves at its end; a call without half-close may never end. */
  call(path: string, { headers = {}, body, isOver = true }: HostileCall): Promise<End> {
    const stream = this.session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    let seen: IncomingHttpHeaders = {};
    const note = (fields: IncomingHttpHeaders) => (seen = { ...seen, ...fields });
    stream
      .on("response", note)
      .on("trailers", note)
      .on("error", () => undefined)
      .resume();
    if (isOver) stream.end(body);
    else stream.write(body);
    return new Promise((resolve) => {
      const onEnd = () => {
        const { "grpc-status": status, ":status": http } = seen;
        if (status !== undefined) resolve(`grpc ${Number(status)}`);
        else if (http !== undefined) resolve(`http ${Number(http)}`);
        else resolve(`reset ${stream.rstCode}`);
      };
      stream.once("end", onEnd); // "close" is emitted only after the client has sent its whole message
      stream.once("close", onEnd);
    });
  }

  /** Begins a call, sends a message, and does not read the answer. */
  open(path: string, body: Uint8Array): void {
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
    const stream = this.session.request(headers);
    stream.on("error", () => undefined);
    stream.write(body);
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}

/** Posts a body to a path of the gateway. Resolves to the status and the code in the body. */
export function post(address: string, path: string, body: Uint8Array, contentType: string): Promise<string> {
  const [host = "", port] = address.split(":");
  return new Promise((resolve, reject) => {
    const call = httpRequest({
      host,
      port,
      method: "POST",
      path,
      headers: { "content-type": contentType },
      agent: false,
    });
    call.on("error", reject);
    call.on("response", (response: IncomingMessage) => {
      response.setEncoding("utf8").once("data", (text: string) => {
        const { code, error } = JSON.parse(text) as { code?: number; error?: { code: number } };
        resolve(`${response.statusCode} ${String(code ?? error?.code ?? "")}`);
        response.destroy();
      });
      response.once("end", () => resolve(`${response.statusCode} empty`));
    });
    call.end(body);
  });
}
