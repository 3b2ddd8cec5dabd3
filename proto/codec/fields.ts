const noBytes = new Uint8Array(0);
const scratch = new DataView(new ArrayBuffer(8));

/** Numbers up to here are read as plain ones: seven groups of seven bits. */
const largestScale = 2 ** 42;

/**
 * Reads the fields of a message where they lie. Whatever usual clients do not send (a field that is not known, a tag of more than two
 * bytes, a negative number for a kind, bytes that end too soon) makes the message odd: it is then for the generated code to decode, or
 * to refuse, so that both agree in everything.
 */
export class Fields {
  /** Whether the generated code has to decode the message. No field follows then. */
  isOdd = false;
  private at = 0;
  private end: number;

  constructor(private readonly source: Uint8Array) {
    this.end = source.length;
  }

  /** Reads the tag of the next field; 0: there is none. */
  tag(): number {
    if (this.at >= this.end) return 0;
    const first = this.source[this.at++] ?? 0;
    if (first < 0x80 && first > 0) return first;
    const second = this.at < this.end ? (this.source[this.at++] ?? 0) : 0;
    return first === 0 || second === 0 || second >= 0x80 ? this.markOdd() : (first & 0x7f) | (second << 7);
  }

  /** Reads a number that is not negative, below 2^49. */
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

  /** Reads a number that names a kind. */
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

  /** Reads bytes, which are not copied: a plain view, also of a `Buffer`. */
  bytes(): Uint8Array {
    const length = this.counter();
    const start = this.at;
    if (length > this.end - start) this.markOdd();
    if (this.isOdd || length === 0) return noBytes;
    this.at = start + length;
    const { buffer, byteOffset } = this.source;
    return new Uint8Array(buffer, byteOffset + start, length);
  }

  /** Begins a message within the message: its fields are next. @returns what `leave` has to be given behind them */
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

  /** Leaves the message to the generated code. */
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
    if (high >= 2 ** 14) this.markOdd(); // an eleventh byte
    scratch.setUint32(0, (low & 0xfff_ffff) | (middle << 28), true);
    scratch.setUint32(4, ((middle & 0xfff_ffff) >>> 4) | (high << 24), true);
    return !this.isOdd;
  }

  /** Reads so many bits of a number, or what is left of it; with `2 ** bits` if more follow. */
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

/** Slots for ids that were read before: a few ids of members and clusters are in nearly every message. */
const knownSlots = 16;
const known = {
  low: new Uint32Array(knownSlots),
  high: new Uint32Array(knownSlots),
  values: new Array<bigint>(knownSlots).fill(0n),
};

/** The number in the scratch memory, without a new one if it was read lately. */
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

/** A plain view, whose parts are no Buffers either. */
const toPlain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);

/** Makes a decoder of what reads the fields of a usual message, and of the generated code for the others. */
export const decoder = <Message>(read: (fields: Fields) => Message, generated: GeneratedDecoder<Message>) => ({
  decode(bytes: Uint8Array): Message {
    const fields = new Fields(bytes);
    const message = read(fields);
    return fields.isOdd ? generated.decode(toPlain(bytes)) : message;
  },
});

/** A message whose fields are yet to be read. */
export type Mutable<Message> = { -readonly [Field in keyof Message]: Message[Field] };
