/** Error codes of HTTP/2 (RFC 9113 §7). */
export const http2ErrorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

/** A code of an error. */
export type ErrorCode = (typeof http2ErrorCode)[keyof typeof http2ErrorCode];

/** An error of the client that ends its connection with a GOAWAY (RFC 9113 §5.4.1). */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";

  /** @param text the debug data of the GOAWAY */
  constructor(
    readonly code: ErrorCode,
    text: string,
  ) {
    super(text);
  }
}

/** An error of the client that ends one stream with a RST_STREAM (RFC 9113 §5.4.2). */
export class StreamError extends Error {
  override readonly name = "StreamError";

  constructor(
    readonly stream: number,
    readonly code: ErrorCode,
    text: string,
  ) {
    super(text);
  }
}
