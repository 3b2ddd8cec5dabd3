// Clients that break the protocol's rules, or overuse them: each is disconnected with the right error, and others are still served.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import fc from "../../../support/fast-check.js";
import { maxUnsentBytes } from "../../../../server/base/index.js";
import { connectionSweepMs } from "../../../../server/net/http2/connection.js";
import {
  frame,
  frameHeaderBytes,
  frameType,
  numberFrame,
  preface,
  settingsFrame,
} from "../../../../server/net/http2/frames.js";
import {
  idleFrameBurst,
  maxContinuations,
  resetBurst,
  maxIncompleteMs,
  lingerMs,
  maxPartialBytes,
} from "../../../../server/net/http2/limits.js";
import { encodeStatusMessage } from "../../../../server/net/http2/status-message.js";
import { VirtualClock } from "../../../../testing/virtual-clock.js";
import { within } from "../../../support/deadline.js";
import { indexedField, literal, plainBlock } from "./hpack-writer.js";
import {
  assertServes,
  call,
  data,
  endHeaders,
  endStream,
  headers,
  message,
  requestFields,
  serve,
} from "./raw-client.js";

const enhanceYourCalm = 11;

// Floods run in virtual time: on a slow machine, allowances would otherwise be renewed during a flood.

describe("a hostile client is disconnected, others are served", () => {
  test("a client that resets its calls rapidly gets a GOAWAY", async (t) => {
    const { dial, canceled } = await serve(t, { clock: new VirtualClock() });
    const client = dial();
    const pairs: Buffer[] = [];
    for (let n = 0; n < resetBurst + 1_500; n++) {
      const stream = 2 * n + 1;
      pairs.push(headers(stream, "/test.S/Stream"), numberFrame(frameType.resetStream, stream, 8));
    }
    client.send(...pairs);
    assert.deepEqual(await client.goAway(), [enhanceYourCalm, "too_many_resets"]);
    assert.ok(canceled.length > resetBurst);
    await assertServes(dial);
  });

  test("a header block with CONTINUATION frames beyond the limit ends the connection: too_many_headers", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    client.send(frame(frameType.headers, 0, 1, indexedField(3)));
    for (let n = 0; n < maxContinuations + 5; n++) client.send(frame(frameType.continuation, 0, 1, indexedField(2)));
    assert.deepEqual(await client.goAway(), [enhanceYourCalm, "too_many_headers"]);
    await assertServes(dial);
  });

  test("a header bomb costs its stream only", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    const bomb = Buffer.concat([
      plainBlock(requestFields("/test.S/Echo")),
      literal("added", "bomb", "x".repeat(4_000)),
      ...Array.from({ length: 5_000 }, () => indexedField(62)),
    ]);
    client.send(frame(frameType.headers, endHeaders, 1, bomb), call(3, "/test.S/Echo"));
    assert.equal(await client.reset(1), 6);
    assert.equal((await client.end(3)).fields["grpc-status"], "0");
  });

  for (const [what, sent] of [
    ["SETTINGS", settingsFrame([])],
    ["PRIORITY", frame(frameType.priority, 0, 1, Buffer.alloc(5))],
    ["unknown frames", frame(0x55, 0, 0)],
    ["acknowledgements of pings", frame(frameType.ping, 1, 0, Buffer.alloc(8))],
  ] as const)
    test(`a flood of ${what} ends the connection: too_many_idle_frames`, async (t) => {
      const { dial } = await serve(t, { clock: new VirtualClock() });
      const client = dial();
      client.send(...Array.from({ length: idleFrameBurst + 200 }, () => sent));
      assert.deepEqual(await client.goAway(), [enhanceYourCalm, "too_many_idle_frames"]);
      await assertServes(dial);
    });

  test("a flood of empty DATA ends the connection: too_many_idle_frames", async (t) => {
    const { dial } = await serve(t, { clock: new VirtualClock() });
    const client = dial();
    client.send(
      headers(1, "/test.S/Echo"),
      ...Array.from({ length: idleFrameBurst + 200 }, () => data(1, Buffer.alloc(0))),
    );
    assert.deepEqual(await client.goAway(), [enhanceYourCalm, "too_many_idle_frames"]);
    await assertServes(dial);
  });

  test("a flood of PING ends the connection: too_many_pings", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    client.send(...Array.from({ length: 20 }, () => frame(frameType.ping, 0, 0, Buffer.alloc(8))));
    assert.deepEqual(await client.goAway(), [enhanceYourCalm, "too_many_pings"]);
    await assertServes(dial);
  });

  test("a frame larger than allowed ends the connection: frame too large", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    client.send(headers(1, "/test.S/Echo"), frame(frameType.data, 0, 1, Buffer.alloc(16_385)));
    assert.deepEqual(await client.goAway(), [6, "frame too large"]);
    await assertServes(dial);
  });

  test("a message that begins beyond the memory for incomplete messages ends its call: RESOURCE_EXHAUSTED", async (t) => {
    const { dial } = await serve(t, { maxRequestBytes: maxPartialBytes / 4 });
    const client = dial();
    const begun = Buffer.alloc(6);
    begun.writeUInt32BE(maxPartialBytes / 4 - 100, 1);
    for (const stream of [1, 3, 5, 7, 9]) client.send(headers(stream, "/test.S/Echo"), data(stream, begun));
    assert.equal((await client.end(9)).fields["grpc-status"], "8");
    client.send(numberFrame(frameType.resetStream, 1, 8), headers(11, "/test.S/Echo"), data(11, begun));
    client.send(headers(13, "/test.S/Echo"), data(13, begun)); // the refusal of this call shows that the eleventh was accepted
    assert.equal((await client.end(13)).fields["grpc-status"], "8");
    assert.equal(
      client.frames.some(({ stream }) => stream === 11),
      false,
    );
    await assertServes(dial);
  });

  test("a single message beyond that memory is received alone, if --max-request-bytes allows it", async (t) => {
    const { dial } = await serve(t, { maxRequestBytes: 5 * maxPartialBytes });
    const client = dial();
    const prefixOf = (length: number): Buffer => {
      const prefix = Buffer.alloc(6);
      prefix.writeUInt32BE(length, 1);
      return prefix;
    };
    client.send(headers(1, "/test.S/Echo"), data(1, prefixOf(5 * maxPartialBytes)));
    client.send(headers(3, "/test.S/Echo"), data(3, prefixOf(10)));
    assert.equal((await client.end(3)).fields["grpc-status"], "8");
    assert.equal(
      client.frames.some(({ stream }) => stream === 1),
      false,
    );
    client.socket.destroy();
    await assertServes(dial);
  });

  test("a message that begins after the end of its call takes no memory", async (t) => {
    const { dial } = await serve(t, { maxRequestBytes: maxPartialBytes / 4 });
    const begun = Buffer.alloc(6);
    begun.writeUInt32BE(maxPartialBytes / 4 - 100, 1);
    for (let n = 0; n < 20; n++) {
      const client = dial();
      client.send(headers(1, "/test.S/Echo"), data(1, Buffer.concat([message(Buffer.from("x")), begun])));
      assert.equal((await client.end(1)).fields["grpc-status"], "0");
      client.socket.destroy();
    }
    const client = dial();
    const whole = message(Buffer.alloc(10_000, 1));
    client.send(headers(1, "/test.S/Echo"), data(1, whole.subarray(0, 5_000)));
    client.send(data(1, whole.subarray(5_000), endStream));
    assert.equal((await client.end(1)).fields["grpc-status"], "0");
  });

  test("streams that the server resets because of client errors count as resets", async (t) => {
    const { dial } = await serve(t, { clock: new VirtualClock() });
    const client = dial();
    const pairs = Array.from({ length: resetBurst + 1_500 }, (_, n) => [
      headers(2 * n + 1, "/test.S/Never"),
      numberFrame(frameType.windowUpdate, 2 * n + 1, 0),
    ]);
    client.send(...pairs.flat());
    assert.deepEqual(await client.goAway(), [enhanceYourCalm, "too_many_resets"]);
    await assertServes(dial);
  });

  test("a client that has closed its side and reads nothing is disconnected after some time", async (t) => {
    const clock = new VirtualClock();
    const accepted: Socket[] = [];
    const { dial, streams } = await serve(t, { clock }, [], (onConnection) =>
      createServer((socket) => {
        accepted.push(socket);
        onConnection(socket);
      }),
    );
    const client = dial([[4, 2 ** 31 - 1]]);
    client.send(numberFrame(frameType.windowUpdate, 0, 2 ** 31 - 1 - 65_535), headers(1, "/test.S/Stream"));
    while (streams.length === 0) await new Promise(setImmediate);
    client.socket.pause();
    for (let n = 0; n < 200; n++) streams[0]!.send(Buffer.alloc(60_000));
    const ended = once(accepted[0]!, "end");
    client.socket.end();
    await within(5_000, "the client's end", ended);
    const closed = once(accepted[0]!, "close");
    clock.advance(lingerMs);
    await within(5_000, "the end of the connection", closed);
  });

  test("a frame that is never completed ends the connection: incomplete_frame", async (t) => {
    const clock = new VirtualClock();
    const { dial } = await serve(t, { clock });
    const client = dial();
    client.send(call(1, "/test.S/Echo"), frame(frameType.data, 0, 3, Buffer.alloc(100)).subarray(0, 50));
    await client.end(1);
    clock.advance(2_000);
    clock.advance(maxIncompleteMs);
    assert.deepEqual(await client.goAway(), [enhanceYourCalm, "incomplete_frame"]);
  });

  test("streams beyond the limit are refused, and as many others go on", async (t) => {
    const { dial } = await serve(t, { maxConcurrentStreams: 2 });
    const client = dial();
    client.send(headers(1, "/test.S/Stream"), headers(3, "/test.S/Stream"), headers(5, "/test.S/Stream"));
    assert.equal(await client.reset(5), 7);
    client.send(data(1, message(Buffer.from("x")), endStream));
    assert.equal((await client.end(1)).fields["grpc-status"], "0");
    client.send(call(7, "/test.S/Echo"));
    assert.equal((await client.end(7)).fields["grpc-status"], "0");
  });

  test("a stream whose client reads nothing has to wait at the bound of unsent bytes, and delivers all once it reads", async (t) => {
    const { dial, streams } = await serve(t);
    const client = dial([[4, 2 ** 31 - 1]]);
    client.send(numberFrame(frameType.windowUpdate, 0, 2 ** 31 - 1 - 65_535), headers(1, "/test.S/Stream"));
    await client.frame("SETTINGS", ({ type }) => type === frameType.settings);
    while (streams.length === 0) await new Promise(setImmediate);
    client.socket.pause();
    const [stream] = streams;
    const piece = Buffer.alloc(60_000);
    let pieces = 1;
    while (stream!.send(piece)) pieces += 1;
    assert.equal(pieces, Math.ceil(maxUnsentBytes / (piece.length + 5)));
    for (let n = 0; n < 20; n++) await new Promise(setImmediate);
    await assertServes(dial);
    client.socket.resume();
    stream!.endStream();
    assert.equal((await client.end(1)).fields["grpc-status"], "0");
    assert.equal(client.body(1).length, pieces * (piece.length + 5));
  });

  test("an answer is sent byte by byte as a zero window opens, and ends correctly", async (t) => {
    const { dial } = await serve(t);
    const client = dial([[4, 0]]);
    client.send(call(1, "/test.S/Echo", Buffer.from("abc")));
    await client.frame("headers", ({ type }) => type === frameType.headers);
    assert.equal(client.body(1).length, 0);
    for (let n = 0; n < 8; n++) client.send(numberFrame(frameType.windowUpdate, 1, 1));
    assert.equal((await client.end(1)).fields["grpc-status"], "0");
    assert.equal(client.body(1).toString("latin1", 5), "abc");
    assert.equal(client.frames.filter(({ type }) => type === frameType.data).length, 8);
  });

  test("messages to many recipients leave as the windows open, each whole and in order", async (t) => {
    const { dial, streams } = await serve(t);
    const client = dial([[4, 0]]);
    client.send(headers(1, "/test.S/Stream"));
    while (streams.length === 0) await new Promise(setImmediate);
    const [stream] = streams;
    const labels = ["a", "bc", "", "d"].map((label) => ({ label: Buffer.from(label) }));
    const large = Buffer.alloc(20_000, "t");
    assert.equal(stream!.sendEach(labels, 1, 4, Buffer.from("<"), Buffer.from(">")), 3);
    assert.equal(stream!.sendEach(labels, 0, 1, Buffer.from("["), large), 1);
    stream!.endStream();
    for (const bytes of [3, 20, 4_000]) client.send(numberFrame(frameType.windowUpdate, 1, bytes));
    client.send(numberFrame(frameType.windowUpdate, 1, 100_000));
    assert.equal((await client.end(1)).fields["grpc-status"], "0");
    const messages = ["<bc>", "<>", "<d>", `[a${large.toString()}`];
    assert.deepEqual(client.body(1), Buffer.concat(messages.map((text) => message(Buffer.from(text)))));
  });

  test("garbage of any kind ends at most its connection", async (t) => {
    const { dial, dialRaw } = await serve(t);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 4 }), async (pieces) => {
        const client = dialRaw();
        client.send(preface, settingsFrame([]));
        for (const piece of pieces) client.send(frame(piece[0]! % 11, piece[1] ?? 0, piece[2] ?? 0, piece.subarray(3)));
        client.send(...pieces);
        client.socket.end();
        await within(5_000, "the end of the connection", client.whenClosed);
      }),
      { numRuns: 150 },
    );
    await assertServes(dial);
  });
});

describe("any grpc-timeout", () => {
  test("ends at most its call: by INTERNAL if malformed, by a reset if no field may have the value", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    let next = 1;
    const valid = fc.stringMatching(/^[0-9]{1,8}[HMSmun]$/);
    const similar = fc.stringMatching(/^[0-9HMSmunh+\-. \0\r\n]{0,11}$/);
    const garbage = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
    await fc.assert(
      fc.asyncProperty(fc.oneof(valid, similar, garbage), async (timeout) => {
        const [stream, another] = [next, next + 2];
        next += 4;
        client.send(headers(stream, "/test.S/Echo", { "grpc-timeout": timeout }));
        client.send(data(stream, message(Buffer.of()), endStream), call(another, "/test.S/Echo"));
        if (/[\0\r\n]/.test(timeout)) assert.equal(await client.reset(stream), 1);
        else {
          const { fields } = await client.end(stream);
          if (/^[0-9]{1,8}[HMSmun]$/.test(timeout)) assert.match(fields["grpc-status"]!, /^[04]$/);
          else {
            const details = `malformed grpc-timeout: transport: invalid timeout ${JSON.stringify(timeout)}`;
            assert.deepEqual([fields["grpc-status"], fields["grpc-message"]], ["13", encodeStatusMessage(details)]);
          }
        }
        assert.equal((await client.end(another)).fields["grpc-status"], "0");
      }),
      { numRuns: 300 },
    );
  });
});

/** Returns the GOAWAY for a SETTINGS frame by RFC 9113 §6.5 and §6.9.2; undefined: the frame is valid. */
const errorOfSettings = (flags: number, stream: number, payload: Buffer, extraWindow: number): number | undefined => {
  const [protocol, flowControl, frameSize] = [1, 3, 6];
  const isAck = (flags & 1) !== 0;
  if (stream !== 0) return protocol;
  if (payload.length % 6 !== 0 || (isAck && payload.length > 0)) return frameSize;
  for (let at = 0; at < payload.length; at += 6) {
    const [id, value] = [payload.readUInt16BE(at), payload.readUInt32BE(at + 2)];
    if (id === 2 && value > 1) return protocol;
    if (id === 4 && value > 2 ** 31 - 1) return flowControl;
    if (id === 5 && (value < 2 ** 14 || value > 2 ** 24 - 1)) return protocol;
  }
  return windowOf(payload) + extraWindow > 2 ** 31 - 1 ? flowControl : undefined;
};

/** Returns the last initial window in a SETTINGS frame. */
const windowOf = (payload: Buffer): number => {
  let window = 65_535;
  for (let at = 0; at < payload.length; at += 6)
    if (payload.readUInt16BE(at) === 4) window = payload.readUInt32BE(at + 2);
  return window;
};

describe("any SETTINGS frame", () => {
  const value = fc.oneof(
    fc.constantFrom(0, 1, 2, 7, 2 ** 14 - 1, 2 ** 14, 65_535, 2 ** 24 - 1, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
    fc.nat(2 ** 32 - 1),
  );
  const settings = fc.array(fc.tuple(fc.oneof(fc.nat(8), fc.nat(65_535)), value), { maxLength: 6 });
  const payload = fc.oneof(
    settings.map((pairs) => settingsFrame(pairs).subarray(frameHeaderBytes)),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  );
  const usually0 = fc.oneof({ arbitrary: fc.constant(0), weight: 9 }, { arbitrary: fc.nat(255), weight: 1 });
  const extraWindow = fc.constantFrom(0, 1, 2 ** 31 - 1 - 65_535);

  test("is acknowledged and obeyed, or ends its connection with the error of RFC 9113", async (t) => {
    const { dial } = await serve(t);
    await fc.assert(
      fc.asyncProperty(usually0, usually0, payload, extraWindow, async (flags, stream, bytes, extra) => {
        const client = dial();
        if (extra > 0) client.send(headers(1, "/test.S/Stream"), numberFrame(frameType.windowUpdate, 1, extra));
        client.send(frame(frameType.settings, flags, stream, bytes));
        const error = errorOfSettings(flags, stream, bytes, extra);
        if (error !== undefined) assert.equal((await client.goAway())[0], error);
        else {
          client.send(call(3, "/test.S/Echo", Buffer.from("abc")), frame(frameType.ping, 0, 0, Buffer.alloc(8)));
          await client.frame("the answer to a ping", ({ type, flags }) => type === frameType.ping && flags === 1);
          const acks = client.frames.filter((each) => each.type === frameType.settings && each.flags === 1);
          assert.equal(acks.length, (flags & 1) === 0 ? 2 : 1);
          const window = windowOf(bytes);
          assert.equal(client.body(3).length, Math.min(window, 8));
          if (window >= 8) assert.equal((await client.end(3)).fields["grpc-status"], "0");
        }
        client.socket.destroy();
      }),
      { numRuns: 200 },
    );
    await assertServes(dial);
  });
});

describe("a client within the rules", () => {
  test("is served if its streams were answered before it reset them", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    const pairs = Array.from({ length: idleFrameBurst + 200 }, (_, n) => [
      call(2 * n + 1, "/test.S/Echo"),
      numberFrame(frameType.resetStream, 2 * n + 1, 8),
    ]);
    const last = 2 * pairs.length + 1;
    client.send(...pairs.flat(), call(last, "/test.S/Echo"));
    assert.equal((await client.end(last)).fields["grpc-status"], "0");
  });

  test("is served if its first frame is incomplete when the engine checks its connections", async (t) => {
    const clock = new VirtualClock();
    clock.advance(10 * maxIncompleteMs);
    const accepted: Socket[] = [];
    const { dialRaw } = await serve(t, { clock }, [], (onConnection) =>
      createServer((socket) => {
        accepted.push(socket);
        onConnection(socket);
      }),
    );
    const client = dialRaw();
    const opening = Buffer.concat([preface, settingsFrame([[4, 1_000]])]);
    const early = opening.length - 3;
    client.send(opening.subarray(0, early));
    while ((accepted[0]?.bytesRead ?? 0) < early) await new Promise(setImmediate);
    clock.advance(2 * connectionSweepMs);
    client.send(opening.subarray(early), call(1, "/test.S/Echo"));
    assert.equal((await client.end(1)).fields["grpc-status"], "0");
  });

  test("gets the last window if its SETTINGS have several", async (t) => {
    const { dial } = await serve(t);
    const client = dial([
      [4, 0],
      [4, 20],
      [4, 7],
    ]);
    client.send(call(1, "/test.S/Echo", Buffer.from("abcdef")));
    await client.frame("data", ({ type }) => type === frameType.data);
    assert.equal(client.body(1).toString("latin1", 5), "ab");
  });
});

describe("a silent client", () => {
  test("has its connection closed when it begins no request", async (t) => {
    const { dial } = await serve(t, { rules: { withoutRequestMs: 1 } });
    assert.deepEqual(await dial().goAway(), [0, "no_request"]);
  });

  test("is pinged, and closed if it does not answer", async (t) => {
    const { dial } = await serve(t, { rules: { keepAliveMs: 1, keepAliveTimeoutMs: 1 } });
    const client = dial();
    client.send(headers(1, "/test.S/Stream"));
    await client.frame("a ping", ({ type, flags }) => type === frameType.ping && flags === 0);
    await within(5_000, "the end of the connection", client.whenClosed);
  });
});
