import type { IncomingHttpHeaders } from "node:http";

/** Counts the bytes of answers that the client of a connection has not taken (`UntakenAnswers`). */
export interface AnswerAccount {
  /** Whether an answer that can be refused, as nothing was done for it, is kept all the same. */
  readonly admits: boolean;
  /** Whether a stream should send nothing more before its client has taken what it has. */
  readonly isPressed: boolean;
  keep(bytes: number): void;
  release(bytes: number): void;
}

/** The client of a call: a request of HTTP/1.1, or a WebSocket. */
export interface ClientSide {
  readonly headers: IncomingHttpHeaders;
  readonly account: AnswerAccount;
  /** The address and port that it connects from; undefined: none, as on a unix socket. */
  readonly remoteAddress: string | undefined;
  /** False: a request without an end, as of a WebSocket, is answered once its first value has come. */
  readonly endsBody: boolean;
  /** Sends an answer of one message, in pieces, and ends. @param onTaken the client's system has it */
  answer(
    httpStatus: number,
    fields: Readonly<Record<string, string>>,
    pieces: readonly string[],
    onTaken: () => void,
  ): void;
  /** Begins the answer of a stream. */
  begin(httpStatus: number, fields: Readonly<Record<string, string>>): void;
  /** Sends a line. @param onTaken the client's system has it */
  write(line: string, onTaken: () => void): void;
  /** Ends the answer. */
  end(): void;
  /** Closes the connection. */
  destroy(): void;
}
