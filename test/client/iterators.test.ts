// Leaving an iterator: each kind, in each state, in each way.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Client, EtcdError } from "../../client/index.js";
import { WatchResponse, type WatchRequest } from "../../proto/index.js";
import { within } from "../support/deadline.js";
import { FakeServer, oneKey, type FakeStream } from "./fake-server.js";

/** Long enough for a busy machine. */
const deadlineMs = 20_000;

type Iterated = AsyncGenerator<unknown, void, void>;
type WatchStream = FakeStream<WatchRequest, WatchResponse>;
type Result = IteratorResult<unknown, void>;

/** One iterator, and the server and client that it belongs to. */
interface Subject {
  readonly server: FakeServer;
  readonly client: Client;
  readonly iterator: Iterated;
  readonly abort: AbortController;
  /** Ends the iterator's watch; absent if it has no watch of its own. */
  readonly close?: () => Promise<void>;
  /** Calls of `next()` that are unanswered when the iterator is left. */
  pending: Promise<Result>[];
}

type Opened = Pick<Subject, "iterator"> & { close?: () => Promise<void> };

const kinds: Record<string, (client: Client, signal: AbortSignal) => Opened> = {
  events: (client, signal) => {
    const watch = client.watch("k", { prefix: true, startRevision: 1, signal });
    return { iterator: watch[Symbol.asyncIterator](), close: () => watch.close() };
  },
  batches: (client, signal) => {
    const watch = client.watch("k", { prefix: true, startRevision: 1, signal });
    return { iterator: watch.batches(), close: () => watch.close() };
  },
  responses: (client, signal) => {
    const watch = client.watch("k", { prefix: true, startRevision: 1, signal });
    return { iterator: watch.responses(), close: () => watch.close() };
  },
  observe: (client, signal) => ({ iterator: client.election("k").observe({ signal }) }),
};

const change = (revision: bigint) => ({ type: 0 as const, kv: { key: Uint8Array.of(107), modRevision: revision } });
const created = WatchResponse.create({ created: true, header: { revision: 1n } });

/** Accepts the watch that the iterator reads from. */
async function acceptWatch({ server }: Subject): Promise<WatchStream> {
  const stream = await server.stream<WatchRequest, WatchResponse>();
  await stream.request();
  stream.send(created);
  return stream;
}

const callThreeTimes = (subject: Subject): void => {
  subject.pending = [1, 2, 3].map(() => subject.iterator.next());
  for (const each of subject.pending) each.catch(() => undefined); // the rejections are checked later
};

/** Brings an iterator into a state. */
const states: Record<string, (subject: Subject) => Promise<void>> = {
  "that was not started": () => Promise.resolve(),
  "with three calls of next() waiting": async (subject) => {
    callThreeTimes(subject);
    await acceptWatch(subject);
  },
  "that has given an item and has more": async (subject) => {
    subject.server.answers = { Range: oneKey("k/1", "v") }; // an election has a leader to observe
    const first = subject.iterator.next();
    if (subject.close !== undefined)
      (await acceptWatch(subject)).send(WatchResponse.create({ events: [change(2n), change(3n)] }));
    assert.equal((await first).done, false);
  },
  "that waits after its first item": async (subject) => {
    subject.server.answers = { Range: oneKey("k/1", "v") };
    const first = subject.iterator.next();
    if (subject.close !== undefined) (await acceptWatch(subject)).send(WatchResponse.create({ events: [change(2n)] }));
    assert.equal((await first).done, false);
    callThreeTimes(subject);
    if (subject.close === undefined) await acceptWatch(subject);
  },
  "whose server has gone": async (subject) => {
    callThreeTimes(subject);
    const stream = await acceptWatch(subject);
    await subject.server.stop();
    await stream.whenEnded();
  },
};

const done = { done: true, value: undefined };
const thrown = new Error("thrown into it");
const isCanceled = (error: unknown) => error instanceof EtcdError && error.code === "cancelled";

/** Ways to leave an iterator, and the error of the first `next()` that is pending or called afterwards. */
const ways: Record<string, { leave: (subject: Subject) => Promise<unknown>; isError?: (error: unknown) => boolean }> = {
  "return()": { leave: async ({ iterator }) => assert.deepEqual(await iterator.return(), done) },
  "throw()": { leave: ({ iterator }) => assert.rejects(iterator.throw(thrown), thrown) },
  disposal: { leave: ({ iterator }) => Promise.resolve(iterator[Symbol.asyncDispose]()) },
  "return() twice": { leave: ({ iterator }) => Promise.all([iterator.return(), iterator.return()]) },
  "close() of its watch": { leave: ({ close }) => close?.() ?? Promise.resolve() },
  "an abort": {
    leave: ({ abort }) => {
      abort.abort();
      return Promise.resolve();
    },
    isError: isCanceled,
  },
  "close() of the client": { leave: ({ client }) => client.close(), isError: isCanceled },
};

async function leave(kind: string, state: string, way: string): Promise<void> {
  await using server = await FakeServer.start();
  await using client = new Client({ endpoints: [server.endpoint] });
  const abort = new AbortController();
  const opened = kinds[kind]!(client, abort.signal);
  if (way === "close() of its watch" && opened.close === undefined) return;
  const subject: Subject = { server, client, abort, pending: [], ...opened };
  await states[state]!(subject);
  const { leave, isError } = ways[way]!;
  await within(deadlineMs, "the end of it", leave(subject));
  const { pending, iterator } = subject;
  // Calls made afterwards are answered after the pending ones.
  const calls = [...pending, iterator.next(), iterator.next(), iterator.next()];
  const results = await within(deadlineMs, "all calls", Promise.allSettled(calls));
  // A closed client fails its watches, but events that had arrived are still delivered.
  if (way === "close() of the client" && results[0]?.status === "fulfilled") results.shift();
  for (const [position, result] of results.entries())
    if (position > 0 || isError === undefined) assert.deepEqual(result, { status: "fulfilled", value: done });
    else assert.equal(result.status === "rejected" && isError(result.reason), true, JSON.stringify(result));
  if (server.isListening) await client.kv.get("k").catch(() => undefined); // the answer comes after all earlier messages
  for (const stream of server.opened) await stream.whenEnded();
}

for (const kind of Object.keys(kinds))
  describe(`iterating over ${kind} ends at once`, () => {
    for (const state of Object.keys(states))
      for (const way of Object.keys(ways)) test(`by ${way}, ${state}`, () => leave(kind, state, way));
  });

test("calls of next() that are made together get one item each, in order", async () => {
  await using server = await FakeServer.start();
  await using client = new Client({ endpoints: [server.endpoint] });
  const iterator = client.watch("k").batches();
  const calls = [1, 2, 3].map(() => iterator.next());
  const stream = await server.stream<WatchRequest, WatchResponse>();
  stream.send(created);
  stream.send(WatchResponse.create({ events: [change(2n), change(3n)] }));
  stream.send(WatchResponse.create({ events: [change(4n)] }));
  assert.deepEqual(
    (await Promise.all(calls)).map(({ value }) => value?.revision),
    [2, 3, 4],
  );
});

test("a failure is the answer to one call of next(); the others are done", async () => {
  await using server = await FakeServer.start();
  await using client = new Client({ endpoints: [server.endpoint] });
  const iterator = client.watch("k", { startRevision: 2 }).batches();
  const calls = [1, 2, 3].map(() => iterator.next());
  const stream = await server.stream<WatchRequest, WatchResponse>();
  stream.send(created);
  stream.send(WatchResponse.create({ events: [change(2n)] }));
  stream.send(WatchResponse.create({ canceled: true, compactRevision: 9n }));
  const [first, second, third] = await Promise.allSettled(calls);
  assert.equal(first?.status, "fulfilled");
  assert.equal(second?.status === "rejected" && (second.reason as EtcdError).code, "out-of-range");
  assert.deepEqual(third, { status: "fulfilled", value: done });
  assert.deepEqual(await iterator.return(), done);
});

test("leaving a loop closes its watch, and no further event is read", async () => {
  await using server = await FakeServer.start();
  await using client = new Client({ endpoints: [server.endpoint] });
  const watch = client.watch("k", { startRevision: 2 });
  const stream = await server.stream<WatchRequest, WatchResponse>();
  stream.send(created);
  stream.send(WatchResponse.create({ events: [change(2n), change(3n), change(4n)] }));
  const seen: number[] = [];
  for await (const { kv } of watch) {
    seen.push(kv.modRevision);
    if (kv.modRevision === 2) break;
  }
  for await (const { kv } of watch) seen.push(kv.modRevision);
  assert.deepEqual([seen, watch.revision], [[2], 2]);
  await stream.whenEnded();
});
