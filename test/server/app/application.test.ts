// etcd's operations called as functions, on a member in this process.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CompactionRequest,
  Compare_CompareTarget,
  DeleteRangeRequest,
  PutRequest,
  KeyValue,
  RangeRequest,
  type RawRangeResponse,
  TxnRequest,
} from "../../../proto/index.js";
import type { Application } from "../../../server/app/application.js";
import { wrapOperations } from "../../../server/app/wrap-operations.js";
import { resultOf } from "../../../server/app/result-of.js";
import { anonymousCaller, type Caller } from "../../../server/base/caller.js";
import { startApplication } from "./application-fixtures.js";

const bytes = (text: string): Uint8Array => Buffer.from(text);

/** The key-value operations with texts for keys and values. */
const clientOf = (application: Application) => ({
  put: (key: string, value: string) =>
    resultOf(application.put, anonymousCaller, PutRequest.fromPartial({ key: bytes(key), value: bytes(value) })),
  get: (key: string, options: { readonly revision?: bigint; readonly serializable?: boolean } = {}) =>
    resultOf(application.range, anonymousCaller, RangeRequest.fromPartial({ key: bytes(key), ...options })),
});

const showKeys = ({ kvs }: RawRangeResponse): string[] =>
  kvs.map((encoded) => {
    const { key, value, modRevision } = KeyValue.decode(encoded);
    return `${Buffer.from(key).toString()}=${Buffer.from(value).toString()} ${modRevision}`;
  });

test("a get returns what an earlier put wrote, with the revision beside the response", async (t) => {
  const { put, get } = clientOf((await startApplication(t)).application);
  const written = await put("k", "v");
  assert.deepEqual([written.revision, written.response.header], [2, undefined]);
  for (const serializable of [false, true]) {
    const { response, revision } = await get("k", { serializable });
    assert.deepEqual([revision, showKeys(response)], [2, ["k=v 2"]]);
  }
});

test("an invalid request is refused at once, and its handler is not called", async (t) => {
  const { application } = await startApplication(t);
  const handler = { onResult: () => assert.fail("a result"), onError: () => assert.fail("an error for later") };
  assert.throws(() => application.put(anonymousCaller, PutRequest.fromPartial({}), handler), { code: "empty-key" });
});

test("a command that the store refuses fails with the store's error", async (t) => {
  const { application } = await startApplication(t);
  const request = PutRequest.fromPartial({ key: bytes("k"), lease: 5n });
  await assert.rejects(resultOf(application.put, anonymousCaller, request), { code: "lease-not-found" });
});

test("a transaction takes the branch that its compares choose", async (t) => {
  const { application } = await startApplication(t);
  const { put, get } = clientOf(application);
  await put("k", "1");
  const request = TxnRequest.fromPartial({
    compare: [
      { key: bytes("k"), target: Compare_CompareTarget.VALUE, targetUnion: { $case: "value", value: bytes("1") } },
    ],
    success: [{ request: { $case: "requestPut", value: { key: bytes("k"), value: bytes("2") } } }],
    failure: [{ request: { $case: "requestPut", value: { key: bytes("k"), value: bytes("3") } } }],
  });
  for (const succeeded of [true, false]) {
    const { response } = await resultOf(application.txn, anonymousCaller, request);
    assert.equal(response.succeeded, succeeded);
  }
  assert.deepEqual(showKeys((await get("k")).response), ["k=3 4"]);
});

test("a deleted key is not found, and its past cannot be read after a compaction", async (t) => {
  const { application } = await startApplication(t);
  const { put, get } = clientOf(application);
  await put("k", "v");
  const { response } = await resultOf(
    application.deleteRange,
    anonymousCaller,
    DeleteRangeRequest.fromPartial({ key: bytes("k") }),
  );
  assert.equal(response.deleted, 1n);
  assert.deepEqual(showKeys((await get("k", { revision: 2n })).response), ["k=v 2"]);
  const compaction = CompactionRequest.fromPartial({ revision: 3n, physical: true });
  await resultOf(application.compact, anonymousCaller, compaction);
  await assert.rejects(get("k", { revision: 2n }), { code: "compacted" });
  assert.deepEqual(showKeys((await get("k")).response), []);
});

test("a member describes itself, its cluster and its store", async (t) => {
  const { application, replica } = await startApplication(t);
  await clientOf(application).put("k", "v");
  const { response, revision } = await resultOf(application.status, anonymousCaller, {});
  assert.deepEqual([response.leader, response.errors, revision], [replica.id, [], 2]);
  const members = await resultOf(application.memberList, anonymousCaller, { linearizable: true });
  assert.deepEqual(
    members.map(({ ID, name }) => [ID, name]),
    [[replica.id, "default"]],
  );
  const hashed = await resultOf(application.hashKv, anonymousCaller, { revision: 0n });
  assert.deepEqual([hashed.response.hashRevision, hashed.revision], [2n, 2]);
});

test("every operation and session refuses a caller whose metadata etcd refuses, before it looks at the request", async (t) => {
  const { application } = await startApplication(t);
  const caller: Caller = {
    ...anonymousCaller,
    metadata: (key) => (key === "client-api-version" ? "\xff" : undefined),
  };
  const listener = {} as never;
  const calls: (() => unknown)[] = [
    () => application.leaseKeepAlive(caller, listener),
    () => application.rangeStream(caller, {} as never, listener),
    () => application.watch(caller, listener),
  ];
  wrapOperations(application, (operation) => {
    calls.push(() => operation(caller, {}, listener));
    return operation;
  });
  assert.equal(calls.length, 37);
  for (const call of calls) assert.throws(call, { code: "invalid-client-version" });
});
