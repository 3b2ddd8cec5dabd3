// Finds `:authority` in a header block (HPACK, RFC 7541) and makes "http://" at its start acceptable, in place.

/** Of `:authority` in the static table (RFC 7541, appendix A). */
const authorityIndex = 1;

/** The Huffman codes (RFC 7541, appendix B) of the letters at stake. "/" and "-" have the same length. */
const codes: Readonly<Record<string, string>> = {
  h: "100111",
  t: "01001",
  p: "101011",
  ":": "1011100",
  "/": "011000",
  "-": "010110",
};
const huffman = (text: string): string => Array.from(text, (letter) => codes[letter]).join("");

const urlStart = "http://";
const replacement = "http:--";

/** Changes the first `:authority` of a block. What cannot be read is left alone: HTTP/2 itself will judge it. */
export const amendAuthority = (block: Buffer): void => {
  const reader = new FieldReader(block);
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field.nameIndex !== authorityIndex || field.value === undefined) continue;
    if (field.isHuffman) replaceBits(field.value, huffman(urlStart), huffman(replacement));
    else if (field.value.toString("latin1", 0, urlStart.length) === urlStart) field.value.write(replacement, "latin1");
    return;
  }
};

/** Replaces the bits at the start of `bytes`, if they are `from`. */
const replaceBits = (bytes: Buffer, from: string, to: string): void => {
  const count = Math.ceil(from.length / 8);
  if (bytes.length < count) return;
  const bits = [...bytes.subarray(0, count)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  if (!bits.startsWith(from)) return;
  const changed = to + bits.slice(to.length);
  for (let n = 0; n < count; n++) bytes[n] = Number.parseInt(changed.slice(n * 8, n * 8 + 8), 2);
};

interface Field {
  /** In the static or dynamic table; 0: the name is spelled out. */
  readonly nameIndex: number;
  /** A view into the block; undefined: the whole field stands in the table. */
  readonly value: Buffer | undefined;
  readonly isHuffman: boolean;
}

/** Reads the representations of a header block one by one (RFC 7541 §6); names and values are not decoded. */
class FieldReader {
  private offset = 0;

  constructor(private readonly block: Buffer) {}

  /** Undefined: the end, or something that is no header field. */
  next(): Field | undefined {
    let first = this.block[this.offset];
    while (first !== undefined && (first & 0xe0) === 0x20) {
      this.integer(5); // a change of the dynamic table's size
      first = this.block[this.offset];
    }
    if (first === undefined) return undefined;
    if ((first & 0x80) !== 0) return { nameIndex: this.integer(7), value: undefined, isHuffman: false };
    const nameIndex = this.integer((first & 0x40) === 0 ? 4 : 6);
    if (nameIndex === 0) this.text();
    return { nameIndex, ...this.text() };
  }

  /** RFC 7541 §5.1. */
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

  /** RFC 7541 §5.2. */
  private text(): { readonly value: Buffer; readonly isHuffman: boolean } {
    const isHuffman = ((this.block[this.offset] ?? 0) & 0x80) !== 0;
    const length = this.integer(7);
    const value = this.block.subarray(this.offset, this.offset + length);
    this.offset += length;
    return { value, isHuffman };
  }

  private byte(): number {
    const byte = this.block[this.offset] ?? 0;
    this.offset += 1;
    return byte;
  }
}
