import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { amendAuthority } from "../../server/rpc/hpack-authority.js";
import { http2Preface, Opening } from "../../server/rpc/http2-opening.js";

const frame = (type: number, flags: number, payload: Buffer = Buffer.alloc(0)): Buffer => {
  const header = Buffer.from([0, 0, 0, type, flags, 0, 0, 0, type === 1 ? 1 : 0]);
  header.writeUIntBE(payload.length, 0, 3);
  return Buffer.concat([header, payload]);
};
const settings = frame(4, 0);
const settingsAck = frame(4, 1);
const windowUpdate = frame(8, 0, Buffer.from([0, 1, 0, 0]));
const ping = frame(6, 0, Buffer.alloc(8));
/** `:method: POST`, then `:authority` as a literal to be indexed, as Go's encoder writes it. */
const block = (authority: Buffer, huffman: boolean): Buffer =>
  Buffer.concat([Buffer.from([0x83, 0x41, (huffman ? 0x80 : 0) | authority.length]), authority]);
const headers = (authority: string): Buffer => frame(1, 4, block(Buffer.from(authority, "latin1"), false));

const opened = (...frames: Buffer[]): { steps: string[]; bytes: Buffer } => {
  const opening = new Opening(http2Preface);
  const steps = [opening.read()];
  for (const bytes of frames) {
    opening.push(bytes);
    steps.push(opening.read());
  }
  return { steps: steps.filter((step) => step !== "more"), bytes: opening.bytes };
};

describe("the opening of an HTTP/2 connection", () => {
  test("a client that sends its request at once is handed on untouched", () => {
    const first = Buffer.concat([settings, windowUpdate, headers("127.0.0.1:2379")]);
    const { steps, bytes } = opened(first);
    assert.deepEqual(steps, ["done"]);
    assert.deepEqual(bytes, Buffer.concat([http2Preface, first]));
  });

  test("a client that waits for the server's settings gets them; its answer to them is kept from the next owner", () => {
    const { steps, bytes } = opened(settings, settingsAck, headers("h:1"));
    assert.deepEqual(steps, ["greet", "done"]);
    assert.deepEqual(bytes, Buffer.concat([http2Preface, settings, headers("h:1")]));
  });

  test("a request that crosses the server's settings waits for the answer to them", () => {
    const data = frame(0, 1, Buffer.from("body"));
    const { steps, bytes } = opened(settings, headers("h:1"), data, settingsAck);
    assert.deepEqual(steps, ["greet", "done"]);
    assert.deepEqual(bytes, Buffer.concat([http2Preface, settings, headers("h:1"), data]));
  });

  test("frames that come byte by byte are read all the same", () => {
    const all = Buffer.concat([settings, settingsAck, headers("http://h:1")]);
    const { steps, bytes } = opened(...Array.from(all, (byte) => Buffer.from([byte])));
    assert.deepEqual(steps, ["greet", "done"]);
    assert.deepEqual(bytes, Buffer.concat([http2Preface, settings, headers("http:--h:1")]));
  });

  test("a header block that is nothing but changes of the table's size harms nobody", () => {
    const sizes = Buffer.alloc(60_000, 0x20);
    const first = Buffer.concat([settings, frame(1, 4, sizes)]);
    assert.deepEqual(opened(first), { steps: ["done"], bytes: Buffer.concat([http2Preface, first]) });
    const amended = Buffer.concat([sizes, block(Buffer.from("http://h:1"), false)]);
    amendAuthority(amended);
    assert.equal(amended.toString("latin1", amended.length - 10), "http:--h:1");
  });

  test("something unexpected before a request, or too much, is left to HTTP/2 to judge", () => {
    assert.deepEqual(opened(Buffer.concat([settings, ping])).steps, ["done"]);
    const endless = Buffer.concat([settings, Buffer.from([0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1]), Buffer.alloc(70_000)]);
    assert.equal(opened(endless, settingsAck).steps.at(-1), "done");
    const many = Buffer.concat(Array.from({ length: 8_000 }, () => settings));
    assert.deepEqual(opened(many).steps, ["done"]);
  });

  test("a client that goes on and on without an answer to the server's settings is refused", () => {
    const kibibyte = frame(0, 0, Buffer.alloc(1_015));
    const sent = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => kibibyte));
    const request = headers("h:1");
    assert.deepEqual(opened(settings, request, sent(200), settingsAck).steps, ["greet", "done"]);
    assert.deepEqual(opened(settings, request, sent(300)).steps, ["greet", "refuse"]);
    const unfinished = Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1]), Buffer.alloc(300_000)]);
    assert.deepEqual(opened(settings, unfinished).steps, ["greet", "refuse"]);
  });
});

describe(":authority", () => {
  const amended = (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes);
    amendAuthority(copy);
    return copy;
  };

  test("a URL's slashes become dashes, in plain text", () => {
    assert.deepEqual(
      amended(block(Buffer.from("http://127.0.0.1:2379"), false)),
      block(Buffer.from("http:--127.0.0.1:2379"), false),
    );
  });

  test("and in Huffman code (RFC 7541, appendix B)", () => {
    // "http://h" is 41 + 6 bits and one bit of padding; so is "http:--h".
    const bits = "100111" + "01001" + "01001" + "101011" + "1011100" + "011000" + "011000" + "100111" + "1";
    const dashed = "100111" + "01001" + "01001" + "101011" + "1011100" + "010110" + "010110" + "100111" + "1";
    const pack = (text: string): Buffer =>
      Buffer.from((text.padEnd(48, "1").match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
    assert.deepEqual(amended(block(pack(bits), true)), block(pack(dashed), true));
  });

  test("everything else stays as it is, also what cannot be read", () => {
    for (const bytes of [
      block(Buffer.from("127.0.0.1:2379"), false),
      block(Buffer.from("http:/x"), false),
      Buffer.from([0x83, 0x41]),
      Buffer.from([0x7f, 0xff, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0x3f, 0xe1, 0x1f, 0x00, 0x01, 0x61, 0x01, 0x62]),
      Buffer.alloc(0),
    ])
      assert.deepEqual(amended(bytes), bytes);
  });
});
