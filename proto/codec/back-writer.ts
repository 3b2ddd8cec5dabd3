/** Memory that the writer keeps between messages, in bytes. A larger message gets memory of its own. */
const keptBytes = 16 * 1024;

const scratch = new DataView(new ArrayBuffer(8));

/** Number of bytes up to which a loop is faster than `copy`, for which Node creates a view. */
const maxLoopBytes = 96;

/** Number of bytes up to which a loop is faster than `set`, for encoded fields that are copied into a message. */
const maxLoopedFields = 16;

/** The maximum length of a tag or a number, in bytes. */
const maxNumberBytes = 10;

/**
 * Encodes messages from their last byte to their first. The length of a nested message is written after the message and is known
 * then, so one pass is enough. `begin` begins a message, its fields are written in reverse order, and `take` ends it. Default
 * values are left out, as by the generated code.
 */
export class BackWriter {
  private readonly kept = Buffer.allocUnsafeSlow(keptBytes);
  private bytes = this.kept;
  private at = keptBytes;

  /** Number of bytes written so far. */
  get written(): number {
    return this.bytes.length - this.at;
  }

  /** Begins a message; a message that was not ended is dropped. */
  begin(): void {
    this.at = this.bytes.length;
  }

  /** Ends the message. @returns the encoded bytes, which the writer does not use again */
  take(): Buffer {
    const { bytes, at } = this;
    this.bytes = this.kept;
    this.begin();
    // memory that a large message fills by more than half is returned without a copy
    if (bytes !== this.kept && at <= bytes.length / 2) return bytes.subarray(at);
    const length = bytes.length - at;
    const message = Buffer.allocUnsafe(length);
    if (length > maxLoopBytes) bytes.copy(message, 0, at);
    else for (let n = 0; n < length; n++) message[n] = bytes[at + n] ?? 0;
    return message;
  }

  /** Writes encoded fields. */
  writeEncoded(fields: Uint8Array): void {
    this.reserve(fields.length);
    const { length } = fields;
    this.at -= length;
    const { bytes, at } = this;
    if (length > maxLoopedFields) bytes.set(fields, at);
    else for (let n = 0; n < length; n++) bytes[at + n] = fields[n] ?? 0;
  }

  bytesField(tag: number, value: Uint8Array): void {
    if (value.length > 0) this.item(tag, value);
  }

  /** Writes one value of a repeated field; also an empty value. */
  item(tag: number, value: Uint8Array): void {
    this.writeEncoded(value);
    this.prefix(tag, value.length);
  }

  boolField(tag: number, value: boolean): void {
    if (value) this.prefix(tag, 1);
  }

  /** Writes a number from 0 to 2^53. */
  counterField(tag: number, value: number): void {
    if (value !== 0) this.prefix(tag, value);
  }

  int64Field(tag: number, value: bigint): void {
    if (value !== 0n) this.int64Item(tag, value);
  }

  /**
   * Writes a number of a repeated field; also 0.
   *
   * @throws TypeError if the value is not a bigint, RangeError if it has more than 64 bits
   */
  int64Item(tag: number, value: bigint): void {
    if (typeof value !== "bigint") throw new TypeError(`Cannot encode ${String(value)}: expected a bigint`);
    if (value >= 0n && value <= 0x1f_ffff_ffff_ffffn) this.prefix(tag, Number(value));
    else {
      if (BigInt.asIntN(64, value) !== value) throw new RangeError(`Cannot encode ${value}: more than 64 bits`);
      scratch.setBigInt64(0, value, true);
      this.bits(tag);
    }
  }

  uint64Field(tag: number, value: bigint): void {
    this.int64Field(tag, BigInt.asIntN(64, value));
  }

  /** Writes the tag and the length of a nested message whose fields have been written. @param before `written` before these fields */
  enclose(tag: number, before: number): void {
    this.prefix(tag, this.written - before);
  }

  /** Writes a tag, of up to two bytes, and a number after it. */
  private prefix(tag: number, value: number): void {
    this.reserve(maxNumberBytes + 2);
    this.at -= numberSize(value);
    writeNumber(this.bytes, this.at, value);
    this.tag(tag);
  }

  private tag(tag: number): void {
    if (tag >= 0x80) this.bytes[--this.at] = tag >>> 7;
    this.bytes[--this.at] = tag < 0x80 ? tag : (tag & 0x7f) | 0x80;
  }

  /** Writes a tag, and after it the 64 bits in the scratch memory. */
  private bits(tag: number): void {
    this.reserve(maxNumberBytes + 2);
    let low = scratch.getUint32(0, true);
    let high = scratch.getUint32(4, true);
    this.at -= bitsSize(low, high);
    let { at } = this;
    for (; high !== 0 || low >= 0x80; low = ((low >>> 7) | (high << 25)) >>> 0, high >>>= 7)
      this.bytes[at++] = (low & 0x7f) | 0x80;
    this.bytes[at] = low;
    this.tag(tag);
  }

  /** Makes room before the written bytes. */
  private reserve(room: number): void {
    if (room <= this.at) return;
    const { written } = this;
    const larger = Buffer.allocUnsafeSlow(2 * this.bytes.length + room);
    this.bytes.copy(larger, larger.length - written, this.at);
    this.bytes = larger;
    this.at = larger.length - written;
  }
}

/** Returns the number of bytes of an encoded number: seven bits in each byte. */
export const numberSize = (value: number): number => {
  let size = 1;
  // One loop for small and large numbers: V8 discards compiled code when it executes a branch for the first time.
  for (let limit = 0x80; value >= limit; limit *= 0x80) size += 1;
  return size;
};

/** Returns the same as `numberSize`, for 64 bits in two halves. */
const bitsSize = (low: number, high: number): number => {
  const bits = high === 0 ? 32 - Math.clz32(low) : 64 - Math.clz32(high);
  return Math.max(1, Math.ceil(bits / 7));
};

/** Writes a number that is not negative. @returns the offset after it */
export const writeNumber = (target: Uint8Array, start: number, value: number): number => {
  let at = start;
  let rest = value;
  // Above 31 bits a division is necessary; below, bit operations are several times as fast.
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 128)) target[at++] = (rest % 128) | 0x80;
  for (; rest >= 0x80; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80;
  target[at++] = rest;
  return at;
};
