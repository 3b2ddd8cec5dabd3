import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "../../../support/fast-check.js";
import { decodeHuffman, huffmanCodes } from "../../../../server/net/http2/huffman.js";
import { encodeHuffman } from "./hpack-writer.js";

describe("Huffman code", () => {
  test("the strings of RFC 7541, appendix C, are decoded", () => {
    for (const [coded, text] of [
      ["f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"],
      ["a8eb10649cbf", "no-cache"],
      ["d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"],
      ["9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"],
      ["", ""],
    ] as const)
      assert.equal(decodeHuffman(Buffer.from(coded, "hex")), text);
  });

  test("every string is decoded to itself", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const text = Buffer.from(bytes).toString("latin1");
        assert.equal(decodeHuffman(encodeHuffman(text)), text);
      }),
    );
  });

  test("a string that is longer than the decoder's scratch memory is decoded", () => {
    const text = "0".repeat(100_000);
    assert.equal(decodeHuffman(encodeHuffman(text)), text);
  });

  test("no code is a prefix of another, and the codes together are complete", () => {
    assert.equal(huffmanCodes.length, 257);
    assert.equal(
      huffmanCodes.reduce((sum, { bits }) => sum + 2 ** -bits, 0),
      1,
    );
  });

  for (const [what, coded] of [
    ["padding of zeros", "00"],
    ["padding of a whole byte", "f1e3c2e5f23a6ba0ab90f4ffff"],
    ["the end-of-string symbol", "ffffffff"],
    ["a code that ends early", "fffe"],
  ] as const)
    test(`${what} makes a string invalid`, () => assert.equal(decodeHuffman(Buffer.from(coded, "hex")), undefined));

  test("garbage is decoded to a string with the same code, or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const text = decodeHuffman(bytes);
        if (text !== undefined) assert.deepEqual(encodeHuffman(text), Buffer.from(bytes));
      }),
    );
  });
});
