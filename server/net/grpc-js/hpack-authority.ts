// Finds `:authority` in a header block (HPACK, RFC 7541) and replaces characters that Node refuses.

import { decodeHuffman } from "../http2/index.js";

/** The index of `:authority` in the static table (RFC 7541, appendix A). */
const authorityIndex = 1;
/** The index of `content-length` in the same table. */
const lengthIndex = 28;

/** Characters outside the set that Node's HTTP/2 library accepts in `:authority`. */
const unacceptable = /[^!$%&'()*+,\-.0-9:;=A-Z[\]_a-z~]/g;

/**
 * Replaces each unacceptable character of the first `:authority` of a block by a dash: `http://h:1` becomes `http:--h:1`, and
 * `/run/s` becomes `-run-s`. The length does not change, as HPACK evicts from its dynamic table by length. A block without such
 * characters, or that cannot be decoded, is returned unchanged; Node handles its errors.
 */
export const sanitizeAuthority = (block: Buffer): Buffer => {
  if (isIndexedOnly(block)) return block;
  const reader = new FieldReader(block);
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field.nameIndex !== authorityIndex || field.value === undefined) continue;
    const authority = textOf(field.value);
    const amended = authority?.replace(unacceptable, "-");
    if (amended === undefined || amended === authority) return block;
    const { start, end } = field.value;
    return Buffer.concat([block.subarray(0, start), plainText(amended), block.subarray(end)]);
  }
  return block;
};

/** Whether a block contains `content-length`, or may contain it: a later block can refer to it by an index of the dynamic table. */
export const hasContentLength = (block: Buffer): boolean => {
  if (isIndexedOnly(block)) return block.includes(0x80 | lengthIndex);
  const reader = new FieldReader(block);
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field.nameIndex === lengthIndex) return true;
    if (field.nameIndex !== 0) continue;
    const name = field.name && textOf(field.name);
    if (name === undefined || name === "content-length") return true;
  }
  return false;
};

/** Whether every field is one byte, an index of a whole field in a table: frequent in a client's later requests. */
const isIndexedOnly = (block: Buffer): boolean => {
  for (const byte of block) if (byte < 0x80 || byte === 0xff) return false;
  return true;
};

/** A string literal in a block: from its length prefix at `start` to `end`. */
interface StringLiteral {
  readonly start: number;
  readonly end: number;
  readonly bytes: Buffer;
  readonly isHuffman: boolean;
}

/** Undefined: the bytes are no Huffman code. */
const textOf = ({ bytes, isHuffman }: StringLiteral): string | undefined =>
  isHuffman ? decodeHuffman(bytes) : bytes.toString("latin1");

/** Encodes a string literal without Huffman code (RFC 7541 §5.1, §5.2). */
const plainText = (text: string): Buffer => {
  const length: number[] = [Math.min(text.length, 127)];
  if (text.length >= 127) {
    let rest = text.length - 127;
    for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), Buffer.from(text, "latin1")]);
};

interface Field {
  /** The index in the static or dynamic table; 0: the name is a literal. */
  readonly nameIndex: number;
  /** Undefined: the name is an index, or the block ends within it. */
  readonly name: StringLiteral | undefined;
  /** Undefined: the whole field is an index, or the block ends within the value. */
  readonly value: StringLiteral | undefined;
}

/** Reads the representations of a header block one by one (RFC 7541 §6). */
class FieldReader {
  private offset = 0;

  constructor(private readonly block: Buffer) {}

  /** Returns the next field; undefined at the end of the block, or at bytes that are no header field. */
  next(): Field | undefined {
    let first = this.block[this.offset];
    while (first !== undefined && (first & 0xe0) === 0x20) {
      this.integer(5); // a change of the dynamic table's size
      first = this.block[this.offset];
    }
    if (first === undefined) return undefined;
    if ((first & 0x80) !== 0) return { nameIndex: this.integer(7), name: undefined, value: undefined };
    const nameIndex = this.integer((first & 0x40) === 0 ? 4 : 6);
    const name = nameIndex === 0 ? this.text() : undefined;
    return { nameIndex, name, value: this.text() };
  }

  /** Reads an integer (RFC 7541 §5.1). */
  private integer(prefixBits: number): number {
    const most = (1 << prefixBits) - 1;
    let value = this.byte() & most;
    if (value < most) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) break;
    }
    return value;
  }

  /** Reads a string literal (RFC 7541 §5.2); undefined if the block ends within it. */
  private text(): StringLiteral | undefined {
    const start = this.offset;
    const isHuffman = ((this.block[start] ?? 0) & 0x80) !== 0;
    const length = this.integer(7);
    const from = this.offset;
    this.offset += length;
    if (this.offset > this.block.length) return undefined;
    return { start, end: this.offset, bytes: this.block.subarray(from, this.offset), isHuffman };
  }

  private byte(): number {
    const byte = this.block[this.offset] ?? 0;
    this.offset += 1;
    return byte;
  }
}
