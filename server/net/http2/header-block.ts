import { ConnectionError, errorCode } from "./errors.js";
import { maxContinuations, maxHeaderBlockBytes } from "./limits.js";

/** A header block on its way: HEADERS, and CONTINUATION frames if it does not fit (RFC 9113 §6.10). */
export class HeaderBlock {
  private readonly fragments: Buffer[] = [];
  private size = 0;

  constructor(
    readonly stream: number,
    /** The request has nothing but headers, or these are its trailers. */
    readonly isLast: boolean,
    readonly dependsOnItself: boolean,
  ) {}

  /** Keeps a copy of a fragment. @throws ConnectionError if there are too many */
  add(bytes: Buffer, start: number, end: number): void {
    this.size += end - start;
    if (this.size > maxHeaderBlockBytes || this.fragments.length > maxContinuations)
      throw new ConnectionError(errorCode.enhanceYourCalm, "too_many_headers");
    this.fragments.push(Buffer.from(bytes.subarray(start, end)));
  }

  join(): Buffer {
    return Buffer.concat(this.fragments, this.size);
  }
}
