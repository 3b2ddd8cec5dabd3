// Readers and writers of bytes, for the log on disk and the messages between members.
//
// Counters (terms, indexes, lengths) are little-endian base-128 numbers of up to 53 bits: most of a log's are small and take one or
// two bytes. Each number has exactly one encoding: one with leading zeros is malformed. Example: 300 is
// ac 02.

/** An error for bytes that are not a valid encoding: the sender is broken, hostile, or of another version. */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";
  constructor(
    /** The offset in the message at which reading stopped. */
    readonly offset: number,
    reason: string,
  ) {
    super(`Cannot decode byte ${offset}: ${reason}`);
  }
}

/** The bytes that a writer keeps at `reset`; a larger buffer is released. */
const maxRetainedBytes = 4 * 1024 * 1024;

/** A value that is part of a message and not copied: it follows the first `at` bytes that were written. */
interface Attached {
  readonly at: number;
  readonly value: Uint8Array;
}

/** A buffer that grows as it is written and is reused from message to message. */
export class ByteWriter {
  private buffer: Uint8Array;
  private view: DataView;
  private attached: Attached[] = [];
  /** The number of bytes written since the last `reset`, without attached values. */
  length = 0;

  /** @param attachedFrom the length from which values are attached instead of copied; they must not change meanwhile */
  constructor(
    private readonly initialBytes = 1024,
    readonly attachedFrom = Infinity,
  ) {
    this.buffer = new Uint8Array(initialBytes);
    this.view = new DataView(this.buffer.buffer);
  }

  /** Empties the writer. */
  reset(): void {
    this.length = 0;
    if (this.attached.length > 0) this.attached = [];
    if (this.buffer.length > maxRetainedBytes) this.replaceBuffer(this.initialBytes);
  }

  /** Returns the bytes written, not copied: valid until the next write or `reset`. */
  writtenBytes(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** Returns the bytes from `start` on, with the attached values between them; valid as long as `writtenBytes()`. */
  pieces(start = 0): [first: Uint8Array, ...rest: Uint8Array[]] {
    const { buffer, attached, length } = this;
    if (attached.length === 0) return [buffer.subarray(start, length)];
    const first = attached.findLastIndex(({ at }) => at <= start) + 1;
    const pieces: [Uint8Array, ...Uint8Array[]] = [buffer.subarray(start, attached[first]?.at ?? length)];
    for (const [n, { at, value }] of attached.slice(first).entries()) {
      const end = attached[first + n + 1]?.at ?? length;
      pieces.push(value);
      if (end > at) pieces.push(buffer.subarray(at, end));
    }
    return pieces;
  }

  /** Skips `count` bytes of any content; the caller fills them in later through `writtenBytes()`. */
  skipBytes(count: number): void {
    this.ensureRoom(count);
    this.length += count;
  }

  /** Writes one byte. */
  writeByte(value: number): void {
    this.ensureRoom(1);
    this.buffer[this.length++] = value;
  }

  /** Writes a boolean as one byte. */
  writeFlag(value: boolean): void {
    this.writeByte(value ? 1 : 0);
  }

  /** Writes a whole number from 0 to 2^53 - 1. @throws RangeError for another number */
  writeNumber(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`Cannot encode ${value}: not a counter`);
    this.ensureRoom(8);
    let rest = value;
    // Bit operations hold 31 bits; a greater value is divided first, at most three times.
    while (rest > 0x7fff_ffff) {
      this.buffer[this.length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.length++] = rest;
  }

  /** Writes several numbers. */
  writeNumbers(...values: readonly number[]): void {
    for (const value of values) this.writeNumber(value);
  }

  /** Writes an id as 64 bits, big-endian: ids are random, so a shorter form saves nothing. */
  writeId(value: bigint): void {
    this.ensureRoom(8);
    this.view.setBigUint64(this.length, value);
    this.length += 8;
  }

  /** Writes a length, then the bytes. */
  writeBytes(value: Uint8Array): void {
    this.writeNumber(value.length);
    if (value.length >= this.attachedFrom) {
      this.attached.push({ at: this.length, value });
      return;
    }
    this.ensureRoom(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
  }

  /** Makes room for `count` bytes at once, so that the buffer is not copied at every doubling. */
  ensureRoom(count: number): void {
    const needed = this.length + count;
    if (needed > this.buffer.length) this.replaceBuffer(Math.max(needed, this.buffer.length * 2));
  }

  private replaceBuffer(size: number): void {
    const grown = new Uint8Array(size);
    grown.set(this.writtenBytes());
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }
}

/** Reads the output of `ByteWriter`. Every method throws `MalformedMessageError` rather than read past the end. */
export class ByteReader {
  private readonly buffer: Uint8Array;
  private readonly view: DataView;
  private position = 0;

  constructor(readBytes: Uint8Array) {
    // A plain view, so that `readBytes` always returns a Uint8Array and never a Buffer.
    this.buffer = new Uint8Array(readBytes.buffer, readBytes.byteOffset, readBytes.byteLength);
    this.view = new DataView(readBytes.buffer, readBytes.byteOffset, readBytes.byteLength);
  }

  /** The number of bytes not yet read. */
  get remaining(): number {
    return this.buffer.length - this.position;
  }

  /** Reads one byte. */
  readByte(): number {
    const value = this.buffer[this.position];
    if (value === undefined) throw this.malformedError("ends too early");
    this.position++;
    return value;
  }

  /** Reads a boolean. */
  readFlag(): boolean {
    const value = this.readByte();
    if (value > 1) throw this.malformedError(`${value} is neither yes nor no`);
    return value === 1;
  }

  /** Reads a whole number from 0 to 2^53 - 1. */
  readNumber(): number {
    let value = 0;
    let scale = 1;
    // 53 bits end within the eighth byte: 7 × 7 + 4.
    for (let count = 0; count < 8; count++) {
      const byte = this.readByte();
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte >= 0x80) continue;
      if (byte === 0 && count > 0) throw this.malformedError("a number with leading zeros");
      if (value > Number.MAX_SAFE_INTEGER) break;
      return value;
    }
    throw this.malformedError("a number beyond 2^53 - 1");
  }

  /** Reads a 64-bit id. */
  readId(): bigint {
    if (this.remaining < 8) throw this.malformedError("ends too early");
    const value = this.view.getBigUint64(this.position);
    this.position += 8;
    return value;
  }

  /** Reads a length and that many bytes: a view that keeps the whole message in memory. */
  readBytes(): Uint8Array {
    const length = this.readNumber();
    if (length > this.remaining) throw this.malformedError(`${length} bytes announced, ${this.remaining} left`);
    const start = this.position;
    this.position += length;
    return this.buffer.subarray(start, this.position);
  }

  /** Expects the end of the message. */
  expectEnd(): void {
    if (this.remaining > 0) throw this.malformedError(`${this.remaining} bytes too many`);
  }

  /** Returns the error for malformed bytes at the current position. */
  malformedError(reason: string): MalformedMessageError {
    return new MalformedMessageError(this.position, reason);
  }
}
