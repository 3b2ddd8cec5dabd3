// The Huffman code of HPACK (RFC 7541, appendix B). The code is canonical: with the symbols ordered by the length of their
// codes, then by value, each code is the one before it plus one, shifted to its own length; the lengths alone define the code.

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

const endOfString = 0x100;

/** A symbol, and its code as an integer of `bits` bits. */
export interface HuffmanCode {
  readonly symbol: number;
  readonly bits: number;
  readonly code: number;
}

/** All codes, the end-of-string symbol's included, from the shortest to the longest. */
export const huffmanCodes: readonly HuffmanCode[] = (() => {
  const all: HuffmanCode[] = [];
  let next = 0;
  let before = 0;
  for (const [bits, ranges] of symbolsByLength) {
    next *= 2 ** (bits - before);
    before = bits;
    for (const range of ranges.split(" ")) {
      const [first = 0, last = first] = range.split("-").map((hex) => Number.parseInt(hex, 16));
      for (let symbol = first; symbol <= last; symbol++) all.push({ symbol, bits, code: next++ });
    }
  }
  return all;
})();

/*
 * Decoding consumes four bits per step. A state is a node of the code's tree, of which 256 are no symbols; the root is state 0.
 * `steps[state * 16 + nibble]` holds the next state, and the symbol that was completed in the step, if any: no code is shorter
 * than
 * five bits, so there is one at most. "a" is 00011 and "0" is 00000: for "a0", 0001 leads from the root to a state, 1000 from
 * there
 * over "a" to the state after 000, and 0011 over "0" to the state after 11, which is padding.
 */
const completes = 0x100;
const fails = 0x200;
const symbolShift = 16;
const steps = new Uint32Array(256 * 16);
/** Whether a string may end in a state: all bits since the last symbol are padding, less than eight ones (§5.2). */
const mayEnd = new Uint8Array(256);

/** Children of the tree's nodes: another node, or a symbol as its complement; undefined: no code has this prefix. */
type Tree = (number | undefined)[][];

const buildTree = (): Tree => {
  const tree: Tree = [[]];
  for (const { symbol, bits, code } of huffmanCodes) {
    let node = 0;
    for (let bit = bits - 1; bit > 0; bit--) {
      const branch = (code >>> bit) & 1;
      const children = tree[node] ?? [];
      const child = (children[branch] ??= tree.push([]) - 1);
      node = child;
    }
    (tree[node] ?? [])[code & 1] = ~symbol;
  }
  return tree;
};

/** Follows four bits from a state. */
const follow = (tree: Tree, state: number, nibble: number): number => {
  let node = state;
  let completed = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = tree[node]?.[(nibble >>> bit) & 1];
    if (child === undefined || ~child === endOfString) return fails;
    if (child >= 0) node = child;
    else {
      completed = completes | (~child << symbolShift);
      node = 0;
    }
  }
  return node | completed;
};

(() => {
  const tree = buildTree();
  for (let state = 0; state < tree.length; state++)
    for (let nibble = 0; nibble < 16; nibble++) steps[state * 16 + nibble] = follow(tree, state, nibble);
  let node = 0;
  for (let ones = 0; ones < 8; ones++) {
    mayEnd[node] = 1;
    node = tree[node]?.[1] ?? 0;
  }
})();

/** Large enough for most decoded strings. */
const scratch = Buffer.allocUnsafe(4_096);

/** Decodes a Huffman-coded string to Latin-1; undefined if it is malformed (RFC 7541 §5.2). */
export const decodeHuffman = (coded: Uint8Array, start = 0, end = coded.length): string | undefined => {
  const mostDecoded = Math.ceil(((end - start) * 8) / 5);
  const decoded = mostDecoded <= scratch.length ? scratch : Buffer.allocUnsafe(mostDecoded);
  let length = 0;
  let state = 0;
  for (let at = start; at < end; at++) {
    const byte = coded[at] ?? 0;
    const upper = steps[(state << 4) | (byte >>> 4)] ?? fails;
    if ((upper & completes) !== 0) decoded[length++] = upper >>> symbolShift;
    const lower = steps[((upper & 0xff) << 4) | (byte & 0xf)] ?? fails;
    if ((lower & completes) !== 0) decoded[length++] = lower >>> symbolShift;
    if (((upper | lower) & fails) !== 0) return undefined;
    state = lower & 0xff;
  }
  return mayEnd[state] === 1 ? decoded.toString("latin1", 0, length) : undefined;
};
