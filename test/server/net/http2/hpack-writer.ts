// An HPACK encoder for tests, which uses any representation that a client may choose.

import { huffmanCodes } from "../../../../server/net/http2/huffman.js";

const codeOf = huffmanCodes.slice().sort((a, b) => a.symbol - b.symbol);

export const encodeHuffman = (text: string): Buffer => {
  let bits = "";
  for (const byte of Buffer.from(text, "latin1")) {
    const { code, bits: length } = codeOf[byte]!;
    bits += code.toString(2).padStart(length, "0");
  }
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
};

/** Encodes an integer (RFC 7541 §5.1); `flags` are the bits before the prefix. */
export const integer = (value: number, prefixBits: number, flags = 0): Buffer => {
  const most = (1 << prefixBits) - 1;
  if (value < most) return Buffer.of(flags | value);
  const bytes = [flags | most];
  let rest = value - most;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
};

export const text = (value: string, isHuffman = false): Buffer => {
  const bytes = isHuffman ? encodeHuffman(value) : Buffer.from(value, "latin1");
  return Buffer.concat([integer(bytes.length, 7, isHuffman ? 0x80 : 0), bytes]);
};

export const indexedField = (index: number): Buffer => integer(index, 7, 0x80);
export const sizeUpdate = (bytes: number): Buffer => integer(bytes, 5, 0x20);

/** Encodes a literal: `how` says whether it is added to the table, `name` is an index or text. */
export const literal = (
  how: "added" | "not added" | "never indexed",
  name: number | string,
  value: string,
  isHuffman = false,
): Buffer => {
  const [prefixBits, flags] = how === "added" ? [6, 0x40] : [4, how === "never indexed" ? 0x10 : 0];
  return Buffer.concat([
    integer(typeof name === "number" ? name : 0, prefixBits, flags),
    typeof name === "number" ? Buffer.alloc(0) : text(name, isHuffman),
    text(value, isHuffman),
  ]);
};

/** Encodes a block of literals without the table. */
export const plainBlock = (fields: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(Object.entries(fields).map(([name, value]) => literal("not added", name, value)));
