/** Bytes of a length that is written behind what it counts: five groups of seven bits, the last ones zero. Decoders take it. */
const laterLengthBytes = 5;

/** Encoded fields of a message, with the messages within it. */
export class WireBuffer {
  private bytes: Buffer;
  private at = 0;

  /** @param expectedLength about what is to be written */
  constructor(expectedLength: number) {
    this.bytes = Buffer.allocUnsafe(Math.max(expectedLength, 64));
  }

  /** Writes the tag of a field that has a length. */
  lengthTag(field: number): void {
    this.varint(field * 8 + 2);
  }

  /** Writes a number below 2^53 that is not negative. */
  varint(value: number): void {
    this.reserve(8);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.bytes[this.at++] = (rest % 128) + 0x80;
    this.bytes[this.at++] = rest;
  }

  /** Writes 64 bits: a negative number, too, has ten bytes. */
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

  /** Writes bytes with their length. @param bytes a character for each */
  latin1(bytes: string): void {
    this.varint(bytes.length);
    this.reserve(bytes.length);
    this.bytes.write(bytes, this.at, "latin1");
    this.at += bytes.length;
  }

  /** Writes what valid base64 of either alphabet stands for, with its length. */
  base64(text: string): void {
    const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
    const length = Math.floor(((text.length - padding) * 3) / 4);
    this.varint(length);
    this.reserve(length);
    this.bytes.write(text, this.at, length, "base64");
    this.at += length;
  }

  /** Begins a message within the message. @returns what `leave` has to be given behind it */
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

  /** Returns all that was written. */
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
