// Servers that fall silent while their connections stay open, as a frozen process does, and servers that are merely slow.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Client, EtcdError } from "../../../client/index.js";
import { LeaseGrantResponse, type LeaseKeepAliveRequest, type WatchRequest } from "../../../proto/index.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { eventually } from "../../support/deadline.js";
import { FakeServer, oneKey, putAt } from "../fake-server.js";
import { passTime } from "../virtual-time.js";

/** A deadline that no request of these tests reaches. */
const deadlineMs = 20_000;

const answers = { Range: oneKey("k", "v"), Put: putAt(7n) };

/** Starts two servers and a client connected to both. `used` is the one that gets its requests. */
async function connect() {
  const servers = await Promise.all([FakeServer.start(answers), FakeServer.start(answers)]);
  const clock = new VirtualClock();
  const endpoints = servers.map(({ endpoint }) => endpoint);
  const client = new Client({ endpoints, requestTimeoutMs: deadlineMs }, clock);
  await client.kv.put("k", "v");
  const used =
    servers.find(({ calls }) => calls.some(({ method }) => method === "Put")) ?? assert.fail("none was asked");
  const other = servers.find((server) => server !== used) ?? assert.fail("there is one only");
  // A request that the used server refuses is retried at the other one if that is connected, too.
  used.answers = { Range: { code: 14, details: "etcdserver: no leader" } };
  await passTime(clock, client.kv.get("k"));
  used.answers = answers;
  other.answers = { Range: { code: 14, details: "etcdserver: no leader" } };
  await passTime(clock, client.kv.get("k"));
  other.answers = answers;
  for (const { calls } of servers) calls.length = 0;
  const dispose = async () => {
    used.thaw();
    await client.close();
    await Promise.all(servers.map((server) => server.stop()));
  };
  /** Advances time until the promise is settled. */
  const passTimeUntil = <T>(promise: Promise<T>) => passTime(clock, promise);
  return { client, used, other, passTimeUntil, [Symbol.asyncDispose]: dispose };
}

const count = ({ calls }: FakeServer, method: string) => calls.filter((call) => call.method === method).length;

describe("a server that falls silent", () => {
  test("receives few of many writes, which end with an unknown outcome; the others go to another server", async () => {
    await using pair = await connect();
    pair.used.freeze();
    const puts = Array.from({ length: 30 }, () => pair.client.kv.put("k", "v", { timeoutMs: 4_000 }));
    const outcomes = await pair.passTimeUntil(Promise.allSettled(puts));
    const errors = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
    assert.ok(errors.length > 0 && errors.length < 10, `${errors.length} failed`);
    assert.equal(count(pair.other, "Put"), 30 - errors.length);
    for (const error of errors) {
      assert.ok(error instanceof EtcdError, String(error));
      assert.deepEqual([error.code, error.outcome, error.endpoint], ["unavailable", "unknown", pair.used.endpoint]);
      assert.match(error.message, new RegExp(`${pair.used.endpoint}.*does not answer.*unknown`));
    }
  });

  test("receives no more requests until it answers again", async () => {
    await using pair = await connect();
    pair.used.freeze();
    assert.equal(await pair.passTimeUntil(pair.client.kv.getText("k")), "v");
    await pair.passTimeUntil(Promise.all([1, 2, 3].map(() => pair.client.kv.put("k", "v"))));
    assert.deepEqual([count(pair.other, "Range"), count(pair.other, "Put"), count(pair.used, "Put")], [1, 3, 0]);
    pair.used.thaw();
    await eventually(deadlineMs, "the read that it had", () => count(pair.used, "Range") > 0 || undefined);
    pair.other.freeze();
    assert.equal(await pair.passTimeUntil(pair.client.kv.getText("k")), "v");
    pair.other.thaw();
  });

  test("does not delay a read while the others elect a leader: the read is sent to them again", async () => {
    await using pair = await connect();
    pair.used.freeze();
    const changing = { code: 14, details: "etcdserver: leader changed" };
    const isElected = () => count(pair.other, "Range") > 2;
    pair.other.answers = { Range: () => (isElected() ? oneKey("k", "v") : changing) };
    assert.equal(await pair.passTimeUntil(pair.client.kv.getText("k")), "v");
    assert.equal(count(pair.other, "Range"), 3);
  });

  test("loses its watches and renewals to another server", async () => {
    await using pair = await connect();
    pair.used.answers = { ...answers, LeaseGrant: LeaseGrantResponse.create({ ID: 5n, TTL: 3_600n }) };
    await using lease = await pair.client.lease.hold({ ttlSeconds: 3_600 });
    pair.client.watch("k");
    const first = [await pair.used.stream(), await pair.used.stream()];
    pair.used.freeze();
    const next = [
      await pair.passTimeUntil(pair.other.stream<LeaseKeepAliveRequest | WatchRequest, object>()),
      await pair.other.stream<LeaseKeepAliveRequest | WatchRequest, object>(),
    ];
    for (const stream of next) await stream.request();
    assert.ok(!lease.lossSignal.aborted);
    pair.used.thaw();
    for (const stream of first) await stream.whenEnded();
  });

  test("keeps its requests while there is no other server", async () => {
    await using server = await FakeServer.start(answers);
    const clock = new VirtualClock();
    await using client = new Client({ endpoints: [server.endpoint] }, clock);
    await client.kv.put("k", "v");
    server.freeze();
    const put = client.kv.put("k", "v", { timeoutMs: deadlineMs });
    const read = client.kv.getText("k", { timeoutMs: deadlineMs });
    const late = client.kv.put("k", "v", { timeoutMs: 1_500 });
    await passTime(clock, assert.rejects(late, { code: "deadline-exceeded" }));
    assert.equal(clock.now(), 1_500);
    server.thaw();
    assert.equal((await put).header.revision, 7);
    assert.equal(await read, "v");
  });
});

describe("a server that is slow, but answers others", () => {
  test("receives a read that is also sent to another server: the first answer counts", async () => {
    await using pair = await connect();
    pair.used.answers = { Range: "never" };
    assert.equal(await pair.passTimeUntil(pair.client.kv.getText("k", { timeoutMs: 4_000 })), "v");
    assert.deepEqual([count(pair.used, "Range"), count(pair.other, "Range")], [1, 1]);
  });

  test("receives a write that waits and is not sent to another server", async () => {
    await using pair = await connect();
    pair.used.answers = { Put: "never" };
    const expected = { code: "deadline-exceeded", outcome: "unknown", endpoint: pair.used.endpoint };
    await pair.passTimeUntil(assert.rejects(pair.client.kv.put("k", "v", { timeoutMs: 2_000 }), expected));
    assert.deepEqual([count(pair.used, "Put"), count(pair.other, "Put")], [1, 0]);
  });

  test("receives all of many concurrent writes", async () => {
    await using pair = await connect();
    await Promise.all(Array.from({ length: 100 }, () => pair.client.kv.put("k", "v")));
    assert.deepEqual([count(pair.used, "Put"), count(pair.other, "Put")], [100, 0]);
  });
});
