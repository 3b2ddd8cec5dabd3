// Watches with `resync`: the differences that are reported after a compaction, and the bounds.

import { status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Client, EtcdError, toText, type WatchEvent } from "../../../client/index.js";
import { RangeResponse, WatchResponse, type WatchRequest } from "../../../proto/index.js";
import { FakeServer } from "../fake-server.js";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** Returns a listing at a revision: keys, each with the revision of its last change. */
const listingOf = (revision: bigint, keys: Readonly<Record<string, bigint>>) =>
  RangeResponse.create({
    header: { revision },
    kvs: Object.entries(keys).map(([key, modRevision]) => ({ key: utf8(key), modRevision, value: utf8("v") })),
  });

const put = (key: string, modRevision: bigint) => ({ type: 0 as const, kv: { key: utf8(key), modRevision } });
const deletionOf = (key: string, modRevision: bigint) => ({ type: 1 as const, kv: { key: utf8(key), modRevision } });
const showEvent = ({ type, kv, resync }: WatchEvent) =>
  `${type} ${toText(kv.key)} ${kv.modRevision}${resync === true ? " resync" : ""}`;

/** Accepts the next watch of a client. Returns its stream and the revision that it starts at. */
async function acceptWatch(server: FakeServer) {
  const stream = await server.stream<WatchRequest, WatchResponse>();
  const { requestUnion } = await stream.request();
  assert.equal(requestUnion?.$case, "createRequest");
  stream.send(WatchResponse.create({ created: true, header: { revision: 1n } }));
  const { startRevision, filters } = requestUnion.value;
  return { stream, startRevision, filters };
}

const compactedResponse = (compactRevision: bigint) => WatchResponse.create({ canceled: true, compactRevision });

const takeOf = (iterator: AsyncIterator<WatchEvent>, count: number) =>
  Promise.all(Array.from({ length: count }, async () => showEvent((await iterator.next()).value as WatchEvent)));

describe("a watch with resync", () => {
  test("lists the keys first, and yields the differences after a compaction", async () => {
    await using server = await FakeServer.start({ Range: listingOf(9n, { "k/a": 3n, "k/b": 4n, "k/c": 5n }) });
    await using client = new Client({ endpoints: [server.endpoint] });
    const watch = client.watch("k/", { prefix: true, delivery: { resync: true } });
    const events = watch[Symbol.asyncIterator]();
    const { stream, startRevision } = await acceptWatch(server);
    assert.equal(startRevision, 10n);
    assert.equal(await watch.whenReady(), 10);
    stream.send(WatchResponse.create({ events: [put("k/d", 10n), deletionOf("k/c", 11n)] }));
    assert.deepEqual(await takeOf(events, 2), ["put k/d 10", "delete k/c 11"]);
    server.answers = { Range: listingOf(30n, { "k/a": 3n, "k/b": 22n, "k/e": 21n }) };
    stream.send(compactedResponse(25n));
    const differences = await takeOf(events, 3);
    assert.deepEqual(differences, ["put k/e 21 resync", "put k/b 22 resync", "delete k/d 30 resync"]);
    assert.deepEqual(
      server.calls.map(({ request }) => (request as { keysOnly: boolean }).keysOnly),
      [true, false],
    );
    const next = await acceptWatch(server);
    assert.equal(next.startRevision, 31n);
    next.stream.send(WatchResponse.create({ events: [put("k/a", 31n)] }));
    assert.deepEqual(await takeOf(events, 1), ["put k/a 31"]);
  });

  test("keeps its revision until the last difference is read", async () => {
    await using server = await FakeServer.start({ Range: listingOf(9n, { a: 3n }) });
    await using client = new Client({ endpoints: [server.endpoint] });
    const watch = client.watch("", { prefix: true, delivery: { resync: true } });
    const events = watch[Symbol.asyncIterator]();
    const { stream } = await acceptWatch(server);
    server.answers = { Range: listingOf(30n, { b: 20n }) };
    stream.send(compactedResponse(25n));
    assert.deepEqual([await takeOf(events, 1), watch.revision], [["put b 20 resync"], 0]);
    assert.deepEqual(await takeOf(events, 1), ["delete a 30 resync"]);
    const next = await acceptWatch(server);
    next.stream.send(WatchResponse.create({ events: [put("c", 31n)] }));
    await events.next();
    assert.equal(watch.revision, 31);
  });

  test("yields all differences in one batch, which may be empty", async () => {
    await using server = await FakeServer.start({ Range: listingOf(9n, { a: 3n }) });
    await using client = new Client({ endpoints: [server.endpoint] });
    const batches = client.watch("", { prefix: true, delivery: { resync: true } }).batches();
    const { stream } = await acceptWatch(server);
    server.answers = { Range: listingOf(30n, { a: 3n }) };
    stream.send(compactedResponse(25n));
    assert.deepEqual((await batches.next()).value, { revision: 30, events: [], resync: true });
  });

  test("from revision 1 yields all keys when the history is compacted", async () => {
    await using server = await FakeServer.start({ Range: listingOf(30n, { a: 3n, b: 2n }) });
    await using client = new Client({ endpoints: [server.endpoint] });
    const events = client
      .watch("", { prefix: true, delivery: { resync: true }, startRevision: 1 })
      [Symbol.asyncIterator]();
    const { stream, startRevision } = await acceptWatch(server);
    assert.equal(startRevision, 1n);
    stream.send(compactedResponse(25n));
    assert.deepEqual(await takeOf(events, 2), ["put b 2 resync", "put a 3 resync"]);
  });

  test("with `only` also takes the filtered changes into account", async () => {
    await using server = await FakeServer.start({ Range: listingOf(9n, {}) });
    await using client = new Client({ endpoints: [server.endpoint] });
    const events = client
      .watch("", { prefix: true, delivery: { resync: true }, only: "delete" })
      [Symbol.asyncIterator]();
    const { stream, filters } = await acceptWatch(server);
    assert.deepEqual(filters, []);
    stream.send(WatchResponse.create({ events: [put("a", 10n)] }));
    server.answers = { Range: listingOf(30n, { b: 20n }) };
    stream.send(compactedResponse(25n));
    assert.deepEqual(await takeOf(events, 1), ["delete a 30 resync"]);
  });

  test("fails if its first revision is compacted: it has no keys to compare with", async () => {
    const details = "etcdserver: mvcc: required revision has been compacted";
    await using server = await FakeServer.start({ Range: { code: status.OUT_OF_RANGE, details } });
    await using client = new Client({ endpoints: [server.endpoint] });
    const watch = client.watch("", { prefix: true, delivery: { resync: true }, startRevision: 5 });
    const isCompacted = (error: unknown) => error instanceof EtcdError && error.code === "out-of-range";
    await assert.rejects(watch[Symbol.asyncIterator]().next(), isCompacted);
    await assert.rejects(watch.whenReady(), isCompacted);
    assert.equal((server.calls[0]?.request as { revision: bigint }).revision, 4n);
  });

  test("fails beyond its bound of keys", async () => {
    await using server = await FakeServer.start({ Range: listingOf(9n, { a: 3n, b: 4n }) });
    await using client = new Client({ endpoints: [server.endpoint] });
    const options = { prefix: true, delivery: { resync: { maxKeys: 2 } } };
    const events = client.watch("", options)[Symbol.asyncIterator]();
    const { stream } = await acceptWatch(server);
    stream.send(WatchResponse.create({ events: [put("c", 10n)] }));
    const isTooMuch = (error: unknown) => error instanceof EtcdError && error.code === "resource-exhausted";
    await assert.rejects(events.next(), isTooMuch);
    assert.throws(() => client.watch("", { prefix: true, delivery: { resync: { maxKeys: 0 } } }), RangeError);
  });

  test("ends at once when its loop is left during a list", async () => {
    await using server = await FakeServer.start({ Range: "never" });
    await using client = new Client({ endpoints: [server.endpoint] });
    const events = client.watch("", { prefix: true, delivery: { resync: true } })[Symbol.asyncIterator]();
    const waiting = events.next();
    await server.waitForCall();
    await events.return();
    assert.deepEqual(await waiting, { done: true, value: undefined });
  });
});
