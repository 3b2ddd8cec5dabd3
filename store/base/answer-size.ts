import { TooLargeError } from "./errors.js";

/** Size of one response, with all its parts: more than a bound does not fit into memory, or into a message. */
export class AnswerSize {
  private bytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** @throws TooLargeError */
  add({ length }: Uint8Array): void {
    this.bytes += length;
    if (this.bytes > this.maxBytes) throw new TooLargeError(this.maxBytes);
  }
}
