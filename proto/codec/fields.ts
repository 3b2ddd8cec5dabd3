export const noBytes = new Uint8Array(0);
const scratch = new DataView(new ArrayBuffer(8));

/** The scale of the last group of a number that is read without bigint: seven groups of seven bits. */
const largestScale = 2 ** 42;

/**
 * Reads the fields of a message without copying them. Contents that usual clients do not send (an unknown field, a tag of more
 * than two bytes, a negative enum value, bytes that end too early) make the message odd: the generated code then decodes or
 * refuses it, so that both decoders always have the same result.
 */
export class Fields {
  /** Whether the generated code must decode the message. If so, no more fields are read. */
  isOdd = false;
  private at = 0;
  private end: number;

  constructor(private readonly source: Uint8Array) {
    this.end = source.length;
  }

  /** Reads the tag of the next field; 0: the end of the message. */
  tag(): number {
    if (this.at >= this.end) return 0;
    const first = this.source[this.at++] ?? 0;
    if (first < 0x80 && first > 0) return first;
    const second = this.at < this.end ? (this.source[this.at++] ?? 0) : 0;
    return first === 0 || second === 0 || second >= 0x80 ? this.markOdd() : (first & 0x7f) | (second << 7);
  }

  /** Reads a number from 0 to 2^49 - 1. */
  counter(): number {
    const { source, end } = this;
    let { at } = this;
    let result = 0;
    for (let scale = 1; at < end && scale <= largestScale; scale *= 128) {
      const byte = source[at++] ?? 0;
      result += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.at = at;
        return result;
      }
    }
    return this.markOdd();
  }

  bool(): boolean {
    return this.counter() !== 0;
  }

  /** Reads an enum value. */
  kind(): number {
    const kind = this.counter();
    return kind <= 0x7fff_ffff ? kind : this.markOdd();
  }

  int64(): bigint {
    return this.bits() ? scratch.getBigInt64(0, true) : 0n;
  }

  uint64(): bigint {
    return this.bits() ? scratchUint64() : 0n;
  }

  /** Reads bytes without copying them: a Uint8Array on the memory of the message, never a `Buffer`. */
  bytes(): Uint8Array {
    const length = this.counter();
    const start = this.at;
    if (length > this.end - start) this.markOdd();
    if (this.isOdd || length === 0) return noBytes;
    this.at = start + length;
    const { buffer, byteOffset } = this.source;
    return new Uint8Array(buffer, byteOffset + start, length);
  }

  /** Begins to read a nested message. @returns the argument for `leave`, which ends it */
  enter(): number {
    const length = this.counter();
    const outerEnd = this.end;
    if (length > outerEnd - this.at) this.markOdd();
    else if (!this.isOdd) this.end = this.at + length;
    return outerEnd;
  }

  leave(outerEnd: number): void {
    if (!this.isOdd) this.end = outerEnd;
  }

  /** Marks the message as odd: the generated code must decode it. */
  markOdd(): 0 {
    this.isOdd = true;
    this.at = this.end;
    return 0;
  }

  /** Reads 64 bits into the scratch memory. */
  private bits(): boolean {
    const low = this.group(28);
    const middle = low >= 2 ** 28 ? this.group(28) : 0;
    const high = middle >= 2 ** 28 ? this.group(14) : 0;
    if (high >= 2 ** 14) this.markOdd(); // the number has an eleventh byte
    scratch.setUint32(0, (low & 0xfff_ffff) | (middle << 28), true);
    scratch.setUint32(4, ((middle & 0xfff_ffff) >>> 4) | (high << 24), true);
    return !this.isOdd;
  }

  /** Reads up to this many bits of a number; adds `2 ** bits` if more bits follow. */
  private group(bits: number): number {
    let result = 0;
    for (let shift = 0; shift < bits; shift += 7) {
      const byte = this.at < this.end ? (this.source[this.at++] ?? 0) : this.markOdd();
      result |= (byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
    return result | (1 << bits);
  }
}

/** Slots of a cache of ids: a few ids of members and clusters are in nearly every message. */
const knownSlots = 16;
const known = {
  low: new Uint32Array(knownSlots),
  high: new Uint32Array(knownSlots),
  values: new Array<bigint>(knownSlots).fill(0n),
};

/** Returns the number in the scratch memory; if it is cached, without creating a bigint. */
const scratchUint64 = (): bigint => {
  const low = scratch.getUint32(0, true);
  const high = scratch.getUint32(4, true);
  const slot = (low ^ high) & (knownSlots - 1);
  if (known.low[slot] !== low || known.high[slot] !== high) {
    known.low[slot] = low;
    known.high[slot] = high;
    known.values[slot] = scratch.getBigUint64(0, true);
  }
  return known.values[slot] ?? 0n;
};

interface GeneratedDecoder<Message> {
  decode(bytes: Uint8Array): Message;
}

/** Returns a Uint8Array on the same memory, because `subarray` of a Buffer would be a Buffer. */
const toPlain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);

/** Makes a decoder from a function that reads usual messages, and the generated code for odd messages. */
export const decoder = <Message>(read: (fields: Fields) => Message, generated: GeneratedDecoder<Message>) => ({
  decode(bytes: Uint8Array): Message {
    const fields = new Fields(bytes);
    const message = read(fields);
    return fields.isOdd ? generated.decode(toPlain(bytes)) : message;
  },
});

/** A message that is being decoded. */
export type Mutable<Message> = { -readonly [Field in keyof Message]: Message[Field] };
