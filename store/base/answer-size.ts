import { TooLargeError } from "./errors.js";

/** Counts the bytes of one response, with all its parts, and throws beyond a bound: a larger one fits neither into memory nor into a message. */
export class AnswerSize {
  private bytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** Counts a key or value. @throws TooLargeError */
  add({ length }: Uint8Array): void {
    this.bytes += length;
    if (this.bytes > this.maxBytes) throw new TooLargeError(this.maxBytes);
  }
}
