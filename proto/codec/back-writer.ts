/** Memory that the writer keeps between messages. One that needs more gets it for that time. */
const keptBytes = 16 * 1024;

const scratch = new DataView(new ArrayBuffer(8));

/** Up to so many bytes a loop is faster than a copy by Node, which makes a view for it. */
const maxLoopBytes = 96;

/** The same for bytes that are copied into a message. */
const maxLoopedFields = 16;

/** A tag has no more bytes, and a number neither. */
const maxNumberBytes = 10;

/**
 * Writes messages from their last byte to their first: the length of a message within a message is known when it comes to be
 * written, so one pass is enough. `begin` begins a message, its fields are given in reverse, and `take` ends it. Values that are the default of their
 * field are left out, as by the generated code.
 */
export class BackWriter {
  private readonly kept = Buffer.allocUnsafeSlow(keptBytes);
  private bytes = this.kept;
  private at = keptBytes;

  /** Bytes of the message that are written. */
  get written(): number {
    return this.bytes.length - this.at;
  }

  /** Begins a message; one that was not ended is dropped. */
  begin(): void {
    this.at = this.bytes.length;
  }

  /** Ends the message. @returns memory of its own */
  take(): Buffer {
    const { bytes, at } = this;
    this.bytes = this.kept;
    this.begin();
    // Memory that a large message fills for the most part is given away.
    if (bytes !== this.kept && at <= bytes.length / 2) return bytes.subarray(at);
    const length = bytes.length - at;
    const message = Buffer.allocUnsafe(length);
    if (length > maxLoopBytes) bytes.copy(message, 0, at);
    else for (let n = 0; n < length; n++) message[n] = bytes[at + n] ?? 0;
    return message;
  }

  /** Writes fields that are encoded. */
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

  /** Writes one of the values of a repeated field, which may be empty. */
  item(tag: number, value: Uint8Array): void {
    this.writeEncoded(value);
    this.prefix(tag, value.length);
  }

  boolField(tag: number, value: boolean): void {
    if (value) this.prefix(tag, 1);
  }

  /** Writes a number that is not negative, and no larger than 2^53. */
  counterField(tag: number, value: number): void {
    if (value !== 0) this.prefix(tag, value);
  }

  int64Field(tag: number, value: bigint): void {
    if (value !== 0n) this.int64Item(tag, value);
  }

  /**
   * Writes a number of a field that has no default.
   *
   * @throws TypeError if it is no bigint, RangeError if it has more than 64 bits
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

  /** Writes the tag and the length of a message within the message, whose fields are written. @param before `written` without them */
  enclose(tag: number, before: number): void {
    this.prefix(tag, this.written - before);
  }

  /** Writes a tag, of up to two bytes, and a number behind it. */
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

  /** Writes a tag, and the 64 bits in the scratch memory behind it. */
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

  /** Makes room in front of what is written. */
  private reserve(room: number): void {
    if (room <= this.at) return;
    const { written } = this;
    const larger = Buffer.allocUnsafeSlow(2 * this.bytes.length + room);
    this.bytes.copy(larger, larger.length - written, this.at);
    this.bytes = larger;
    this.at = larger.length - written;
  }
}

/** Bytes that a number takes: seven bits in each. */
export const numberSize = (value: number): number => {
  let size = 1;
  // Small and large numbers take the same code: V8 discards compiled code when it comes to a branch for the first time.
  for (let limit = 0x80; value >= limit; limit *= 0x80) size += 1;
  return size;
};

/** The same for 64 bits, in two halves. */
const bitsSize = (low: number, high: number): number => {
  const bits = high === 0 ? 32 - Math.clz32(low) : 64 - Math.clz32(high);
  return Math.max(1, Math.ceil(bits / 7));
};

/** Writes a number that is not negative. @returns the offset behind it */
export const writeNumber = (target: Uint8Array, start: number, value: number): number => {
  let at = start;
  let rest = value;
  // Beyond 31 bits it takes a division; below, bit operations are several times as fast.
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 128)) target[at++] = (rest % 128) | 0x80;
  for (; rest >= 0x80; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80;
  target[at++] = rest;
  return at;
};
