import type { IncomingHttpHeaders } from "node:http";
import type { AnswerAccount } from "../base/index.js";

/** The client of a call: a request of HTTP/1.1, or a WebSocket. */
export interface ClientSide {
  readonly headers: IncomingHttpHeaders;
  readonly account: AnswerAccount;
  /** The client's address and port; undefined: none, as on a unix socket. */
  readonly remoteAddress: string | undefined;
  /** False: the request has no end, as of a WebSocket, and is answered after its first value. */
  readonly endsBody: boolean;
  /** Sends an answer of one message, in pieces, and ends. @param onTaken called when it is written to the client's socket */
  answer(
    httpStatus: number,
    fields: Readonly<Record<string, string>>,
    pieces: readonly string[],
    onTaken: () => void,
  ): void;
  /** Begins the answer of a stream. */
  beginAnswer(httpStatus: number, fields: Readonly<Record<string, string>>): void;
  /** Sends a line. @param onTaken called when it is written to the client's socket */
  write(line: string, onTaken: () => void): void;
  /** Ends the answer. */
  endAnswer(): void;
  /** Closes the connection. */
  destroy(): void;
}
