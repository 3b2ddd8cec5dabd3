// Namespaces: requests are sent with the prefix, and results come back without it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, EtcdError, toText } from "../../client/index.js";
import {
  type DeleteRangeRequest,
  LeaseTimeToLiveResponse,
  type PutRequest,
  type RangeRequest,
  type TxnRequest,
  TxnResponse,
  WatchResponse,
  type WatchRequest,
} from "../../proto/index.js";
import { FakeServer, oneKey } from "./fake-server.js";

const utf8 = (text: string) => new TextEncoder().encode(text);
const lastRequestOf = (server: FakeServer): unknown => server.calls.at(-1)?.request;
const interval = ({ key, rangeEnd }: { key: Uint8Array; rangeEnd: Uint8Array }) => [toText(key), toText(rangeEnd)];

test("keys and intervals go to the server with the prefix, and come back without", async () => {
  await using server = await FakeServer.start({ Range: oneKey("app/x/a", "v") });
  await using client = new Client({ endpoints: [server.endpoint] });
  const { kv } = client.namespace("app/").namespace("x/");
  const intervals = [
    [() => kv.get("a"), ["app/x/a", ""]],
    [() => kv.get("a", { rangeEnd: "b" }), ["app/x/a", "app/x/b"]],
    [() => kv.get("a", { prefix: true }), ["app/x/a", "app/x/b"]],
    [() => kv.get("a", { fromKey: true }), ["app/x/a", "app/x0"]],
    [() => kv.get("", { prefix: true }), ["app/x/\0", "app/x0"]],
  ] as const;
  for (const [get, sent] of intervals) {
    assert.deepEqual(
      (await get()).kvs.map(({ key }) => toText(key)),
      ["a"],
    );
    assert.deepEqual(interval(lastRequestOf(server) as RangeRequest), sent);
  }
  await kv.put("k", "v");
  assert.equal(toText((lastRequestOf(server) as PutRequest).key), "app/x/k");
  await kv.delete("k", { prefix: true });
  assert.deepEqual(interval(lastRequestOf(server) as DeleteRangeRequest), ["app/x/k", "app/x/l"]);
});

test("a prefix of 0xff bytes has no end", async () => {
  await using server = await FakeServer.start({});
  await using client = new Client({ endpoints: [server.endpoint] });
  await client.namespace(Uint8Array.of(0xff)).kv.get("a", { fromKey: true });
  assert.deepEqual((lastRequestOf(server) as RangeRequest).rangeEnd, Buffer.of(0));
});

test("an empty key is refused, as it is without namespace", async () => {
  await using client = new Client({ endpoints: ["127.0.0.1:1"] });
  const isRefusal = (error: unknown) => error instanceof EtcdError && error.code === "invalid-argument";
  await assert.rejects(client.namespace("app/").kv.put("", "v"), isRefusal);
  assert.throws(() => client.namespace("app/").watch(""), isRefusal);
});

test("transactions have the prefix in every comparison and operation, nested ones too", async () => {
  const result = TxnResponse.create({
    responses: [{ response: { $case: "responseRange", value: oneKey("app/a", "v") } }],
  });
  await using server = await FakeServer.start({ Txn: result });
  await using client = new Client({ endpoints: [server.endpoint] });
  const { kv } = client.namespace("app/");
  const { responses } = await kv.txn({
    compare: [{ key: "a", target: "version", is: "=", than: 0 }],
    success: [{ op: "txn", failure: [{ op: "put", key: "b", value: "v" }] }],
    failure: [{ op: "delete", key: "c" }],
  });
  assert.equal(responses[0]?.op === "get" && toText(responses[0].kvs[0]!.key), "a");
  const { compare, success, failure } = lastRequestOf(server) as TxnRequest;
  const [nested, deletion] = [success[0]?.request, failure[0]?.request];
  const put = nested?.$case === "requestTxn" ? nested.value.failure[0]?.request : undefined;
  assert.equal(toText(compare[0]!.key), "app/a");
  assert.equal(put?.$case === "requestPut" && toText(put.value.key), "app/b");
  assert.equal(deletion?.$case === "requestDeleteRange" && toText(deletion.value.key), "app/c");
});

test("watches and the keys of a lease come back without the prefix", async () => {
  const keys = [utf8("app/a"), utf8("other")];
  await using server = await FakeServer.start({ LeaseTimeToLive: LeaseTimeToLiveResponse.create({ keys }) });
  await using client = new Client({ endpoints: [server.endpoint] });
  const app = client.namespace("app/");
  const watch = app.watch("a", { prefix: true })[Symbol.asyncIterator]();
  const first = watch.next();
  const stream = await server.stream<WatchRequest, WatchResponse>();
  const { requestUnion } = await stream.request();
  assert.deepEqual(requestUnion?.$case === "createRequest" && interval(requestUnion.value), ["app/a", "app/b"]);
  stream.send(WatchResponse.create({ created: true }));
  stream.send(WatchResponse.create({ events: [{ kv: { key: utf8("app/ab"), modRevision: 3n } }] }));
  assert.equal(toText((await first).value!.kv.key), "ab");
  await watch.return();
  const attached = await app.lease.timeToLive(5n, { keys: true });
  assert.deepEqual(attached.keys.map(toText), ["a"]);
});
