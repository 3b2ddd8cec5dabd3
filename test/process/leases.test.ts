// Promises of leases, on three real processes with real signals.

import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client as GrpcClient, credentials, status, type ServiceError } from "@grpc/grpc-js";
import type { Client } from "../../client/index.js";
import { LeaseTimeToLiveRequest, LeaseTimeToLiveResponse } from "../../proto/index.js";
import { eventually, within } from "../support/deadline.js";
import { RawKeepAlive } from "../support/keep-alive-stream.js";
import { fastElections, startCluster, type TestCluster } from "../support/minietcd-cluster.js";
import { lengthen, scaleMs } from "../support/machine-speed.js";

/** Long enough for a busy machine. Tests measure only that nothing happens too early. */
const longEnoughMs = 30_000;
/** TTL in seconds that keep-alives can maintain on this machine. */
const shortTtl = lengthen(3);
const shortestTtl = lengthen(2);

const isThere = async (client: Client, key: string): Promise<boolean> =>
  (await client.kv.get(key, { timeoutMs: scaleMs(longEnoughMs) })).count === 1;

/** Waits until a part of the lease's TTL has passed by the server's clock, so that a renewal is visible. */
const waitUntilPartlyUsed = (client: Client, lease: bigint): Promise<true> =>
  eventually(longEnoughMs, "part of the lease's time to be used up", async () => {
    const { ttlSeconds, grantedTtlSeconds } = await client.lease.timeToLive(lease, {
      timeoutMs: scaleMs(longEnoughMs),
    });
    return ttlSeconds <= grantedTtlSeconds - 2 ? true : undefined;
  });

const waitUntilGone = (client: Client, key: string): Promise<true> =>
  eventually(longEnoughMs, `${key} is gone`, async () => ((await isThere(client, key)) ? undefined : true));

/** A lease that is kept alive over a stream at one member, as etcd's client does, until it is stopped. */
class Heartbeat {
  private readonly stream: RawKeepAlive;
  private readonly beating: Promise<void>;
  private isStopped = false;
  /** The time at which the last answered keep-alive was sent. */
  lastAt = performance.now();
  readonly ttls = new Set<bigint>();
  private wake: () => void = () => undefined;

  constructor(
    endpoint: string,
    private readonly lease: bigint,
    private readonly everyMs: number,
  ) {
    this.stream = new RawKeepAlive(endpoint);
    this.beating = this.beat();
  }

  /** Waits for the answer to a keep-alive that was sent after `time`. */
  async waitForAnswerAfter(time: number): Promise<void> {
    const waitForAnswer = async () => {
      while (this.lastAt <= time) await new Promise<void>((resolve) => (this.wake = resolve));
    };
    await within(longEnoughMs, "a keep-alive to be answered", Promise.race([waitForAnswer(), this.beating]));
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.beating;
    this.stream[Symbol.dispose]();
  }

  private async beat(): Promise<void> {
    while (!this.isStopped) {
      const sentAt = performance.now();
      this.stream.send(this.lease);
      const { TTL } = await within(longEnoughMs, "the answer to a keep-alive", this.stream.next());
      this.ttls.add(TTL);
      this.lastAt = sentAt;
      this.wake();
      await delay(this.everyMs); // the interval that etcd's client uses
    }
  }
}

const follower = async (cluster: TestCluster): Promise<string> => {
  const [first] = await cluster.followers();
  return first!.endpoint;
};

test("the keys of a client that died vanish after its TTL, never before", async (t) => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const { id } = await client.lease.grant({ ttlSeconds: shortTtl });
  const grantedAt = performance.now();
  await client.kv.put("k", "v", { lease: id });
  const heartbeat = new Heartbeat(await follower(cluster), id, 500);
  // More than the TTL in real time: without keep-alives the lease would have expired. A follower forwards them to the leader.
  await heartbeat.waitForAnswerAfter(grantedAt + shortTtl * 1_000);
  assert.ok(await isThere(client, "k"));
  await heartbeat.stop();
  await waitUntilGone(client, "k");
  const after = performance.now() - heartbeat.lastAt;
  t.diagnostic(`gone ${after.toFixed(0)} ms after the last keep-alive, with a TTL of ${shortTtl} s`);
  assert.ok(after >= shortTtl * 1_000, `gone after ${after} ms`);
  assert.deepEqual(heartbeat.ttls, new Set([BigInt(shortTtl)]));
});

test("a kill of the leader expires no kept lease, and gives the others their full time", async (t) => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const [living, dead] = await Promise.all([
    client.lease.grant({ ttlSeconds: shortTtl }),
    client.lease.grant({ ttlSeconds: shortTtl }),
  ]);
  await client.kv.put("living", "v", { lease: living.id });
  await client.kv.put("dead", "v", { lease: dead.id });
  const { header } = await client.kv.get("living");
  const heartbeat = new Heartbeat(await follower(cluster), living.id, 300);
  const leader = await cluster.leader();
  await waitUntilPartlyUsed(client, dead.id); // otherwise a full TTL would be no more than the remaining time
  const killedAt = performance.now();
  await leader.kill("SIGKILL");
  await waitUntilGone(client, "dead");
  const after = performance.now() - killedAt;
  t.diagnostic(`gone ${after.toFixed(0)} ms after the kill, with a TTL of ${shortTtl} s`);
  assert.ok(after >= shortTtl * 1_000, `gone after ${after} ms`);
  assert.ok(await isThere(client, "living"));
  await leader.restart();
  await heartbeat.stop();
  assert.deepEqual(heartbeat.ttls, new Set([BigInt(shortTtl)]));
  const { kvs } = await client.kv.get("living");
  assert.equal(kvs[0]?.modRevision, header.revision - 1);
});

test("a leader that was frozen beyond the TTL of its leases expires none when it wakes", async () => {
  await using cluster = await startCluster({ flags: fastElections });
  const { client } = cluster;
  const { id } = await client.lease.grant({ ttlSeconds: shortestTtl });
  const grantedAt = performance.now();
  await client.kv.put("k", "v", { lease: id });
  const frozen = await cluster.leader();
  const others = cluster.members.filter((member) => member !== frozen);
  frozen.pause();
  try {
    await cluster.leader(others);
    const heartbeat = new Heartbeat(others[0]!.endpoint, id, 300);
    // The TTL has passed in real time, so on the frozen leader's clock the lease has expired.
    await heartbeat.waitForAnswerAfter(grantedAt + shortestTtl * 1_000);
    frozen.resume();
    await cluster.leader(); // the member has learned that it does not lead
    // This proposal comes after any that the member may have made when it resumed.
    await using woken = frozen.client();
    await woken.kv.put("woken", "v", { timeoutMs: scaleMs(longEnoughMs) });
    assert.ok(await isThere(client, "k"));
    await heartbeat.stop();
    assert.deepEqual(heartbeat.ttls, new Set([BigInt(shortestTtl)]));
  } finally {
    frozen.resume();
  }
  await waitUntilGone(client, "k");
});

test("a restart of all members keeps leases and gives them their full time", async () => {
  await using cluster = await startCluster({ flags: fastElections });
  const { client } = cluster;
  const { id } = await client.lease.grant({ ttlSeconds: shortTtl });
  await client.kv.put("k", "v", { lease: id });
  await waitUntilPartlyUsed(client, id);
  await Promise.all(cluster.members.map((member) => member.kill("SIGKILL")));
  const startedAt = performance.now();
  await cluster.start();
  const { ttlSeconds, keys } = await client.lease.timeToLive(id, { keys: true, timeoutMs: scaleMs(longEnoughMs) });
  assert.ok(ttlSeconds >= 1);
  assert.deepEqual(
    keys.map((key) => Buffer.from(key).toString()),
    ["k"],
  );
  await waitUntilGone(client, "k");
  const after = performance.now() - startedAt;
  assert.ok(after >= shortTtl * 1_000, `gone after ${after} ms`);
  assert.deepEqual((await client.lease.list()).ids, []);
});

test("without a leader a keep-alive and a time-to-live end with etcd's texts; leases can still be listed", async () => {
  await using cluster = await startCluster({ flags: fastElections });
  const { id } = await cluster.client.lease.grant({ ttlSeconds: 600 });
  const [last, ...others] = cluster.members;
  await using client = last!.client();
  await client.kv.get("k"); // the member has applied earlier entries
  await Promise.all(others.map((member) => member.kill("SIGKILL")));
  await eventually(longEnoughMs, "the last member to notice", async () => {
    const { errors } = await cluster.status(last!);
    return errors.includes("etcdserver: no leader") ? true : undefined;
  });
  assert.deepEqual((await client.lease.list()).ids, [id]);
  using stream = new RawKeepAlive(last!.endpoint);
  stream.send(id);
  const noLeader = { code: status.UNAVAILABLE, details: "etcdserver: no leader" };
  assert.deepEqual(await within(longEnoughMs, "the end of the stream", stream.whenEnded), noLeader);
});

test("a leader that lost its quorum ends keep-alives and time-to-live requests long before a put ends", async () => {
  await using cluster = await startCluster({ flags: fastElections });
  const { id } = await cluster.client.lease.grant({ ttlSeconds: 600 });
  const leader = await cluster.leader();
  await using client = leader.client();
  await client.kv.put("k", "v");
  const others = cluster.members.filter((member) => member !== leader);
  await Promise.all(others.map((member) => member.kill("SIGKILL")));
  const ended: string[] = [];
  const note = <T>(name: string, promise: Promise<T>): Promise<T> => promise.finally(() => ended.push(name));
  using stream = new RawKeepAlive(leader.endpoint);
  const put = note("put", client.kv.put("k", "w", { timeoutMs: longEnoughMs }));
  put.catch(() => undefined); // a request ends after 5 s and two election timeouts, with either outcome
  stream.send(id);
  const noLeader = { code: status.UNAVAILABLE, details: "etcdserver: no leader" };
  assert.deepEqual(await within(longEnoughMs, "the end of the stream", note("keep-alive", stream.whenEnded)), noLeader);
  assert.deepEqual(await note("time-to-live", timeToLiveFailure(leader.endpoint, id)), noLeader);
  assert.deepEqual(ended, ["keep-alive", "time-to-live"]);

  await Promise.all(others.map((member) => member.restart()));
  using again = new RawKeepAlive(leader.endpoint);
  await cluster.leader();
  again.send(id);
  assert.equal((await within(longEnoughMs, "a keep-alive with a quorum", again.next())).TTL, 600n);
});

/** Sends one request; our client would retry it. */
const timeToLiveFailure = (
  endpoint: string,
  ID: bigint,
): Promise<Pick<ServiceError, "code" | "details"> | undefined> => {
  const grpc = new GrpcClient(endpoint, credentials.createInsecure());
  return new Promise((resolve) =>
    grpc.makeUnaryRequest(
      "/etcdserverpb.Lease/LeaseTimeToLive",
      (request: LeaseTimeToLiveRequest) => Buffer.from(LeaseTimeToLiveRequest.encode(request).finish()),
      (bytes: Buffer) => LeaseTimeToLiveResponse.decode(bytes),
      LeaseTimeToLiveRequest.create({ ID }),
      { deadline: Date.now() + longEnoughMs },
      (failure) => {
        grpc.close();
        resolve(failure === null ? undefined : { code: failure.code, details: failure.details });
      },
    ),
  );
};
