// Several endpoints, some of them dead or failing: which requests are retried, and the messages of the errors.

import { status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Client, ConnectError, EtcdError } from "../../../client/index.js";
import { freePorts } from "../../support/free-ports.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { FakeServer, oneKey, putAt, type Failing } from "../fake-server.js";
import { passTime } from "../virtual-time.js";
import { scaleMs } from "../../support/machine-speed.js";
import { patientClient } from "../../support/patient-client.js";

const unavailableError = (details: string): Failing => ({ code: status.UNAVAILABLE, details });

/** Returns an endpoint without a listener: a port that was free a moment ago. (Port 0 is invalid.) */
const findDeadEndpoint = async () => `127.0.0.1:${(await freePorts(1))[0]!}`;

const failure = async (promise: Promise<unknown>): Promise<EtcdError> => {
  const error: unknown = await promise.then(
    () => assert.fail("succeeded"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof EtcdError, String(error));
  return error;
};

describe("a dead endpoint", () => {
  test("is skipped by reads and writes without a wait", async () => {
    await using server = await FakeServer.start({ Range: oneKey("k", "v"), Put: putAt(7n) });
    // Waiting for the dead endpoint would take an hour.
    const endpoints = [await findDeadEndpoint(), server.endpoint];
    await using client = new Client({ endpoints, dialTimeoutMs: 3_600_000, requestTimeoutMs: 3_600_000 });
    assert.equal(await client.kv.getText("k"), "v");
    assert.equal((await client.kv.put("k", "v")).header.revision, 7);
  });

  test("without another endpoint is an error that names it and the reason, and says that nothing was sent", async () => {
    const endpoint = await findDeadEndpoint();
    const clock = new VirtualClock();
    await using client = new Client({ endpoints: [endpoint], dialTimeoutMs: 1_000 }, clock);
    const error = await passTime(clock, failure(client.kv.put("k", "v")));
    assert.ok(clock.now() >= 1_000, `given up after ${clock.now()} ms`);
    assert.ok(error instanceof ConnectError);
    assert.deepEqual([error.code, error.outcome], ["unavailable", "failed"]);
    assert.deepEqual([...error.failures], [[endpoint, `connect ECONNREFUSED ${endpoint}`]]);
  });

  test("is used once its server runs", async () => {
    const [port = 0] = await freePorts(1);
    await using client = patientClient({
      endpoints: [`127.0.0.1:${port}`],
      dialTimeoutMs: scaleMs(20_000),
      requestTimeoutMs: scaleMs(20_000),
    });
    const value = client.kv.getText("k");
    await using server = await FakeServer.start({ Range: oneKey("k", "v") }, port);
    assert.equal(await value, "v");
    assert.equal(server.calls.length, 1);
  });
});

describe("a server that cannot answer", () => {
  test("a read goes to the next", async () => {
    await using first = await FakeServer.start({ Range: unavailableError("etcdserver: request timed out") });
    await using second = await FakeServer.start({ Range: unavailableError("etcdserver: leader changed") });
    await using client = patientClient({ endpoints: [first.endpoint, second.endpoint] });
    const value = client.kv.getText("k");
    await Promise.all([first.waitForCall(), second.waitForCall()]);
    second.answers = { Range: oneKey("k", "v") };
    assert.equal(await value, "v");
  });

  test("a write that may have been carried out is not sent again", async () => {
    const answers = {
      Put: unavailableError("etcdserver: request timed out"),
      Txn: unavailableError("etcdserver: server stopped"),
    };
    await using first = await FakeServer.start(answers);
    await using second = await FakeServer.start(answers);
    await using client = patientClient({ endpoints: [first.endpoint, second.endpoint] });
    const put = await failure(client.kv.put("k", "v"));
    assert.deepEqual([put.code, put.outcome], ["unavailable", "unknown"]);
    assert.equal(put.message, "etcdserver: request timed out");
    const txn = await failure(client.kv.txn({ success: [{ op: "put", key: "k", value: "v" }] }));
    assert.equal(txn.outcome, "unknown");
    assert.equal(first.calls.length + second.calls.length, 2);
  });

  test("a write that certainly was not carried out goes to the next", async () => {
    const endpoints = [];
    await using first = await FakeServer.start({ Put: unavailableError("etcdserver: no leader") });
    await using second = await FakeServer.start({ Put: unavailableError("etcdserver: no leader") });
    endpoints.push(first.endpoint, second.endpoint);
    await using client = patientClient({ endpoints });
    const put = client.kv.put("k", "v");
    await Promise.all([first.waitForCall(), second.waitForCall()]);
    first.answers = second.answers = { Put: putAt(7n) };
    assert.equal((await put).header.revision, 7);
  });

  test("a transaction that only reads is a read", async () => {
    await using first = await FakeServer.start({ Txn: unavailableError("etcdserver: request timed out") });
    await using second = await FakeServer.start({ Txn: unavailableError("etcdserver: request timed out") });
    await using client = patientClient({ endpoints: [first.endpoint, second.endpoint] });
    const txn = client.kv.txn({ failure: [{ op: "get", key: "k" }] });
    await Promise.all([first.waitForCall(), second.waitForCall()]);
    first.answers = second.answers = { Txn: { succeeded: true } };
    assert.equal((await txn).succeeded, true);
  });
});

test("after a request times out at a server, the next request goes to another server", async () => {
  await using first = await FakeServer.start({ Range: unavailableError("etcdserver: no leader") });
  await using second = await FakeServer.start({ Range: unavailableError("etcdserver: no leader") });
  await using client = patientClient({ endpoints: [first.endpoint, second.endpoint] });
  const connected = client.kv.get("k"); // fails at both endpoints
  await Promise.all([first.waitForCall(), second.waitForCall()]);
  first.answers = second.answers = { Put: "never" };
  await connected;
  for (const server of [first, second]) server.calls.length = 0;
  const timeout = new AbortController();
  const signal = AbortSignal.any([timeout.signal, new AbortController().signal]);
  const kept = failure(client.kv.put("k", "v", { signal }));
  await Promise.race([first.waitForCall(), second.waitForCall()]);
  timeout.abort(new DOMException("as AbortSignal.timeout() does", "TimeoutError"));
  await kept;
  const [frozen, other] = first.calls.length > 0 ? [first, second] : [second, first];
  other.answers = { Put: putAt(7n) };
  assert.equal((await client.kv.put("k", "v")).header.revision, 7);
  assert.equal(frozen.calls.length, 1);
});

describe("a connection that breaks under a request", () => {
  test("a read is retried on another server", async () => {
    await using first = await FakeServer.start({ Range: "drop" });
    await using second = await FakeServer.start({ Range: "drop" });
    await using client = patientClient({ endpoints: [first.endpoint, second.endpoint] });
    const value = client.kv.getText("k");
    await Promise.race([first.waitForCall(), second.waitForCall()]);
    first.answers = second.answers = { Range: oneKey("k", "v") };
    assert.equal(await value, "v");
  });

  test("the outcome of a write is unknown, and it is not sent again", async () => {
    await using first = await FakeServer.start({ Put: "drop" });
    await using second = await FakeServer.start({ Put: "drop" });
    await using client = patientClient({ endpoints: [first.endpoint, second.endpoint] });
    const error = await failure(client.kv.put("k", "v"));
    assert.deepEqual([error.code, error.outcome], ["unavailable", "unknown"]);
    assert.equal(first.calls.length + second.calls.length, 1);
  });

  test("the next request connects again", async () => {
    await using server = await FakeServer.start({ Put: "drop", Range: oneKey("k", "v") });
    await using client = patientClient({ endpoints: [server.endpoint] });
    await failure(client.kv.put("k", "v"));
    assert.equal(await client.kv.getText("k"), "v");
  });
});

test("a request to one member goes to that member, whether it is listed or not", async () => {
  await using listed = await FakeServer.start({ Status: { version: "listed" } });
  await using other = await FakeServer.start({ Status: { version: "other" }, HashKV: { hash: 5 } });
  await using client = patientClient({ endpoints: [listed.endpoint] });
  assert.equal((await client.maintenance.status(other.endpoint)).version, "other");
  assert.equal((await client.maintenance.status(listed.endpoint)).version, "listed");
  assert.equal((await client.maintenance.hashKv(other.endpoint, 3)).hash, 5);
  assert.deepEqual(other.calls.at(-1), { method: "HashKV", request: { revision: 3n } });
});
