import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "../../../support/fast-check.js";
import { ConnectionError } from "../../../../server/net/http2/errors.js";
import {
  frame,
  FrameReader,
  goAwayFrame,
  numberFrame,
  settingsFrame,
  writeFrameHeader,
} from "../../../../server/net/http2/frames.js";
import { maxFrameBytes } from "../../../../server/net/http2/limits.js";

interface Seen {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: string;
}

const readAll = (chunks: readonly Buffer[], goesOn: (seen: Seen) => boolean = () => true): Seen[] => {
  const reader = new FrameReader();
  const frames: Seen[] = [];
  for (const chunk of chunks)
    reader.push(chunk, {
      onFrame: (type, flags, stream, bytes, start, end) => {
        const seen = { type, flags, stream, payload: bytes.subarray(start, end).toString("hex") };
        frames.push(seen);
        return goesOn(seen);
      },
    });
  return frames;
};

/** Cuts bytes at the given places. */
const cut = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, n) => bytes.subarray(start, at[n] ?? bytes.length));
};

const anyFrame = fc.record({
  type: fc.nat(255),
  flags: fc.nat(255),
  stream: fc.nat(2 ** 31 - 1),
  payload: fc.uint8Array({ maxLength: 300 }),
});

describe("frames", () => {
  test("written frames are read back, in chunks of any size", () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), (frames, places) => {
        const bytes = Buffer.concat(frames.map((each) => frame(each.type, each.flags, each.stream, each.payload)));
        const wanted = frames.map((each) => ({ ...each, payload: Buffer.from(each.payload).toString("hex") }));
        assert.deepEqual(readAll([bytes]), wanted);
        assert.deepEqual(readAll(cut(bytes, places)), wanted);
      }),
    );
  });

  test("frames that arrive byte by byte are read", () => {
    const bytes = Buffer.concat([
      frame(6, 0, 0, Buffer.from("pingpong")),
      frame(0, 1, 3),
      frame(9, 4, 5, Buffer.of(1)),
    ]);
    assert.deepEqual(readAll([...bytes].map((byte) => Buffer.of(byte))), readAll([bytes]));
  });

  test("garbage gives frames or a ConnectionError, and the same whether it is cut or not", () => {
    const outcome = (chunks: readonly Buffer[]): unknown => {
      const frames: Seen[] = [];
      try {
        return readAll(chunks, (seen) => frames.push(seen) > 0);
      } catch (error) {
        assert.ok(error instanceof ConnectionError);
        return [error.code, frames];
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.array(fc.nat(), { maxLength: 12 }), (bytes, places) => {
        const all = Buffer.from(bytes);
        assert.deepEqual(outcome(cut(all, places)), outcome([all]));
      }),
    );
  });

  test("a frame of the largest size is read, a larger one refused at its header", () => {
    assert.equal(readAll([frame(0, 0, 1, Buffer.alloc(maxFrameBytes))])[0]?.payload.length, 2 * maxFrameBytes);
    const header = Buffer.alloc(9);
    writeFrameHeader(header, 0, maxFrameBytes + 1, 0, 0, 1);
    assert.throws(() => readAll([header]), { name: "ConnectionError", code: 6 });
  });

  test("no frame is read after a handler has ended the connection", () => {
    const bytes = Buffer.concat([frame(1, 0, 1), frame(2, 0, 1), frame(3, 0, 1)]);
    assert.deepEqual(readAll([bytes], ({ type }) => type !== 2).length, 2);
  });

  test("the reserved bit of a stream's number is ignored", () => {
    const bytes = frame(0, 0, 7);
    bytes[5] = 0x80;
    assert.equal(readAll([bytes])[0]?.stream, 7);
  });

  test("SETTINGS, GOAWAY, WINDOW_UPDATE are encoded as in RFC 9113", () => {
    assert.equal(settingsFrame([[3, 100]]).toString("hex"), "000006040000000000" + "000300000064");
    assert.equal(goAwayFrame(5, 11, "ok").toString("hex"), "00000a070000000000" + "00000005" + "0000000b" + "6f6b");
    assert.equal(numberFrame(8, 1, 65_535).toString("hex"), "000004080000000001" + "0000ffff");
  });
});
