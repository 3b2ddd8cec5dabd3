// The bench's client of the native engine: an answer of any size counts once it is complete, and a failure is reported as one.

import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import test, { type TestContext } from "node:test";
import { frameMessage, LoadConnection } from "../../bench/load/load-connection.js";
import { RequestHeads } from "../../bench/load/request-heads.js";
import { systemClock } from "../../platform/index.js";
import { HpackDecoder } from "../../server/net/http2/hpack-decoder.js";
import { LiteralCache } from "../../server/net/http2/literal-cache.js";
import { createNativeEngine } from "../../server/net/native-engine.js";
import { UntakenAnswers } from "../../server/net/engine/untaken-answers.js";
import { bidi, sendPlain, unary, type ResponseStream } from "../../server/rpc/method-table.js";
import { handTo } from "../server/net/engines.js";
import { bytesCodec } from "../server/net/http2/raw-client.js";

/** A connection to an engine that sends requests back, in a unary call and in a stream. */
const connect = async (t: TestContext): Promise<LoadConnection> => {
  const engine = createNativeEngine({
    clock: systemClock,
    untaken: new UntakenAnswers(systemClock, () => undefined),
    methods: [
      unary(
        "/t.S/Echo",
        bytesCodec,
        bytesCodec,
        (_call, request: Uint8Array, handler) => handler.onResult(Uint8Array.from(request)),
        sendPlain,
      ),
      bidi("/t.S/Stream", bytesCodec, bytesCodec, (_call, stream: ResponseStream<Uint8Array>) => ({
        onRequest: (request: Uint8Array) => void stream.send(Uint8Array.from(request)),
        onHalfClose: () => stream.endStream(),
        onClosed: () => undefined,
      })),
    ],
    maxRequestBytes: 4 * 1024 * 1024,
    onUnexpectedError: (error) => assert.fail(error as Error),
  });
  const server = createServer(handTo(engine));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const connection = await LoadConnection.open(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(async () => {
    await connection[Symbol.asyncDispose]();
    server.close();
    await engine.stop(0);
  });
  return connection;
};

const call = (connection: LoadConnection, path: string, bytes: Uint8Array) =>
  new Promise<readonly [status: string, answer: Buffer | undefined]>((resolve) => {
    let answer: Buffer | undefined;
    connection.callUnary(path, frameMessage(bytes), {
      onMessage: (message) => (answer = Buffer.from(message)),
      onEnd: (status) => resolve([status, answer]),
    });
  });

test("calls at the same time get their own answers, and a call of no method its status", async (t) => {
  const connection = await connect(t);
  const texts = Array.from({ length: 300 }, (_, n) => `request ${n}`);
  const answers = await Promise.all(texts.map((text) => call(connection, "/t.S/Echo", Buffer.from(text))));
  assert.deepEqual(
    answers.map(([status, answer]) => [status, answer?.toString()]),
    texts.map((text) => ["0", text]),
  );
  const unimplemented = "12";
  assert.equal((await call(connection, "/t.S/None", new Uint8Array()))[0], unimplemented);
  assert.equal((await call(connection, "/t.S/Echo", new Uint8Array()))[0], "0");
});

test("messages larger than a frame or a window arrive complete, in both directions", async (t) => {
  const connection = await connect(t);
  const bytes = Buffer.alloc(1_000_000, "0123456789");
  const answers = await Promise.all([1, 2, 3].map(() => call(connection, "/t.S/Echo", bytes)));
  for (const [status, answer] of answers) {
    assert.equal(status, "0");
    assert.ok(answer?.equals(bytes));
  }
});

test("a stream gets an answer to each of its messages", async (t) => {
  const connection = await connect(t);
  const sent = ["a", "b", "c"];
  const received = await new Promise<string[]>((resolve, reject) => {
    const texts: string[] = [];
    const send = connection.openStream("/t.S/Stream", {
      onMessage: (message) => {
        if (texts.push(message.toString()) === sent.length) resolve(texts);
      },
      onEnd: reject,
    });
    for (const text of sent) send(frameMessage(Buffer.from(text)));
  });
  assert.deepEqual(received, sent);
});

test("a header block refers to the fields that earlier blocks have added", () => {
  const heads = new RequestHeads("localhost:1");
  const decoder = new HpackDecoder(new LiteralCache());
  const sizes = ["/a", "/b", "/a", "/b", "/c", "/a"].map((path) => {
    const block = heads.encode(path);
    decoder.decode(block, 0, block.length);
    const fields = Object.fromEntries(decoder.fields.map(({ name, value }) => [name, value]));
    assert.deepEqual(fields, {
      ":method": "POST",
      ":scheme": "http",
      ":path": path,
      ":authority": "localhost:1",
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "minietcd-bench",
    });
    return block.length;
  });
  assert.deepEqual(sizes.slice(2), [7, 7, 16, 7]); // a field takes a byte; "/c" is a literal once
});
