// The Watch service without gRPC, request by request (etcd v3 API, Watch): ids, refusals, progress, fragments, and clients that request
// more than they read.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { RawWatchResponse, WatchRequest, WatchResponse } from "../../../proto/index.js";
import { RequestStats } from "../../../server/app/request-stats.js";
import { noUsers } from "../app/no-users.js";
import { watchOperation } from "../../../server/app/watch-session.js";
import { anonymousCaller } from "../../../server/base/caller.js";
import { ServerError } from "../../../server/base/errors.js";
import { maxResponsesWhileFull, maxWatchersPerStream } from "../../../server/base/limits.js";
import type { BidiMethod, Call, Labelled, RequestSink, BidiResponseStream } from "../../../server/rpc/method-table.js";
import { ResponseHeaders } from "../../../server/services/response-header.js";
import { encodeWatchId, WatchResponses } from "../../../server/services/watch-response.js";
import { watchMethods } from "../../../server/services/watch.js";
import { deleteRange, memoryDisk, put, TestStore, text } from "../../store/harness.js";
import { createRequest, showEvent, type CreateOptions } from "../../support/watch-stream.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { runAtOnce } from "../../../store/index.js";
import { toClusterId, toMemberId } from "../../../testing/ids.js";

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Shows the fields of a response that are not at their default: `id 0 rev 3 created`. */
const showResponse = (response: WatchResponse): string =>
  [
    `id ${response.watchId}`,
    `rev ${response.header?.revision}`,
    ...(response.created ? ["created"] : []),
    ...(response.canceled ? ["canceled"] : []),
    ...(response.compactRevision === 0n ? [] : [`compacted ${response.compactRevision}`]),
    ...(response.cancelReason === "" ? [] : [`"${response.cancelReason}"`]),
    ...(response.fragment ? ["fragment"] : []),
    ...response.events.map((event) => showEvent(event).replace(/=(.)\1{9,}/, "=$1…")),
  ].join(" ");

/** The client's end of a stream. */
class FakeStream implements BidiResponseStream<Uint8Array> {
  /** Encoded messages. */
  private readonly messages: Uint8Array[] = [];
  error: unknown = undefined;
  /** Number of responses that the stream accepts before it is full. */
  room = Infinity;
  private callback: () => void = () => undefined;

  send = (response: Uint8Array): boolean => {
    this.messages.push(response);
    this.room -= 1;
    return this.room > 0;
  };
  sendEach = (labels: readonly Labelled[], from: number, to: number, head: Uint8Array, tail: Uint8Array): number => {
    const some = labels.slice(from, Math.min(to, from + Math.max(0, this.room)));
    for (const { label } of some) this.send(Buffer.concat([head, label, tail]));
    return some.length;
  };
  setDrainListener = (callback: () => void): void => void (this.callback = callback);
  fail = (error: unknown): void => void (this.error = error);
  endStream = (): void => undefined;

  /** Returns the responses sent since the last call. */
  takeResponses(): WatchResponse[] {
    return this.messages.splice(0).map((bytes) => WatchResponse.decode(bytes));
  }

  /** Drops the responses received, and returns their number. */
  drop(): number {
    return this.messages.splice(0).length;
  }

  take(): string[] {
    return this.takeResponses().map(showResponse);
  }

  drain(room = Infinity): void {
    this.room = room;
    this.callback();
  }
}

const service = async (t: TestContext) => {
  const tested = await TestStore.on(await memoryDisk());
  t.after(() => tested[Symbol.asyncDispose]());
  const clock = new VirtualClock();
  const headers = new ResponseHeaders(toClusterId(1n), toMemberId(2n), () => 3);
  const watch = watchOperation(tested.store, {
    clock,
    random: () => 0.5,
    watchProgressMs: 1_000,
    stats: new RequestStats(),
    access: noUsers(),
  });
  const methods = watchMethods({ watch }, headers, 1_000);
  const [method] = methods as unknown as [BidiMethod<WatchRequest, Uint8Array>];
  const call: Call = { ...anonymousCaller, addCancelListener: () => undefined };
  const open = () => {
    const stream = new FakeStream();
    return { stream, client: new FakeClient(method.open(call, stream)) };
  };
  return { tested, store: tested.store, clock, open };
};

class FakeClient {
  constructor(readonly sink: RequestSink<WatchRequest>) {}
  create(options: CreateOptions): void {
    this.sink.onRequest(createRequest(options));
  }
  cancel(watchId: number): void {
    this.sink.onRequest({ requestUnion: { $case: "cancelRequest", value: { watchId: BigInt(watchId) } } });
  }
  progress(): void {
    this.sink.onRequest({ requestUnion: { $case: "progressRequest", value: {} } });
  }
}

test("a watch has the lowest unused id, or the requested one; a canceled id may be used again", async (t) => {
  const { open } = await service(t);
  const { stream, client } = open();
  client.create({ key: "k", watchId: 1 });
  client.create({ key: "k" });
  client.create({ key: "k" });
  client.create({ key: "k", watchId: -1 });
  client.create({ key: "k", watchId: 2 });
  client.cancel(2);
  client.create({ key: "k", watchId: 2 });
  client.cancel(99);
  client.create({ key: "k" });
  assert.deepEqual(stream.take(), [
    "id 1 rev 1 created",
    "id 0 rev 1 created",
    "id 2 rev 1 created",
    "id -1 rev 1 created",
    'id -1 rev 1 created canceled "mvcc: duplicate watch ID provided on the WatchStream"',
    "id 2 rev 1 canceled",
    "id 2 rev 1 created",
    // an unknown id is ignored
    "id 3 rev 1 created",
  ]);
});

test("an invalid watch is refused in one answer, and the stream continues", async (t) => {
  const { tested, store, open } = await service(t);
  const { stream, client } = open();
  const empty = 'id -1 rev 1 created canceled "mvcc: watcher range is empty"';
  const refusals = [
    [{ key: "b", rangeEnd: "a" }, empty],
    [{ key: "b", rangeEnd: "b" }, empty],
    [{ rangeEnd: "\0" }, "id 0 rev 1 created"], // a zero byte: an interval without an end
    [
      { key: "k", startRevision: -1 },
      'id -1 rev 1 created canceled "etcdserver: mvcc: required revision has been compacted"',
    ],
  ] as const;
  for (const [request, answer] of refusals) {
    client.create(request);
    assert.deepEqual(stream.take(), [answer]);
  }
  client.sink.onRequest({ requestUnion: undefined });
  store.put(put("k", "v"));
  tested.endRound();
  assert.deepEqual(stream.take(), ["id 0 rev 2 PUT k=v 2"]);
});

test("a watch from the past gets the answer first, then its events, separately for each watcher", async (t) => {
  const { tested, store, open } = await service(t);
  store.put(put("k", "2"));
  tested.endRound();
  runAtOnce(store.deleteRange(deleteRange("k")));
  const { stream, client } = open();
  client.create({ key: "k", startRevision: 1, prevKv: true });
  client.create({ key: "k", startRevision: 3, filters: [0] });
  client.create({ key: "k", startRevision: 2n ** 62n });
  assert.deepEqual(stream.take(), ["id 0 rev 3 created", "id 1 rev 3 created", "id 2 rev 3 created"]);
  for (let n = 0; n < 5; n++) await turn();
  assert.deepEqual(stream.take(), ["id 0 rev 3 PUT k=2 2 DELETE k 3 was 2", "id 1 rev 3 DELETE k 3"]);
});

test("a watch of compacted history is created, then canceled without a revision in the header; its id stays in use until the client cancels it", async (t) => {
  const { store, open } = await service(t);
  for (const value of ["2", "3", "4"]) store.put(put("k", value));
  store.compact(3);
  const { stream, client } = open();
  client.create({ key: "k", startRevision: 2 });
  for (let n = 0; n < 3; n++) await turn();
  client.create({ key: "k", watchId: 0, startRevision: 3 });
  for (let n = 0; n < 3; n++) await turn();
  assert.deepEqual(stream.take(), [
    "id 0 rev 4 created",
    "id 0 rev 0 canceled compacted 3",
    "id 1 rev 4 created",
    "id 1 rev 4 PUT k=3 3 PUT k=4 4",
  ]);
  client.progress();
  client.cancel(0);
  client.cancel(0);
  assert.deepEqual(stream.take(), ["id -1 rev 4", "id 0 rev 4 canceled"]);
});

test("a requested progress notice is sent only if there are watchers and all have got every event", async (t) => {
  const { tested, store, open } = await service(t);
  store.put(put("k", "2"));
  tested.endRound();
  const { stream, client } = open();
  client.progress();
  assert.deepEqual(stream.take(), []);
  client.create({ key: "k" });
  client.progress();
  client.create({ key: "k", startRevision: 1 });
  client.progress(); // one watcher is behind
  assert.deepEqual(stream.take(), ["id 0 rev 2 created", "id -1 rev 2", "id 1 rev 2 created"]);
  for (let n = 0; n < 3; n++) await turn();
  client.progress();
  assert.deepEqual(stream.take(), ["id 1 rev 2 PUT k=2 2", "id -1 rev 2"]);
  client.create({ key: "k", startRevision: 4 });
  client.progress(); // one watcher has not started
  store.put(put("other", "3"));
  tested.endRound();
  client.progress();
  store.put(put("other", "4"));
  tested.endRound();
  client.progress();
  assert.deepEqual(stream.take(), ["id 2 rev 2 created", "id -1 rev 4"]);
});

test("a periodic progress notice goes to watchers that requested it and got no event in the interval", async (t) => {
  const { tested, store, clock, open } = await service(t);
  const { stream, client } = open();
  client.create({ key: "k", progressNotify: true });
  client.create({ key: "k" });
  stream.take();
  const interval = 1_050; // half of the jitter
  clock.advance(interval - 1);
  assert.deepEqual(stream.take(), []);
  clock.advance(1);
  assert.deepEqual(stream.take(), ["id 0 rev 1"]);
  store.put(put("k", "2"));
  tested.endRound();
  stream.take();
  clock.advance(interval);
  assert.deepEqual(stream.take(), []);
  store.put(put("other", "3"));
  tested.endRound();
  clock.advance(interval);
  assert.deepEqual(stream.take(), ["id 0 rev 3"]);
  client.sink.onClosed();
  assert.equal(clock.pendingTimers, 0);
});

test("fragments are below the bound, in order, all but the last marked; an event is never split", async (t) => {
  const { tested, store, open } = await service(t);
  const { stream, client } = open();
  client.create({ key: "k", rangeEnd: "l", fragment: true, prevKv: true });
  client.create({ key: "k", rangeEnd: "l", prevKv: true });
  stream.take();
  for (const [key, size] of [
    ["k1", 300],
    ["k2", 300],
    ["k3", 400],
    ["k4", 1_500],
    ["k5", 10],
  ] as const) {
    store.put(put(key, "x".repeat(size)));
    tested.endRound();
  }
  assert.ok(stream.take().every((response) => !response.includes("fragment")));
  runAtOnce(store.deleteRange(deleteRange("k", "l")));
  tested.endRound();
  const responses = stream.takeResponses();
  const [whole, ...rest] = responses.filter(({ watchId }) => watchId === 1n);
  assert.deepEqual([whole?.fragment, whole?.events.length, rest], [false, 5, []]);
  const parts = responses.filter(({ watchId }) => watchId === 0n);
  assert.deepEqual(
    parts.map(({ fragment, events }) => `${fragment} ${events.map(({ kv }) => text(kv!.key)).join(" ")}`),
    ["true k1 k2", "true k3", "true k4", "false k5"],
  );
  assert.deepEqual(
    parts.flatMap(({ events }) => events),
    whole?.events,
  );
  for (const part of parts) {
    assert.deepEqual(part.header, whole?.header);
    assert.ok(part.events.length === 1 || WatchResponse.encode(part).finish().length < 1_000);
  }
});

test("a response of encoded parts is, byte for byte, the encoded message", () => {
  const headers = new ResponseHeaders(toClusterId(1n), toMemberId(2n), () => 3);
  const responses = new WatchResponses(headers);
  const events = [Buffer.from("first"), Buffer.from("second")];
  const message = RawWatchResponse.create({ header: headers.at(4), watchId: 5n, events });
  const encoded = Buffer.from(RawWatchResponse.encode(message).finish());
  assert.deepEqual(Buffer.concat([responses.headerAt(4), encodeWatchId(5n), responses.encodeEvents(events)]), encoded);
  assert.deepEqual(responses.answer(4, { watchId: 5n, events }), encoded);
});

test("a response just below the bound is not split, though the mark of a fragment would make it reach it", () => {
  const responses = new WatchResponses(new ResponseHeaders(toClusterId(1n), toMemberId(2n), () => 3));
  const watch = encodeWatchId(1n);
  const events = [new Uint8Array(10), new Uint8Array(10)];
  const head = responses.headerAt(4);
  const whole = Buffer.concat([head, watch, responses.encodeEvents(events)]);
  assert.deepEqual(responses.fragments(head, watch, events, whole.length + 1), [whole]);
  assert.equal(responses.fragments(head, watch, events, whole.length).length, 2);
});

test("events of a client that does not read are not queued; once it reads, none is missing or repeated", async (t) => {
  const { tested, store, open } = await service(t);
  const { stream, client } = open();
  client.create({ key: "k", progressNotify: true });
  client.create({ key: "k" });
  client.create({ key: "quiet" });
  stream.take();
  stream.room = 1;
  for (let n = 2; n <= 300; n++) {
    store.put(put("k", `${n}`));
    tested.endRound();
  }
  assert.deepEqual(stream.take(), ["id 0 rev 2 PUT k=2 2"], "the one that filled the buffer");
  client.progress();
  assert.deepEqual(stream.take(), [], "no progress while events are missing");
  stream.drain();
  for (let n = 0; n < 10; n++) await turn();
  store.put(put("k", "301"));
  tested.endRound();
  const sent = stream.takeResponses();
  const events = [0n, 1n].map((id) => sent.filter(({ watchId }) => watchId === id).flatMap(({ events }) => events));
  const revisions = events.map((some) => some.map(({ kv }) => Number(kv?.modRevision)));
  const upTo301 = Array.from({ length: 300 }, (_, n) => n + 2);
  assert.deepEqual(revisions, [upTo301.slice(1), upTo301]);
  assert.ok(sent.length < 10, "sent in few responses");
});

test("the stream of a client that sends requests and reads no answers ends", async (t) => {
  const { open } = await service(t);
  const { stream, client } = open();
  stream.room = 1;
  client.create({ key: "k" });
  const flood = (): void => {
    for (let n = 0; n <= maxResponsesWhileFull; n++) client.create({ key: "b", rangeEnd: "a" });
  };
  assert.throws(flood, (error) => error instanceof ServerError && error.code === "too-many-requests");
  assert.equal(stream.drop(), 1 + maxResponsesWhileFull);
});

test("a watcher beyond the bound of a stream is refused, and a canceled one makes room", async (t) => {
  const { open } = await service(t);
  const { stream, client } = open();
  for (let n = 0; n < maxWatchersPerStream; n++) client.create({ key: "k" });
  assert.equal(stream.drop(), maxWatchersPerStream);
  client.create({ key: "k" });
  client.cancel(7);
  client.create({ key: "k" });
  assert.deepEqual(stream.take(), [
    'id -1 rev 1 created canceled "etcdserver: too many requests"',
    "id 7 rev 1 canceled",
    `id ${maxWatchersPerStream} rev 1 created`,
  ]);
});

test("a response that cannot be sent ends its stream, and the write succeeds", async (t) => {
  const { tested, store, open } = await service(t);
  const [{ stream, client }, other] = [open(), open()];
  for (const each of [client, other.client]) each.create({ key: "k" });
  stream.send = () => {
    throw new RangeError("Invalid typed array length");
  };
  store.put(put("k", "2"));
  tested.endRound();
  assert.ok(stream.error instanceof RangeError);
  assert.deepEqual(other.stream.take(), ["id 0 rev 1 created", "id 0 rev 2 PUT k=2 2"]);
});

test("no response is sent to a stream that has ended", async (t) => {
  const { tested, store, open } = await service(t);
  const { stream, client } = open();
  client.create({ key: "k" });
  client.sink.onHalfClose();
  store.put(put("k", "2"));
  tested.endRound();
  assert.deepEqual(stream.take(), ["id 0 rev 1 created", "id 0 rev 2 PUT k=2 2"]);
  client.sink.onClosed();
  store.put(put("k", "3"));
  tested.endRound();
  assert.deepEqual(stream.take(), []);
});

test("a watcher does not keep the buffer of its request alive", () => {
  const headers = new ResponseHeaders(toClusterId(1n), toMemberId(1n), () => 1);
  const watch = (): never => assert.fail("no stream is opened");
  const [method] = watchMethods({ watch }, headers, 1_000) as unknown as [BidiMethod<WatchRequest>];
  const received = Buffer.concat([Buffer.alloc(1_000), WatchRequest.encode(createRequest({ key: "key" })).finish()]);
  const { requestUnion: request } = method.decode(received.subarray(1_000));
  received.fill(0);
  assert.ok(request?.$case === "createRequest");
  assert.equal(text(request.value.key), "key");
  assert.ok(request.value.key.buffer.byteLength < 1_000);
});
