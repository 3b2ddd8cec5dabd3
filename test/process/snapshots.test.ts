// A member that needs truncated entries receives a snapshot, on real processes, files and signals.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import type { Client } from "../../client/index.js";
import { eventually } from "../support/deadline.js";
import { fastElections, startCluster, type ClusterMember, type TestCluster } from "../support/minietcd-cluster.js";
import { showEvent, WatchStream } from "../support/watch-stream.js";
import { scaleMs } from "../support/machine-speed.js";

const longEnoughMs = 30_000;

/** The log is truncated often, and keeps few entries. */
const shortLog = ["--snapshot-count=50", "--snapshot-catchup-entries=10"];

/** Puts `count` times, several puts at a time. */
const putMany = async (client: Client, count: number, value = "v"): Promise<void> => {
  for (let n = 0; n < count; n += 50) {
    const some = Array.from({ length: Math.min(50, count - n) }, (_, m) => `k/${(n + m) % 500}`);
    await Promise.all(
      some.map((key, m) => client.kv.put(key, `${value} ${n + m}`, { timeoutMs: scaleMs(longEnoughMs) })),
    );
  }
};

const linesOf = (member: ClusterMember, message: string): Record<string, unknown>[] =>
  member.running.log.filter(({ msg }) => msg === message);

const waitForInstall = (member: ClusterMember): Promise<Record<string, unknown>> =>
  member.running.waitFor("an installed snapshot", () => linesOf(member, "applied snapshot")[0], longEnoughMs);

/** Checks that every member has the same history, up to the newest revision. */
const assertSame = async (cluster: TestCluster): Promise<void> => {
  const { header } = await cluster.client.kv.get("k", { timeoutMs: scaleMs(longEnoughMs) });
  const hashes = await Promise.all(
    cluster.members.map(async (member) => {
      await using client = member.client();
      await client.kv.get("k", { timeoutMs: scaleMs(longEnoughMs) }); // linearizable: the member has applied the entries up to here
      return (await cluster.client.maintenance.hashKv(member.endpoint, header.revision)).hash;
    }),
  );
  assert.equal(new Set(hashes).size, 1, `HashKV at ${header.revision}: ${hashes.join()}`);
};

/** Kills a member that does not lead. */
const killFollower = async (cluster: TestCluster): Promise<{ leader: ClusterMember; away: ClusterMember }> => {
  const leader = await cluster.leader();
  const away = cluster.members.find((member) => member !== leader)!;
  await away.kill("SIGKILL");
  return { leader, away };
};

const stores = async ({ dataDir }: ClusterMember): Promise<string[]> =>
  (await readdir(join(dataDir, "member"))).filter((name) => /^store-\d+$/.test(name));

test("a member that missed thousands of writes is sent a snapshot, and then equals the others", async () => {
  await using cluster = await startCluster({ flags: [...fastElections, ...shortLog] });
  await putMany(cluster.client, 100);
  const { leader, away } = await killFollower(cluster);
  const { id: lease } = await cluster.client.lease.grant({ ttlSeconds: 600 });
  await cluster.client.kv.put("leased", "v", { lease });
  await putMany(cluster.client, 3_000);
  away.launch();

  const { snapshotIndex, bytes, tookMs } = await waitForInstall(away);
  assert.ok(Number(snapshotIndex) > 2_000 && Number(bytes) > 0 && Number(tookMs) >= 0);
  await away.whenReady();
  await using there = away.client();
  assert.deepEqual((await there.lease.timeToLive(lease, { keys: true })).keys.map(String), [
    String(new TextEncoder().encode("leased")),
  ]);
  assert.equal(await there.kv.getText("leased"), "v");
  await assertSame(cluster);
  await there.lease.revoke(lease);
  assert.equal((await there.kv.get("leased")).count, 0);
  await cluster.client.kv.put("after", "v");
  await assertSame(cluster);
  await eventually(longEnoughMs, "the former store is removed", async () =>
    (await stores(away)).join() === "store-2" ? true : undefined,
  );
  const term = (await cluster.status(leader)).raftTerm;
  assert.equal((await cluster.status(away)).raftTerm, term);

  // The installed snapshot survives a kill.
  await away.kill("SIGKILL");
  await away.restart();
  await assertSame(cluster);
});

test("watchers at a frozen member that installs a snapshot get every event once", async () => {
  await using cluster = await startCluster({ flags: [...fastElections, ...shortLog] });
  const leader = await cluster.leader();
  const frozen = cluster.members.find((member) => member !== leader)!;
  using watcher = new WatchStream(frozen.endpoint);
  const created = await watcher.create({ key: "k/", rangeEnd: "k0" });
  const from = Number(created.header?.revision) + 1;
  await putMany(cluster.client, 200);
  frozen.pause();
  const others = cluster.members.filter((member) => member !== frozen);
  await using elsewhere = others[0]!.client();
  // More than the leader keeps in flight to a member that does not answer: the rest is truncated before it is sent.
  await putMany(elsewhere, 1_500, "x".repeat(10_000));
  frozen.resume();
  await waitForInstall(frozen);
  await putMany(elsewhere, 100);

  await using there = frozen.client();
  const { header } = await there.kv.get("k", { timeoutMs: scaleMs(longEnoughMs) });
  const eventsSoFar = (): string[] => watcher.received.flatMap(({ events }) => events.map(showEvent));
  const last = header.revision;
  await eventually(longEnoughMs, "the last event", () => (eventsSoFar().length >= last - from + 1 ? true : undefined));
  assert.deepEqual(
    eventsSoFar().map((event) => Number(event.split(" ").at(-1))),
    Array.from({ length: last - from + 1 }, (_, n) => from + n),
  );
  await assertSame(cluster);
});

test("a member killed repeatedly while it receives a snapshot catches up and leaves one store", async () => {
  await using cluster = await startCluster({ flags: [...fastElections, ...shortLog] });
  const { away: victim } = await killFollower(cluster);
  await putMany(cluster.client, 1_000, "x".repeat(16_000));
  const moments = ["receiving database snapshot", "received and saved database snapshot"];
  for (const moment of [...moments, ...moments, ...moments, "applied snapshot"]) {
    victim.launch();
    // The member has the snapshot already if the previous kill came late.
    const findLine = () => linesOf(victim, moment)[0] ?? linesOf(victim, "ready to serve client requests")[0];
    await victim.running.waitFor(moment, findLine, longEnoughMs);
    await victim.kill("SIGKILL");
  }
  await putMany(cluster.client, 100);
  await victim.restart();
  await assertSame(cluster);
  await eventually(longEnoughMs, "one store", async () => ((await stores(victim)).length === 1 ? true : undefined));
  assert.equal(linesOf(victim, "unexpected error").length, 0);
});

test("the next leader sends a snapshot when the leader dies while it sends one", async () => {
  await using cluster = await startCluster({ flags: [...fastElections, ...shortLog] });
  const { leader, away } = await killFollower(cluster);
  await putMany(cluster.client, 1_000, "x".repeat(16_000));
  away.launch();
  await leader.running.waitFor("a snapshot begun", () => linesOf(leader, "sending database snapshot")[0], longEnoughMs);
  await leader.kill("SIGKILL");
  await away.whenReady();
  await leader.restart();
  await assertSame(cluster);
});
