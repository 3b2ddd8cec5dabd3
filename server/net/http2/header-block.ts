import { ConnectionError, http2ErrorCode } from "./errors.js";
import { maxContinuations, maxHeaderBlockBytes } from "./limits.js";

/** An incomplete header block: a HEADERS frame, and CONTINUATION frames (RFC 9113 §6.10). */
export class HeaderBlock {
  private readonly fragments: Buffer[] = [];
  private size = 0;

  constructor(
    readonly stream: number,
    /** Whether the block ends the request: it has no messages, or the block contains its trailers. */
    readonly isLast: boolean,
    readonly dependsOnItself: boolean,
  ) {}

  /** Adds a copy of a fragment. @throws ConnectionError if there are too many */
  add(bytes: Buffer, start: number, end: number): void {
    this.size += end - start;
    if (this.size > maxHeaderBlockBytes || this.fragments.length > maxContinuations)
      throw new ConnectionError(http2ErrorCode.enhanceYourCalm, "too_many_headers");
    this.fragments.push(Buffer.from(bytes.subarray(start, end)));
  }

  join(): Buffer {
    return Buffer.concat(this.fragments, this.size);
  }
}
