import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { type AnswerAccount, remoteAddressOf } from "../base/index.js";
import type { ClientSide } from "./client-side.js";

/** The client of an HTTP/1.1 request. */
export class HttpClientSide implements ClientSide {
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string | undefined;
  readonly endsBody = true;

  constructor(
    request: IncomingMessage,
    private readonly response: ServerResponse,
    readonly account: AnswerAccount,
  ) {
    this.headers = request.headers;
    this.remoteAddress = remoteAddressOf(request.socket);
  }

  answer(
    httpStatus: number,
    fields: Readonly<Record<string, string>>,
    pieces: readonly string[],
    onTaken: () => void,
  ): void {
    const { response } = this;
    let bytes = 0;
    for (const piece of pieces) bytes += Buffer.byteLength(piece);
    response.once("close", onTaken);
    response.writeHead(httpStatus, { ...fields, "Content-Length": bytes });
    const last = pieces.length - 1;
    for (const piece of pieces.slice(0, last)) response.write(piece);
    response.end(pieces[last]);
  }

  beginAnswer(httpStatus: number, fields: Readonly<Record<string, string>>): void {
    this.response.writeHead(httpStatus, fields);
  }

  write(line: string, onTaken: () => void): void {
    this.response.write(line, onTaken);
  }

  endAnswer(): void {
    this.response.end();
  }

  destroy(): void {
    this.response.destroy();
  }
}
