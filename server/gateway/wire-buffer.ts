/** Bytes of a length that is written after the content: five groups of seven bits, the last ones zero. Decoders accept that. */
const laterLengthBytes = 5;

/** Encodes the fields of a message and its nested messages. */
export class WireBuffer {
  private bytes: Buffer;
  private at = 0;

  /** @param expectedLength the approximate number of bytes */
  constructor(expectedLength: number) {
    this.bytes = Buffer.allocUnsafe(Math.max(expectedLength, 64));
  }

  /** Writes the tag of a field of wire type 2, which has a length. */
  lengthTag(field: number): void {
    this.varint(field * 8 + 2);
  }

  /** Writes a non-negative integer below 2^53. */
  varint(value: number): void {
    this.reserve(8);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.bytes[this.at++] = (rest % 128) + 0x80;
    this.bytes[this.at++] = rest;
  }

  /** Writes a 64-bit integer; a negative one takes ten bytes. */
  varint64(value: bigint): void {
    if (value >= 0n && value <= Number.MAX_SAFE_INTEGER) {
      this.varint(Number(value));
      return;
    }
    this.reserve(10);
    let rest = BigInt.asUintN(64, value);
    for (; rest >= 0x80n; rest >>= 7n) this.bytes[this.at++] = Number(rest & 0x7fn) + 0x80;
    this.bytes[this.at++] = Number(rest);
  }

  /** Writes bytes with their length. @param bytes one character per byte */
  latin1(bytes: string): void {
    this.varint(bytes.length);
    this.reserve(bytes.length);
    this.bytes.write(bytes, this.at, "latin1");
    this.at += bytes.length;
  }

  /** Decodes valid base64 of either alphabet, and writes the bytes with their length. */
  base64(text: string): void {
    const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
    const length = Math.floor(((text.length - padding) * 3) / 4);
    this.varint(length);
    this.reserve(length);
    this.bytes.write(text, this.at, length, "base64");
    this.at += length;
  }

  /** Begins a nested message. @returns the argument for `leave` at its end */
  enter(): number {
    this.reserve(laterLengthBytes);
    this.at += laterLengthBytes;
    return this.at;
  }

  leave(start: number): void {
    let rest = this.at - start;
    for (let at = start - laterLengthBytes; at < start; at++, rest >>>= 7)
      this.bytes[at] = (rest & 0x7f) | (at < start - 1 ? 0x80 : 0);
  }

  /** Returns the written bytes. */
  finish(): Buffer {
    return this.bytes.subarray(0, this.at);
  }

  private reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + count));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }
}
