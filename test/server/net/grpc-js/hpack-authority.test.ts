import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sanitizeAuthority, hasContentLength } from "../../../../server/net/grpc-js/hpack-authority.js";
import { decodeHuffman } from "../../../../server/net/http2/huffman.js";

/** Encodes `:method: POST`, then `:authority` as a literal to be indexed, like Go's encoder. */
const block = (authority: Buffer, huffman: boolean): Buffer =>
  Buffer.concat([Buffer.from([0x83, 0x41, (huffman ? 0x80 : 0) | authority.length]), authority]);
const plainBlock = (authority: string): Buffer => block(Buffer.from(authority, "latin1"), false);

describe("content-length", () => {
  const spellOut = (name: string): Buffer =>
    Buffer.concat([Buffer.from([0x83, 0x40, name.length]), Buffer.from(`${name}\u00015`, "latin1")]);

  test("is found as an index, as a literal's index, and spelled out", () => {
    for (const bytes of [Buffer.from([0x83, 0x9c]), Buffer.from([0x83, 0x5c, 1, 0x35]), spellOut("content-length")])
      assert.equal(hasContentLength(bytes), true, bytes.toString("hex"));
  });

  test("is assumed if the name of a field cannot be decoded", () => {
    assert.equal(hasContentLength(Buffer.from([0x83, 0x40, 14, 0x63])), true);
  });

  test("is not found in a block with other fields only", () => {
    for (const bytes of [Buffer.from([0x83, 0xbe]), plainBlock("127.0.0.1:2379"), spellOut("content-type")])
      assert.equal(hasContentLength(bytes), false, bytes.toString("hex"));
  });
});

describe(":authority", () => {
  test("the slashes of a URL become dashes", () => {
    assert.deepEqual(sanitizeAuthority(plainBlock("http://127.0.0.1:2379")), plainBlock("http:--127.0.0.1:2379"));
  });

  test("the path of a unix socket is reduced to characters of host names", () => {
    assert.deepEqual(sanitizeAuthority(plainBlock("/run/my member/s@1.sock")), plainBlock("-run-my-member-s-1.sock"));
  });

  test("a Huffman-coded value is rewritten as plain text, with the following fields", () => {
    // "/tmp/h2w/x.sock" as etcdctl 3.4 sends it.
    const coded = Buffer.from("6134d6c4e2f0c795d07275", "hex");
    assert.equal(decodeHuffman(coded), "/tmp/h2w/x.sock");
    const rest = Buffer.from([0x86]);
    assert.deepEqual(
      sanitizeAuthority(Buffer.concat([block(coded, true), rest])),
      Buffer.concat([plainBlock("-tmp-h2w-x.sock"), rest]),
    );
  });

  test("a long value keeps its length", () => {
    const amended = sanitizeAuthority(Buffer.concat([Buffer.from([0x41, 127, 73]), Buffer.from("/".repeat(200))]));
    assert.deepEqual(amended, Buffer.concat([Buffer.from([0x41, 127, 73]), Buffer.from("-".repeat(200))]));
  });

  test("a block that has nothing to replace, or that cannot be read, stays as it is", () => {
    for (const bytes of [
      plainBlock("127.0.0.1:2379"),
      plainBlock("[::1]:2379"),
      Buffer.from([0x83, 0x41]),
      Buffer.from([0x83, 0x41, 20, 0x2f]),
      block(Buffer.from([0xff, 0xff, 0xff, 0xff]), true),
      Buffer.from([0x7f, 0xff, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0x3f, 0xe1, 0x1f, 0x00, 0x01, 0x61, 0x01, 0x62]),
      Buffer.alloc(60_000, 0x20),
      Buffer.alloc(0),
    ])
      assert.deepEqual(sanitizeAuthority(bytes), bytes);
  });
});
