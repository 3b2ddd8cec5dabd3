// Limits of what the engine buffers of a stream for a client that does not read: in messages and in bytes.

import assert from "node:assert/strict";
import { systemClock } from "../../../platform/index.js";
import { UntakenAnswers } from "../../../server/net/engine/untaken-answers.js";
import { createServer } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Client, credentials } from "@grpc/grpc-js";
import { maxUnsentBytes, maxUnsentMessages } from "../../../server/base/limits.js";
import { bidi, type ResponseStream } from "../../../server/rpc/method-table.js";
import { within } from "../../support/deadline.js";
import { temporaryDirectory } from "../member/member-fixtures.js";
import { handTo, onEachEngine, type CreateEngine } from "../net/engines.js";

const codec = { decode: (bytes: Uint8Array) => bytes, encode: (bytes: Uint8Array) => ({ finish: () => bytes }) };

/** Opens a stream. Returns both ends; the client does not read before it is resumed. */
const openStream = async (t: TestContext, createEngine: CreateEngine) => {
  const path = join(await temporaryDirectory(t), "s");
  let onOpen: (stream: ResponseStream<Uint8Array>) => void;
  const stream = new Promise<ResponseStream<Uint8Array>>((resolve) => (onOpen = resolve));
  const nothing = { onRequest: () => undefined, onHalfClose: () => undefined, onClosed: () => undefined };
  const engine = createEngine({
    clock: systemClock,
    untaken: new UntakenAnswers(systemClock, () => undefined),
    methods: [bidi("/a.B/C", codec, codec, (_call, stream: ResponseStream<Uint8Array>) => (onOpen(stream), nothing))],
    maxRequestBytes: 1_000,
    onUnexpectedError: assert.ifError,
  });
  const server = createServer(handTo(engine));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = new Client(`unix:${path}`, credentials.createInsecure(), { "grpc.max_receive_message_length": -1 });
  const call = client.makeBidiStreamRequest(
    "/a.B/C",
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
  );
  call.on("error", () => undefined);
  t.after(async () => {
    call.cancel();
    client.close();
    server.close();
    await engine.stop(0);
  });
  return { stream: await within(5_000, "the stream", stream), call };
};

for (const { what, size } of [
  { what: "many small messages", size: 1 },
  { what: "a few large ones", size: 300_000 },
])
  onEachEngine(`${what} fill a stream, which reports when it has room again`, async (t, createEngine) => {
    const { stream, call } = await openStream(t, createEngine);
    let drains = 0;
    const drained = new Promise<void>((resolve) =>
      stream.setDrainListener(() => {
        drains += 1;
        resolve();
      }),
    );
    let sent = 1;
    while (stream.send(new Uint8Array(size))) sent += 1;
    assert.equal(sent, Math.min(maxUnsentMessages, Math.ceil(maxUnsentBytes / size)));
    assert.equal(stream.send(new Uint8Array(size)), false, "it stays full");
    let received = 0;
    call.on("data", () => (received += 1));
    await within(5_000, "the buffer to drain", drained);
    assert.equal(stream.send(new Uint8Array(1)), true);
    const all = new Promise<void>((resolve) => call.on("data", () => received === sent + 2 && resolve()));
    await within(5_000, "all messages", all);
    assert.equal(drains, 1);
  });
