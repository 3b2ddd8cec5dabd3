// Repeated kill -9 of members, with writers that record acknowledgements. Raft paper §5: a cluster whose majority comes back loses no
// acknowledged write.

import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { EtcdError } from "../../client/index.js";
import { createCluster, startCluster, type TestCluster } from "../support/minietcd-cluster.js";
import {
  assertNoneRolledBack,
  assertNothingLost,
  assertOnlyTheKilledFail,
  assertRevisionsInOrder,
  assertSameHash,
  type Kill,
} from "./checks.js";
import { instantsOf } from "./instants.js";
import { Writers } from "./writers.js";
import { lengthen, scaleMs } from "../support/machine-speed.js";

/** Limit on a quiet machine for the acknowledgement of a write that begins after the leader was killed. */
const failoverMs = 2_000;
/** Limit for a cluster of which all members have to start first. */
const restartMs = 15_000;
/** Approximate duration of a start, within which a member is killed. */
const startMs = lengthen(600);

const uniqueValueOf = (writer: number, n: number): string => `${writer}/${n}`;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

const summary = ({ writes }: Writers): string =>
  (["acknowledged", "failed", "unknown"] as const)
    .map((outcome) => `${writes.filter((write) => write.outcome === outcome).length} ${outcome}`)
    .join(", ");

test("20 kills of the leader fail no write at other members and lose no write, and a new write succeeds within 2 s", async (t) => {
  await using cluster = await startCluster();
  await using writers = new Writers({ endpoints: cluster.endpoints, writers: 6, keyOf: uniqueValueOf });
  const gaps: number[] = [];
  const kills: Kill[] = [];
  for (let round = 0; round < 20; round++) {
    await writers.timeFirstNewWrite(restartMs);
    const leader = await cluster.leader();
    const from = performance.now();
    await leader.kill("SIGKILL");
    gaps.push(await writers.timeFirstNewWrite(failoverMs));
    kills.push({ endpoint: leader.endpoint, from, until: performance.now() });
    await leader.restart();
  }
  await writers.stop();
  t.diagnostic(`first new write after kill -9 of the leader: median ${median(gaps).toFixed(0)} ms of ${gaps.length}`);
  t.diagnostic(`longest: ${Math.max(...gaps).toFixed(0)} ms; writes: ${summary(writers)}`);
  assertOnlyTheKilledFail(writers.writes, kills);
  assertRevisionsInOrder(writers.writes);
  await assertNothingLost(cluster, writers.writes);
  await assertSameHash(cluster);
});

test("five kills of all members at once lose no acknowledged write", async (t) => {
  await using cluster = await startCluster();
  await using writers = new Writers({ endpoints: cluster.endpoints, writers: 6, keyOf: uniqueValueOf });
  const gaps: number[] = [];
  for (let round = 0; round < 5; round++) {
    await writers.timeFirstNewWrite(restartMs);
    await Promise.all(cluster.members.map((member) => member.kill("SIGKILL")));
    const began = performance.now();
    await cluster.start();
    await writers.timeFirstNewWrite(restartMs);
    gaps.push(performance.now() - began);
  }
  await writers.stop();
  t.diagnostic(`first new write after the restart of all: median ${median(gaps).toFixed(0)} ms; ${summary(writers)}`);
  assertRevisionsInOrder(writers.writes);
  await assertNothingLost(cluster, writers.writes);
  await assertSameHash(cluster);
});

test("a member survives repeated kills at any instant during compactions", async (t) => {
  const anyInstantWithin = instantsOf(t);
  await using cluster = await startCluster();
  const stopCompacting = new AbortController();
  await using writers = new Writers({
    endpoints: cluster.endpoints,
    writers: 6,
    keyOf: (writer, n) => `${writer}/${n % 50}`,
  });
  const compacting = compactAgainAndAgain(cluster, stopCompacting.signal);
  for (let round = 0; round < 20; round++) {
    const member = cluster.member(round % cluster.members.length);
    await anyInstantWithin(lengthen(300));
    await member.kill("SIGKILL");
    await writers.timeFirstNewWrite(failoverMs);
    member.launch();
    if (round % 2 === 1) {
      await anyInstantWithin(startMs); // the member reads its files or catches up then
      await member.kill("SIGKILL");
      member.launch();
    }
    await member.whenReady();
  }
  stopCompacting.abort();
  const compactions = await compacting;
  await writers.stop();
  t.diagnostic(`${compactions} compactions; writes: ${summary(writers)}`);
  assert.ok(compactions > 0, "the history was compacted");
  assertRevisionsInOrder(writers.writes);
  await assertNoneRolledBack(cluster, writers.writes);
  await assertSameHash(cluster);
});

test("members that are killed repeatedly during their first start start in the end", async (t) => {
  const anyInstantWithin = instantsOf(t);
  await using cluster = await createCluster();
  for (let round = 0; round < 10; round++) {
    for (const member of cluster.members) member.launch();
    await Promise.all(
      cluster.members.map(async (member) => {
        await anyInstantWithin(startMs);
        await member.kill("SIGKILL");
      }),
    );
  }
  await cluster.start();
  await cluster.client.kv.put("k", "v");
  assert.equal((await cluster.client.cluster.memberList()).members.length, 3);
  await assertSameHash(cluster);
});

/** Compacts repeatedly to shortly before the newest revision, each time up to the physical end, until aborted. */
const compactAgainAndAgain = async (cluster: TestCluster, signal: AbortSignal): Promise<number> => {
  let compactions = 0;
  while (!signal.aborted) {
    try {
      const { header } = await cluster.client.kv.get("k", { timeoutMs: scaleMs(1_000) });
      const revision = header.revision - 20;
      if (revision > 0) await cluster.client.kv.compact(revision, { physical: true, timeoutMs: scaleMs(1_000) });
      compactions++;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error; // the member was killed, or an earlier attempt had succeeded
    }
    await delay(20);
  }
  return compactions;
};
