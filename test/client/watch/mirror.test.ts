// Mirrors: the content at each revision, across compactions, and the bounds.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Client, ConnectError, EtcdError, type Mirror, toText, type WatchBatch } from "../../../client/index.js";
import { RangeResponse, WatchResponse, type WatchRequest } from "../../../proto/index.js";
import { FakeServer } from "../fake-server.js";
import { freePorts } from "../../support/free-ports.js";
import { scaleMs } from "../../support/machine-speed.js";

const utf8 = (text: string) => new TextEncoder().encode(text);

const kvOf = ([key, modRevision]: [string, bigint]) => ({
  key: utf8(key),
  modRevision,
  value: utf8(`v${modRevision}`),
});
const listingOf = (revision: bigint, keys: Readonly<Record<string, bigint>>) =>
  RangeResponse.create({ header: { revision }, kvs: Object.entries(keys).map(kvOf) });
const put = (key: string, modRevision: bigint) => ({ type: 0 as const, kv: kvOf([key, modRevision]) });
const deletionOf = (key: string, modRevision: bigint) => ({ type: 1 as const, kv: { key: utf8(key), modRevision } });

const content = (mirror: Mirror) => mirror.entries().map(({ key, value }) => `${toText(key)}=${toText(value)}`);

async function acceptWatch(server: FakeServer) {
  const stream = await server.stream<WatchRequest, WatchResponse>();
  const { requestUnion } = await stream.request();
  assert.equal(requestUnion?.$case, "createRequest");
  stream.send(WatchResponse.create({ created: true }));
  return { stream, startRevision: requestUnion.value.startRevision };
}

describe("a mirror", () => {
  test("holds the keys of a revision, and changes by whole revisions", async () => {
    await using server = await FakeServer.start({ Range: listingOf(9n, { "c/b": 4n, "c/a": 3n }) });
    await using client = new Client({ endpoints: [server.endpoint] });
    await using mirror = await client.mirror("c/");
    assert.deepEqual([mirror.revision, content(mirror)], [9, ["c/a=v3", "c/b=v4"]]);
    const { stream, startRevision } = await acceptWatch(server);
    assert.equal(startRevision, 10n);
    const seen: [number, string[]][] = [];
    mirror.onChange(({ revision }) => void seen.push([revision, content(mirror)]));
    const events = [put("c/c", 10n), deletionOf("c/a", 10n), put("c/b", 12n)];
    stream.send(WatchResponse.create({ events }));
    await mirror.whenReached(12);
    assert.deepEqual(seen, [
      [10, ["c/b=v4", "c/c=v10"]],
      [12, ["c/b=v12", "c/c=v10"]],
    ]);
    assert.deepEqual([mirror.getText("c/b"), mirror.get("c/a"), mirror.size], ["v12", undefined, 2]);
  });

  test("lists the keys again after a compaction, and reports the changes", async () => {
    await using server = await FakeServer.start({ Range: listingOf(9n, { a: 3n, b: 4n, c: 5n }) });
    await using client = new Client({ endpoints: [server.endpoint] });
    await using mirror = await client.mirror("");
    const changes: WatchBatch[] = [];
    mirror.onChange((change) => void changes.push(change));
    const { stream } = await acceptWatch(server);
    server.answers = { Range: listingOf(30n, { a: 3n, b: 22n, d: 21n }) };
    stream.send(WatchResponse.create({ canceled: true, compactRevision: 25n }));
    await mirror.whenReached(30);
    assert.deepEqual(content(mirror), ["a=v3", "b=v22", "d=v21"]);
    const shown = changes[0]?.events.map(({ type, kv }) => `${type} ${toText(kv.key)}`);
    assert.deepEqual([changes.length, changes[0]?.resync, shown], [1, true, ["put d", "put b", "delete c"]]);
    assert.equal((await acceptWatch(server)).startRevision, 31n);
  });

  test("reports only the newest revision to a slow loop", async () => {
    await using server = await FakeServer.start({ Range: listingOf(9n, {}) });
    await using client = new Client({ endpoints: [server.endpoint] });
    await using mirror = await client.mirror("");
    const revisions = mirror[Symbol.asyncIterator]();
    assert.equal((await revisions.next()).value, 9);
    const { stream } = await acceptWatch(server);
    stream.send(WatchResponse.create({ events: [put("a", 10n)] }));
    stream.send(WatchResponse.create({ events: [put("a", 11n)] }));
    await mirror.whenReached(11);
    assert.equal((await revisions.next()).value, 11);
    const waiting = revisions.next();
    await mirror.close();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.deepEqual(content(mirror), ["a=v11"]);
    assert.equal(await mirror.whenEnded, undefined);
  });

  test("that is refused fails, and yields nothing more", async () => {
    await using server = await FakeServer.start({ Range: listingOf(9n, {}) });
    await using client = new Client({ endpoints: [server.endpoint] });
    await using mirror = await client.mirror("", { maxKeys: 1 });
    const { stream } = await acceptWatch(server);
    stream.send(WatchResponse.create({ events: [put("a", 10n), put("b", 11n)] }));
    const isTooMuch = (error: unknown) => error instanceof EtcdError && error.code === "resource-exhausted";
    assert.ok(isTooMuch(await mirror.whenEnded));
    assert.throws(() => mirror.get("a"), isTooMuch);
    assert.throws(() => mirror.entries(), isTooMuch);
    await assert.rejects(mirror.whenReached(12), isTooMuch);
  });

  test("does not open without a server", async () => {
    const [port = 0] = await freePorts(1);
    await using client = new Client({ endpoints: [`127.0.0.1:${port}`], dialTimeoutMs: 50 });
    await assert.rejects(client.mirror("", { timeoutMs: scaleMs(2_000) }), ConnectError);
  });
});
