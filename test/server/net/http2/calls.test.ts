// gRPC calls on the native engine, with a client that sees each frame.

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";
import { frame, frameType, numberFrame } from "../../../../server/net/http2/frames.js";
import { serverStream, sendPlain, unary } from "../../../../server/rpc/method-table.js";
import { ServerError } from "../../../../server/base/errors.js";
import { plainBlock } from "./hpack-writer.js";
import { VirtualClock } from "../../../../testing/virtual-clock.js";
import { within } from "../../../support/deadline.js";
import { bytesCodec, call, data, endHeaders, endStream, headers, message, requestFields, serve } from "./raw-client.js";

describe("calls", () => {
  test("a unary answer is three frames, the second one's headers three bytes in all", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    for (const stream of [1, 3]) {
      client.send(call(stream, "/test.S/Echo", Buffer.from("x")));
      await client.end(stream);
      const frames = client.frames.filter((each) => each.stream === stream);
      assert.deepEqual(
        frames.map(({ type, flags }) => [type, flags]),
        [
          [frameType.headers, endHeaders],
          [frameType.data, 0],
          [frameType.headers, endHeaders | endStream],
        ],
      );
      assert.deepEqual(frames[0]!.fields, { ":status": "200", "content-type": "application/grpc" });
      assert.deepEqual(frames[2]!.fields, { "grpc-status": "0" });
    }
    const headersOfThird = client.frames.filter(({ stream, type }) => stream === 3 && type === frameType.headers);
    assert.deepEqual(
      headersOfThird.map(({ payload }) => payload.length),
      [2, 1],
    );
  });

  test("a ping is answered after the output of a request in the same turn, and also on its own", async (t) => {
    let socket: Socket | undefined;
    const written: (number | undefined)[] = [];
    const inTwoSteps = unary(
      "/test.S/Steps",
      bytesCodec,
      bytesCodec,
      (_call, request: Uint8Array, handler) => {
        written.push(socket?.bytesWritten);
        setImmediate(() => {
          written.push(socket?.bytesWritten);
          handler.onResult(Uint8Array.from(request));
        });
      },
      sendPlain,
    );
    const { dial } = await serve(t, {}, [inTwoSteps], (onConnection) =>
      createServer((accepted) => {
        socket = accepted;
        onConnection(accepted);
      }),
    );
    const client = dial();
    await client.frame(
      "the acknowledgement of SETTINGS",
      ({ type, flags }) => type === frameType.settings && flags === 1,
    );
    const ping = (text: string): Buffer => frame(frameType.ping, 0, 0, Buffer.from(text));
    const waitForPong = (text: string) =>
      client.frame(
        text,
        ({ type, flags, payload }) => type === frameType.ping && flags === 1 && payload.toString() === text,
      );
    client.send(ping("with one"), call(1, "/test.S/Steps", Buffer.from("x")));
    await client.end(1);
    await waitForPong("with one");
    assert.equal(written[1], written[0]);
    client.send(ping("all-ping"));
    await waitForPong("all-ping");
  });

  test("an error is one frame, its text percent-encoded", async (t) => {
    const failing = unary(
      "/test.S/Fail",
      bytesCodec,
      bytesCodec,
      () => {
        throw new ServerError("empty-key", "none");
      },
      sendPlain,
    );
    const { dial } = await serve(t, {}, [failing]);
    const client = dial();
    client.send(call(1, "/test.S/Fail"), call(3, "/test.S/Ä\n"));
    assert.deepEqual((await client.end(1)).fields, {
      ":status": "200",
      "content-type": "application/grpc",
      "grpc-status": "3",
      "grpc-message": "etcdserver: key is not provided",
    });
  });

  for (const [what, path, details] of [
    ["an unknown method", "/test.S/Other", "unknown method Other for service test.S"],
    ["an unknown service", "/other.S/Echo", "unknown service other.S"],
    ["a path without a service", "/Echo", 'malformed method name: "/Echo"'],
  ] as const)
    test(`${what} is UNIMPLEMENTED in the words of Go's gRPC`, async (t) => {
      const { dial } = await serve(t);
      const client = dial();
      client.send(call(1, path));
      const { fields } = await client.end(1);
      assert.deepEqual([fields["grpc-status"], fields["grpc-message"]], ["12", details]);
    });

  test("a refused call whose client continues to send is reset without an error", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    client.send(headers(1, "/test.S/Other"));
    await client.end(1);
    assert.equal(await client.reset(1), 0);
    client.send(data(1, message(Buffer.from("late")), endStream), call(3, "/test.S/Echo"));
    assert.equal((await client.end(3)).fields["grpc-status"], "0");
  });

  test("another content type is answered 415, another method 405, with a body", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    client.send(headers(1, "/", { "content-type": "application/json" }, endStream));
    client.send(headers(3, "/", { ":method": "GET" }, endStream));
    const first = (await client.end(1)).fields;
    assert.deepEqual(
      [first[":status"], first["grpc-status"], first["grpc-message"]],
      ["415", "3", 'invalid gRPC request content-type "application/json"'],
    );
    assert.equal((await client.end(3)).fields[":status"], "405");
    await client.frame("a body", ({ type, flags }) => type === frameType.data && flags === endStream);
  });

  for (const [name, compress] of [
    ["gzip", gzipSync],
    ["deflate", deflateSync],
  ] as const)
    test(`a request in ${name} is decompressed, up to the limit`, async (t) => {
      const { dial } = await serve(t);
      const client = dial();
      const encoding = { "grpc-encoding": name };
      client.send(headers(1, "/test.S/Echo", encoding), data(1, message(compress(Buffer.from("abc")), 1), endStream));
      await client.end(1);
      assert.equal(client.body(1).toString("latin1", 5), "abc");
      client.send(
        headers(3, "/test.S/Echo", encoding),
        data(3, message(compress(Buffer.alloc(200_000)), 1), endStream),
      );
      const { fields } = await client.end(3);
      assert.deepEqual(
        [fields["grpc-status"], fields["grpc-message"]],
        ["8", "grpc: received message after decompression larger than max 100000"],
      );
    });

  for (const [what, encoding, flag, status] of [
    ["an unknown encoding", "snappy", 1, "12"],
    ["no encoding", undefined, 1, "13"],
    ["an unknown flag", "gzip", 2, "13"],
    ["garbage for gzip", "gzip", 1, "13"],
  ] as const)
    test(`a compressed message with ${what} is refused`, async (t) => {
      const { dial } = await serve(t);
      const client = dial();
      const more = encoding === undefined ? {} : { "grpc-encoding": encoding };
      client.send(headers(1, "/test.S/Echo", more), data(1, message(Buffer.from("abc"), flag), endStream));
      assert.equal((await client.end(1)).fields["grpc-status"], status);
    });

  test("a message that comes byte by byte, in padded frames and with trailers is read", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    client.send(headers(1, "/test.S/Echo"));
    for (const byte of message(Buffer.from("hello")))
      client.send(frame(frameType.data, 8, 1, Buffer.from([3, byte, 0, 0, 0])));
    client.send(frame(frameType.headers, endHeaders | endStream, 1, plainBlock({ "x-checksum": "1" })));
    await client.end(1);
    assert.equal(client.body(1).toString("latin1", 5), "hello");
  });

  test("headers that come in CONTINUATION frames are read", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    const block = plainBlock(requestFields("/test.S/Echo"));
    client.send(frame(frameType.headers, 0, 1, block.subarray(0, 10)));
    client.send(frame(frameType.continuation, 0, 1, block.subarray(10, 30)));
    client.send(frame(frameType.continuation, endHeaders, 1, block.subarray(30)));
    client.send(data(1, message(Buffer.from("x")), endStream));
    assert.equal((await client.end(1)).fields["grpc-status"], "0");
  });

  test("a stop waits for a client that reads its last answer slowly, not for one that reads nothing", async (t) => {
    const clock = new VirtualClock();
    const answer = Buffer.alloc(90_000, 1);
    const { engine, dial } = await serve(t, { clock }, [
      unary("/test.S/Large", bytesCodec, bytesCodec, (_call, _request, handler) => handler.onResult(answer), sendPlain),
    ]);
    const [slow, silent] = [dial(), dial()];
    for (const client of [slow, silent]) {
      client.send(call(1, "/test.S/Large"));
      const isFull = (): boolean => client.body(1).length === 65_535;
      await client.frame("all that the window lets through", isFull);
    }
    const stopped = engine.stop(10_000);
    await slow.frame("a GOAWAY", ({ type }) => type === frameType.goAway);
    for (let taken = 65_535; taken < 75_535; taken += 2_000) {
      for (const stream of [0, 1]) slow.send(numberFrame(frameType.windowUpdate, stream, 2_000));
      await slow.frame("some more", () => slow.body(1).length === taken + 2_000);
      clock.advance(500);
    }
    await within(5_000, "the end of the silent client's connection", silent.whenClosed);
    for (const stream of [0, 1]) slow.send(numberFrame(frameType.windowUpdate, stream, 100_000));
    assert.equal((await slow.end(1)).fields["grpc-status"], "0");
    assert.ok(slow.body(1).subarray(5).equals(answer));
    slow.socket.destroy();
    await stopped;
  });

  test("a request of many frames is read, and its windows open again", async (t) => {
    const { dial } = await serve(t, { maxRequestBytes: 3_000_000 });
    const client = dial([[4, 4_000_000]]);
    client.send(numberFrame(frameType.windowUpdate, 0, 4_000_000));
    const request = message(Buffer.alloc(2_000_000, 7));
    client.send(headers(1, "/test.S/Echo"));
    for (let at = 0; at < request.length; at += 16_000)
      client.send(data(1, request.subarray(at, at + 16_000), at + 16_000 >= request.length ? endStream : 0));
    assert.equal((await client.end(1)).fields["grpc-status"], "0");
    assert.ok(client.body(1).equals(request));
    const updates = client.frames.filter(({ type, stream }) => type === frameType.windowUpdate && stream === 1);
    assert.ok(updates.length > 5);
  });

  test("a stream's answers leave between its requests, and its end after them", async (t) => {
    const { dial, canceled } = await serve(t);
    const client = dial();
    client.send(headers(1, "/test.S/Stream"), data(1, message(Buffer.from("a"))));
    await client.frame("an answer", ({ type }) => type === frameType.data);
    client.send(
      data(1, Buffer.concat([message(Buffer.from("b")), message(Buffer.from("c"))])),
      data(1, Buffer.alloc(0), endStream),
    );
    assert.equal((await client.end(1)).fields["grpc-status"], "0");
    assert.deepEqual(client.body(1), Buffer.concat(["a", "b", "c"].map((text) => message(Buffer.from(text)))));
    assert.deepEqual(canceled, ["Stream"]);
  });

  test("messages sent to a stream in one turn share frames, no larger than a client must accept", async (t) => {
    const { dial, streams } = await serve(t);
    const client = dial();
    for (const stream of [1, 3, 5]) client.send(headers(stream, "/test.S/Stream"));
    while (streams.length < 3) await new Promise(setImmediate);
    const labels = Array.from({ length: 40 }, (_, n) => ({ label: Buffer.from([n]) }));
    const [head, small, large] = [Buffer.from("<"), Buffer.alloc(298, "s"), Buffer.alloc(998, "l")];
    streams[0]!.sendEach(labels, 0, 20, head, small);
    streams[1]!.sendEach(labels, 0, 3, head, small);
    streams[0]!.sendEach(labels, 20, 40, head, small);
    await client.frame("the last small message", () => client.body(1).length === 40 * 305);
    streams[2]!.sendEach(labels, 0, 40, head, large);
    for (const stream of streams) stream.endStream();
    const sizes = async (stream: number) => {
      await client.end(stream);
      const frames = client.frames.filter((seen) => seen.stream === stream && seen.type === frameType.data);
      return frames.map(({ payload }) => payload.length);
    };
    assert.deepEqual(await sizes(1), [20 * 305, 20 * 305]);
    assert.deepEqual(await sizes(3), [3 * 305]);
    const sizesOfLarge = await sizes(5);
    assert.ok(sizesOfLarge.length <= 4 && Math.max(...sizesOfLarge) <= 16_384, sizesOfLarge.join());
    const messages = (count: number, tail: Buffer) =>
      Buffer.concat(labels.slice(0, count).map(({ label }) => message(Buffer.concat([head, label, tail]))));
    assert.deepEqual(client.body(1), messages(40, small));
    assert.deepEqual(client.body(3), messages(3, small));
    assert.deepEqual(client.body(5), messages(40, large));
  });

  test("a stream whose client ends within a message ends with INTERNAL", async (t) => {
    const { dial } = await serve(t);
    const client = dial();
    client.send(headers(1, "/test.S/Stream"), data(1, Buffer.from([0, 0, 0, 0, 9, 1]), endStream));
    const { fields } = await client.end(1);
    assert.deepEqual([fields["grpc-status"], fields["grpc-message"]], ["13", "unexpected EOF"]);
  });

  test("a call whose deadline passes ends with DEADLINE_EXCEEDED, and its handler is notified", async (t) => {
    const { dial, canceled } = await serve(t);
    const client = dial();
    client.send(headers(1, "/test.S/Never", { "grpc-timeout": "5m" }), data(1, message(Buffer.alloc(0)), endStream));
    assert.equal((await client.end(1)).fields["grpc-status"], "4");
    assert.deepEqual(canceled, ["Never"]);
    client.send(headers(3, "/test.S/Never", { "grpc-timeout": "soon" }));
    assert.equal((await client.end(3)).fields["grpc-status"], "13");
  });

  test("a call with less than a microsecond left ends with DEADLINE_EXCEEDED, and its handler is not called", async (t) => {
    const { dial, canceled } = await serve(t);
    const client = dial();
    for (const [id, timeout] of [
      [1, "0n"],
      [3, "0S"],
      [5, "999n"],
    ] as const) {
      const fields = { "grpc-timeout": timeout };
      client.send(headers(id, "/test.S/Never", fields), data(id, message(Buffer.alloc(0)), endStream));
      const end = (await client.end(id)).fields;
      assert.deepEqual([end["grpc-status"], end["grpc-message"]], ["4", "context deadline exceeded"], timeout);
    }
    assert.deepEqual(canceled, []);
  });

  test("binary metadata is decoded, and missing metadata is undefined", async (t) => {
    const seen: (string | undefined)[] = [];
    const asks = unary(
      "/test.S/Ask",
      bytesCodec,
      bytesCodec,
      (asked, _request, handler) => {
        seen.push(asked.metadata("token"), asked.metadata("x-bin"), asked.metadata("none"));
        handler.onResult(new Uint8Array());
      },
      sendPlain,
    );
    const { dial } = await serve(t, {}, [asks]);
    const client = dial();
    client.send(
      headers(1, "/test.S/Ask", { token: "t", "x-bin": "aGk" }),
      data(1, message(Buffer.alloc(0)), endStream),
    );
    await client.end(1);
    assert.deepEqual(seen, ["t", "hi", undefined]);
  });

  test("a server stream sends its messages, then its end", async (t) => {
    const counts = serverStream("/test.S/Count", bytesCodec, bytesCodec, (_request, _call, reply) => {
      for (const text of ["a", "b"]) reply.send(Buffer.from(text));
      reply.endStream();
      reply.send(Buffer.from("late"));
    });
    const { dial } = await serve(t, {}, [counts]);
    const client = dial();
    client.send(call(1, "/test.S/Count"), headers(3, "/test.S/Count", {}, endStream));
    assert.equal((await client.end(1)).fields["grpc-status"], "0");
    assert.deepEqual(client.body(1), Buffer.concat(["a", "b"].map((text) => message(Buffer.from(text)))));
    assert.equal((await client.end(3)).fields["grpc-status"], "13");
  });

  test("after a GOAWAY no call begins, the one under way ends, and the connection with it", async (t) => {
    const { dial, engine } = await serve(t);
    const client = dial();
    client.send(headers(1, "/test.S/Stream"), data(1, message(Buffer.from("a"))));
    await client.frame("an answer", ({ type }) => type === frameType.data);
    await engine.drain(0);
    const goAway = await client.frame("a GOAWAY", ({ type }) => type === frameType.goAway);
    assert.deepEqual([goAway.payload.readUInt32BE(0), goAway.payload.readUInt32BE(4)], [1, 0]);
    client.send(call(3, "/test.S/Echo"), data(1, message(Buffer.from("b")), endStream));
    assert.equal((await client.end(1)).fields["grpc-status"], "0");
    await client.whenClosed;
    assert.equal(
      client.frames.some(({ stream }) => stream === 3),
      false,
    );
  });
});
