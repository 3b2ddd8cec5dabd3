// The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: with the symbols ordered by the length of their codes, then by
// value, each code is the one before it plus one, shifted to its own length. So the lengths are the whole table.

/** The symbols of each code length, in hex: `30-32` stands for 0x30, 0x31 and 0x32. 0x100 is the end-of-string symbol. */
const symbolsByLength: readonly (readonly [bits: number, symbols: string])[] = [
  [5, "30-32 61 63 65 69 6f 73-74"],
  [6, "20 25 2d-2f 33-39 3d 41 5f 62 64 66-68 6c-6e 70 72 75"],
  [7, "3a 42-57 59 6a-6b 71 76-7a"],
  [8, "26 2a 2c 3b 58 5a"],
  [10, "21-22 28-29 3f"],
  [11, "27 2b 7c"],
  [12, "23 3e"],
  [13, "0 24 40 5b 5d 7e"],
  [14, "5e 7d"],
  [15, "3c 60 7b"],
  [19, "5c c3 d0"],
  [20, "80 82-83 a2 b8 c2 e0 e2"],
  [21, "99 a1 a7 ac b0-b1 b3 d1 d8-d9 e3 e5-e6"],
  [22, "81 84-86 88 92 9a 9c a0 a3-a4 a9-aa ad b2 b5 b9-bb bd-be c4 c6 e4 e8-e9"],
  [23, "1 87 89-8d 8f 93 95-98 9b 9d-9e a5-a6 a8 ae-af b4 b6-b7 bc bf c5 e7 ef"],
  [24, "9 8e 90-91 94 9f ab ce d7 e1 ec-ed"],
  [25, "c7 cf ea-eb"],
  [26, "c0-c1 c8-ca cd d2 d5 da-db ee f0 f2-f3 ff"],
  [27, "cb-cc d3-d4 d6 dd-df f1 f4-f8 fa-fe"],
  [28, "2-8 b-c e-15 17-1f 7f dc f9"],
  [30, "a d 16 100"],
];

/** The codes of one length: consecutive numbers from `first` on, one for each of `symbols`. */
interface CodeLength {
  readonly bits: number;
  readonly first: number;
  readonly symbols: readonly number[];
}

const expand = (ranges: string): number[] =>
  ranges.split(" ").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map((hex) => Number.parseInt(hex, 16));
    return Array.from({ length: last - first + 1 }, (_, n) => first + n);
  });

const codeLengths: readonly CodeLength[] = (() => {
  let next = 0;
  let before = 0;
  return symbolsByLength.map(([bits, ranges]) => {
    const symbols = expand(ranges);
    const first = next * 2 ** (bits - before);
    next = first + symbols.length;
    before = bits;
    return { bits, first, symbols };
  });
})();

const endOfString = 0x100;

/** Decodes a Huffman-coded string; undefined if it is not one (RFC 7541 §5.2). */
export const decodeHuffman = (coded: Uint8Array): Buffer | undefined => {
  const decoded: number[] = [];
  const totalBits = coded.length * 8;
  let at = 0;
  while (at < totalBits) {
    const symbol = readSymbol(coded, at, totalBits);
    if (symbol === undefined) return isPadding(coded, at) ? Buffer.from(decoded) : undefined;
    if (symbol.value === endOfString) return undefined;
    decoded.push(symbol.value);
    at += symbol.bits;
  }
  return Buffer.from(decoded);
};

const readSymbol = (
  coded: Uint8Array,
  at: number,
  totalBits: number,
): { readonly value: number; readonly bits: number } | undefined => {
  let code = 0;
  let read = 0;
  for (const { bits, first, symbols } of codeLengths) {
    if (at + bits > totalBits) return undefined;
    for (; read < bits; read++) code = code * 2 + bitAt(coded, at + read);
    const value = symbols[code - first];
    if (value !== undefined) return { value, bits };
  }
  return undefined;
};

const bitAt = (bytes: Uint8Array, at: number): number => ((bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1;

/** A string is filled up to whole bytes with less than 8 ones. */
const isPadding = (coded: Uint8Array, at: number): boolean => {
  const bits = coded.length * 8 - at;
  return bits < 8 && ((coded.at(-1) ?? 0) & ((1 << bits) - 1)) === (1 << bits) - 1;
};
