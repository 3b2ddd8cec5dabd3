// Leases against a server whose answers the test chooses: the times of renewals, and of the loss of a lease.

import { status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Client, EtcdError, LeaseLostError } from "../../../client/index.js";
import {
  LeaseGrantResponse,
  LeaseTimeToLiveResponse,
  type LeaseGrantRequest,
  type LeaseKeepAliveRequest,
  type LeaseKeepAliveResponse,
} from "../../../proto/index.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { eventually } from "../../support/deadline.js";
import { FakeServer, type FakeStream } from "../fake-server.js";
import { passTime } from "../virtual-time.js";

type RenewalStream = FakeStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;

const renewalResponse = (ID: bigint, ttlSeconds: bigint): LeaseKeepAliveResponse => ({
  header: undefined,
  ID,
  TTL: ttlSeconds,
});

const grantAnswers = (ID: bigint, ttlSeconds: bigint) => ({
  LeaseGrant: LeaseGrantResponse.create({ ID, TTL: ttlSeconds }),
});

async function connect(...answers: Parameters<typeof FakeServer.start>) {
  const server = await FakeServer.start(...answers);
  const clock = new VirtualClock();
  const client = new Client({ endpoints: [server.endpoint], requestTimeoutMs: 500 }, clock);
  const stream = (): Promise<RenewalStream> => server.stream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>();
  const dispose = async () => {
    await client.close();
    await server[Symbol.asyncDispose]();
  };
  return { server, client, clock, stream, [Symbol.asyncDispose]: dispose };
}

describe("single calls", () => {
  test("grant, revoke, time to live and list send their options", async () => {
    await using pair = await connect({
      ...grantAnswers(5n, 10n),
      LeaseTimeToLive: LeaseTimeToLiveResponse.create({ TTL: 7n, grantedTTL: 10n, keys: [Uint8Array.of(1)] }),
      LeaseLeases: { leases: [{ ID: 5n }] },
    });
    const { lease } = pair.client;
    const { id, ttlSeconds } = await lease.grant({ ttlSeconds: 8, id: 5n });
    assert.deepEqual([id, ttlSeconds], [5n, 10]);
    const left = await lease.timeToLive(5n, { keys: true });
    assert.deepEqual([left.ttlSeconds, left.grantedTtlSeconds, left.keys], [7, 10, [Uint8Array.of(1)]]);
    assert.deepEqual((await lease.list()).ids, [5n]);
    await lease.revoke(5n);
    assert.deepEqual(pair.server.calls, [
      { method: "LeaseGrant", request: { TTL: 8n, ID: 5n } },
      { method: "LeaseTimeToLive", request: { ID: 5n, keys: true } },
      { method: "LeaseLeases", request: {} },
      { method: "LeaseRevoke", request: { ID: 5n } },
    ]);
  });

  test("renew sends one message and returns the server's answer", async () => {
    await using pair = await connect();
    const renewal = pair.client.lease.renew(5n);
    const stream = await pair.stream();
    assert.deepEqual(await stream.request(), { ID: 5n });
    stream.send(renewalResponse(5n, 10n));
    await stream.whenEnded();
    stream.end();
    assert.equal((await renewal).ttlSeconds, 10);
  });
});

describe("a held lease", () => {
  test("is renewed once there is a stream, within a third of its TTL, and is revoked when it is closed", async () => {
    await using pair = await connect(grantAnswers(5n, 3n));
    const lease = await pair.client.lease.hold({ ttlSeconds: 3 });
    const stream = await pair.stream();
    assert.equal(stream.metadata.get("hasleader"), "true");
    assert.deepEqual(await stream.request(), { ID: 5n });
    assert.deepEqual([pair.clock.now(), lease.remainingMs], [0, 2_700]);
    stream.send(renewalResponse(5n, 3n));
    assert.deepEqual(await passTime(pair.clock, stream.request()), { ID: 5n });
    assert.deepEqual([pair.clock.now(), lease.remainingMs], [1_000, 1_700]);
    stream.send(renewalResponse(5n, 3n));
    await lease.close();
    assert.equal(lease.remainingMs, 0);
    assert.equal(await lease.whenEnded, undefined);
    assert.deepEqual(pair.server.calls.at(-1), { method: "LeaseRevoke", request: { ID: 5n } });
    await stream.whenEnded();
  });

  test("closed while its stream is being opened leaves none open at the server", async () => {
    await using pair = await connect(grantAnswers(5n, 3_600n));
    for (let turns = 0; turns < 20; turns++) {
      const lease = await pair.client.lease.hold({ ttlSeconds: 3_600 });
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await lease.close();
    }
    await pair.client.kv.get("k"); // the answer comes after all earlier messages
    assert.ok(pair.server.opened.length > 0, "none was opened");
    for (const stream of pair.server.opened) await stream.whenEnded();
  });

  test("is revoked if its grant was aborted and may have succeeded", async () => {
    await using pair = await connect({ LeaseGrant: "never" });
    const giveUp = new AbortController();
    const holding = pair.client.lease.hold({ ttlSeconds: 60, signal: giveUp.signal });
    await pair.server.waitForCall();
    giveUp.abort();
    await assert.rejects(holding, (error) => error instanceof EtcdError && error.outcome === "unknown");
    const { ID } = pair.server.calls[0]?.request as LeaseGrantRequest;
    assert.ok(ID > 0n);
    const second = await eventually(20_000, "another call", () => pair.server.calls[1]);
    assert.deepEqual(second, { method: "LeaseRevoke", request: { ID } });
  });

  test("is renewed on another server when a server does not answer", async () => {
    await using pair = await connect(grantAnswers(5n, 3_600n));
    await using lease = await pair.client.lease.hold({ ttlSeconds: 3_600 });
    const silent = await pair.stream();
    await silent.request();
    pair.clock.advance(499);
    assert.ok(!silent.isEnded);
    pair.clock.advance(1);
    const next = await pair.stream();
    await silent.whenEnded();
    assert.deepEqual(await next.request(), { ID: 5n });
    next.send(renewalResponse(5n, 0n));
    assert.equal((await lease.whenEnded)?.reason, "gone");
  });

  test("is lost when the server does not know it", async () => {
    await using pair = await connect(grantAnswers(5n, 3_600n));
    await using lease = await pair.client.lease.hold({ ttlSeconds: 3_600 });
    const stream = await pair.stream();
    await stream.request();
    stream.send(renewalResponse(5n, 0n));
    const loss = await lease.whenEnded;
    assert.ok(loss instanceof LeaseLostError);
    assert.deepEqual([loss.lease, loss.reason], [5n, "gone"]);
    assert.equal(lease.lossSignal.reason, loss);
  });

  test("is lost before its time can be up, when no server answers", async () => {
    let answer: (granted: object) => void = () => undefined;
    await using pair = await connect({ LeaseGrant: new Promise<object>((resolve) => (answer = resolve)) });
    const holding = pair.client.lease.hold({ ttlSeconds: 1 });
    await pair.server.waitForCall();
    pair.clock.advance(300); // the server's TTL may have begun earlier than the client's
    answer(grantAnswers(5n, 1n).LeaseGrant);
    await using lease = await holding;
    assert.equal(lease.remainingMs, 600);
    pair.clock.advance(599);
    assert.ok(!lease.lossSignal.aborted);
    pair.clock.advance(1);
    const loss = await lease.whenEnded;
    assert.equal(loss?.reason, "unconfirmed");
    assert.equal(lease.remainingMs, 0);
  });

  test("gets its own answers on a stream shared with other leases", async () => {
    await using pair = await connect(grantAnswers(5n, 3_600n));
    await using first = await pair.client.lease.hold({ ttlSeconds: 3_600 });
    const stream = await pair.stream();
    await stream.request();
    pair.server.answers = grantAnswers(6n, 1n);
    await using second = await pair.client.lease.hold({ ttlSeconds: 1 });
    assert.deepEqual(await passTime(pair.clock, stream.request()), { ID: 6n });
    stream.send(renewalResponse(6n, 0n));
    assert.equal((await second.whenEnded)?.reason, "gone");
    assert.ok(!first.lossSignal.aborted);
  });

  test("is lost when its client is closed", async () => {
    await using pair = await connect(grantAnswers(5n, 3_600n));
    const lease = await pair.client.lease.hold({ ttlSeconds: 3_600 });
    await (await pair.stream()).request();
    await pair.client.close();
    const loss = await lease.whenEnded;
    assert.equal(loss?.reason, "unconfirmed");
    assert.ok(loss.cause instanceof EtcdError);
  });
});

describe("keeping an existing lease alive", () => {
  test("fails if the lease does not exist", async () => {
    await using pair = await connect();
    const keeping = pair.client.lease.keepAlive(5n);
    const stream = await pair.stream();
    await stream.request();
    stream.send(renewalResponse(5n, 0n));
    stream.end();
    await assert.rejects(keeping, (error) => error instanceof EtcdError && error.code === "not-found");
  });

  test("lets the lease expire after close", async () => {
    await using pair = await connect();
    const keeping = pair.client.lease.keepAlive(5n);
    const single = await pair.stream();
    await single.request();
    single.send(renewalResponse(5n, 60n));
    single.end();
    const lease = await keeping;
    assert.equal(lease.ttlSeconds, 60);
    await lease.close();
    assert.deepEqual(pair.server.calls, []);
  });

  test("survives a server that fails", async () => {
    await using pair = await connect(grantAnswers(5n, 3_600n));
    await using lease = await pair.client.lease.hold({ ttlSeconds: 3_600 });
    (await pair.stream()).fail({ code: status.UNAVAILABLE, details: "etcdserver: no leader" });
    const next = await pair.stream();
    assert.deepEqual(await next.request(), { ID: 5n });
    assert.ok(!lease.lossSignal.aborted);
  });
});
