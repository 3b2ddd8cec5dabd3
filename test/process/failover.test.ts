// Clients of the other members: the leader's crash or stop delays their requests, and fails none.

import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError, type Client } from "../../client/index.js";
import { startCluster, type ClusterMember, type TestCluster } from "../support/minietcd-cluster.js";
import { RawKeepAlive } from "../support/keep-alive-stream.js";
import { eventually, within } from "../support/deadline.js";
import { scaleMs } from "../support/machine-speed.js";

/** Timeout above the 7 s after which a server answers, so that the recorded outcome is the server's; long enough for a busy machine. */
const timeoutMs = 20_000;

/** Number of concurrent puts of one client. */
const writers = 8;

/** Puts keys one after the other, each once, and records which puts succeeded. */
class Putter implements AsyncDisposable {
  readonly acknowledged: string[] = [];
  readonly failures: EtcdError[] = [];
  private readonly client: Client;
  private readonly loops: Promise<void>[];
  private isStopped = false;
  private wake: () => void = () => undefined;

  constructor(
    readonly member: ClusterMember,
    private readonly prefix: string,
  ) {
    this.client = member.client();
    this.loops = Array.from({ length: writers }, (_, writer) => this.run(writer));
  }

  /** Waits until `count` more puts have succeeded, or one has failed. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.length + count;
    while (this.acknowledged.length < wanted && this.failures.length < writers && !this.isStopped)
      await new Promise<void>((resolve) => (this.wake = resolve));
  }

  /** Begins no further puts, and waits for those in flight. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.loops);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.client.close();
  }

  /** Puts until stopped, or until a put fails. */
  private async run(writer: number): Promise<void> {
    for (let n = 0; !this.isStopped; n++) {
      const key = `${this.prefix}/${writer}/${n}`;
      try {
        await this.client.kv.put(key, "v", { timeoutMs: scaleMs(timeoutMs) });
        this.acknowledged.push(key);
        this.wake();
      } catch (error) {
        assert.ok(error instanceof EtcdError);
        this.failures.push(error);
        this.wake();
        return;
      }
    }
  }
}

/** Checks that every acknowledged put exists, and that no put was applied twice. */
const assertOnceEach = async (client: Client, acknowledged: readonly string[]): Promise<void> => {
  const { kvs } = await client.kv.get("put/", { prefix: true, timeoutMs });
  const versions = new Map(kvs.map(({ key, version }) => [new TextDecoder().decode(key), version]));
  assert.deepEqual(
    acknowledged.filter((key) => !versions.has(key)),
    [],
  );
  assert.deepEqual(
    [...versions].filter(([, version]) => version !== 1),
    [],
  );
};

const memberId = async (cluster: TestCluster, member: ClusterMember): Promise<bigint> =>
  (await cluster.status(member)).header.memberId;

test("writes under way through other members succeed once when the leader is killed", async () => {
  await using cluster = await startCluster();
  const acknowledged: string[] = [];
  for (let round = 0; round < 3; round++) {
    const leader = await cluster.leader();
    const putters = (await cluster.followers()).map((member, n) => new Putter(member, `put/${round}/${n}`));
    await Promise.all(putters.map((putter) => putter.more(20)));
    await leader.kill("SIGKILL"); // eight puts are in flight at each of the other members
    await within(timeoutMs, "writes after the kill", Promise.all(putters.map((putter) => putter.more(20))));
    for (const putter of putters) {
      await putter[Symbol.asyncDispose]();
      assert.deepEqual(putter.failures, []);
      acknowledged.push(...putter.acknowledged);
    }
    await leader.restart();
  }
  await assertOnceEach(cluster.client, acknowledged);
});

test("reads and keep-alives under way are answered by the next leader when the leader is killed", async () => {
  await using cluster = await startCluster();
  await cluster.client.kv.put("k", "v");
  const { id } = await cluster.client.lease.grant({ ttlSeconds: 60 });
  const leader = await cluster.leader();
  const [follower] = await cluster.followers();
  assert.ok(follower);
  await using client = follower.client();
  using renewals = new RawKeepAlive(follower.endpoint);
  renewals.send(id);
  await renewals.next();
  leader.pause(); // a frozen member accepts requests and does not answer
  renewals.send(id);
  const asked = Promise.all([
    client.kv.getText("k", { timeoutMs: scaleMs(timeoutMs) }),
    client.lease.timeToLive(id, { timeoutMs: scaleMs(timeoutMs) }),
    renewals.next(),
  ]);
  await leader.kill("SIGKILL");
  const [value, { grantedTtlSeconds }, { TTL }] = await asked;
  assert.deepEqual([value, grantedTtlSeconds, TTL], ["v", 60, 60n]);
});

test("a write without a leader is carried out once a leader is elected", async () => {
  await using cluster = await startCluster();
  const leader = await cluster.leader();
  const [first, second] = await cluster.followers();
  assert.ok(first && second);
  second.pause(); // frozen, not killed: a restart may take longer than a server holds a write
  try {
    await leader.kill("SIGKILL");
    await using client = first.client();
    await eventually(timeoutMs, "the loss of the leader is noticed", async () => {
      const { errors } = await cluster.status(first);
      return errors.includes("etcdserver: no leader") || undefined;
    });
    const written = client.kv.put("k", "v", { timeoutMs: scaleMs(timeoutMs) });
    second.resume();
    assert.equal((await written).header.revision, 2);
    assert.equal(await client.kv.getText("k"), "v");
  } finally {
    second.resume();
  }
});

test("SIGTERM of the leader fails no request at other members, and no pending request at the leader", async () => {
  await using cluster = await startCluster();
  const leader = await cluster.leader();
  const elsewhere = (await cluster.followers()).map((member, n) => new Putter(member, `put/${n}`));
  await using there = new Putter(leader, "put/there");
  await Promise.all([...elsewhere, there].map((putter) => putter.more(20)));
  const { signal } = await leader.kill("SIGTERM");
  assert.equal(signal, "SIGTERM");
  const { log } = leader.running;
  assert.ok(log.some(({ msg }) => msg === "leadership transfer finished"));
  await within(timeoutMs, "writes after the stop", Promise.all(elsewhere.map((putter) => putter.more(20))));
  const acknowledged: string[] = [];
  for (const putter of [...elsewhere, there]) {
    await putter.stop();
    acknowledged.push(...putter.acknowledged);
  }
  for (const putter of elsewhere) {
    assert.deepEqual(putter.failures, []);
    await putter[Symbol.asyncDispose]();
  }
  // The stopped member answered its clients before it closed connections; requests after that are not checked.
  for (const { code, outcome } of there.failures) assert.deepEqual([code, outcome], ["unavailable", "failed"]);
  await assertOnceEach(cluster.client, acknowledged);
});

test("MoveLeader transfers leadership to the named member, and is refused as by etcd", async () => {
  await using cluster = await startCluster();
  const leader = await cluster.leader();
  const [transferee, other] = await cluster.followers();
  assert.ok(transferee && other);
  const [own, target, gone] = await Promise.all([leader, transferee, other].map((member) => memberId(cluster, member)));
  assert.ok(own !== undefined && target !== undefined && gone !== undefined);
  const move = (member: ClusterMember, to: bigint): Promise<void> =>
    cluster.client.maintenance.moveLeader(member.endpoint, to, { timeoutMs: scaleMs(timeoutMs) });
  const isRefusal = (code: string, text: string) => (error: unknown) =>
    error instanceof EtcdError && error.code === code && error.message === text;

  await assert.rejects(move(other, target), isRefusal("failed-precondition", "etcdserver: not leader"));
  await assert.rejects(move(leader, 123n), isRefusal("failed-precondition", "etcdserver: bad leader transferee"));
  await move(leader, own); // the member leads already
  await using putter = new Putter(other, "put/move");
  await putter.more(20);
  await move(leader, target);
  assert.equal((await cluster.status(leader)).leader, target);
  assert.equal(await cluster.leader(), transferee);
  await putter.more(20);
  await putter.stop();
  assert.deepEqual(putter.failures, []);
  await assertOnceEach(cluster.client, putter.acknowledged);

  await other.kill("SIGKILL");
  const tookTooLong = isRefusal("unknown", "etcdserver: request timed out, leader transfer took too long");
  await assert.rejects(move(transferee, gone), tookTooLong);
  await cluster.client.kv.put("goes", "on", { timeoutMs: scaleMs(timeoutMs) });
});
