// Checks of a cluster's data against the outcomes that its writers recorded.

import assert from "node:assert/strict";
import type { KeyValue } from "../../client/index.js";
import type { ClusterMember, TestCluster } from "../support/minietcd-cluster.js";
import type { Write } from "./writers.js";
import { scaleMs } from "../support/machine-speed.js";

const text = new TextDecoder();

/** Long enough for a member that has to catch up first. */
const readTimeoutMs = 20_000;

const readAll = async (member: ClusterMember): Promise<Map<string, KeyValue>> => {
  await using client = member.client();
  // The read is linearizable, so the member has applied every acknowledged write; the answer is from its own copy.
  const { kvs } = await client.kv.get("", { prefix: true, timeoutMs: scaleMs(readTimeoutMs) });
  return new Map(kvs.map((kv) => [text.decode(kv.key), kv]));
};

/** Checks, for writers that write each key once, that every member has all acknowledged writes and no failed one. */
export const assertNothingLost = async (cluster: TestCluster, writes: readonly Write[]): Promise<void> => {
  for (const member of cluster.members) {
    const kvs = await readAll(member);
    for (const write of writes) {
      const kv = kvs.get(write.key);
      if (write.outcome === "acknowledged") {
        assert.equal(kv && text.decode(kv.value), write.value, `${write.key} was acknowledged, on ${member.name}`);
        assert.equal(kv?.modRevision, write.revision, `revision reported for ${write.key}, on ${member.name}`);
      }
      if (write.outcome === "failed")
        assert.equal(kv, undefined, `${write.key} was reported as failed but is on ${member.name}`);
    }
    for (const kv of kvs.values()) assert.equal(kv.version, 1, `${text.decode(kv.key)} was carried out once`);
  }
};

/** Checks, for writers that overwrite keys, that each key has its last acknowledged value, a later one, or one of unknown outcome. */
export const assertNoneRolledBack = async (cluster: TestCluster, writes: readonly Write[]): Promise<void> => {
  const byKey = new Map<string, Write[]>();
  for (const write of writes) byKey.set(write.key, [...(byKey.get(write.key) ?? []), write]);
  for (const member of cluster.members) {
    const kvs = await readAll(member);
    for (const [key, ofKey] of byKey) {
      const kv = kvs.get(key);
      const last = ofKey.findLast(({ outcome }) => outcome === "acknowledged");
      assert.ok(
        (kv?.modRevision ?? 0) >= (last?.revision ?? 0),
        `${key} is not older than acknowledged, on ${member.name}`,
      );
      if (kv === undefined) continue;
      const possible = [last, ...ofKey.filter(({ outcome }) => outcome === "unknown")].map((write) => write?.value);
      assert.ok(possible.includes(text.decode(kv.value)), `${key}=${text.decode(kv.value)} on ${member.name}`);
    }
  }
};

/** A member that was killed, and the time it was down: from before the signal until just before its next start. */
export interface Kill {
  readonly endpoint: string;
  readonly from: number;
  readonly until: number;
}

/**
 * Checks that each write without an acknowledgement went to a member that was being killed at that time: other members fail no write.
 * A write may begin shortly after the signal: a process that is being killed keeps its sockets open until its memory is freed.
 */
export const assertOnlyTheKilledFail = (writes: readonly Write[], kills: readonly Kill[]): void => {
  for (const { key, outcome, failedAt, startedAt, endedAt } of writes) {
    if (outcome === "acknowledged" || failedAt === undefined) continue;
    const killed = kills.some((kill) => kill.endpoint === failedAt && startedAt <= kill.until && endedAt >= kill.from);
    assert.ok(killed, `${key} ended as ${outcome} at ${failedAt}, which was not killed meanwhile`);
  }
};

/**
 * Checks that no two writes have the same acknowledged revision, and that a write that begins after the end of another one has a higher
 * revision.
 */
export const assertRevisionsInOrder = (writes: readonly Write[]): void => {
  const acknowledged = writes
    .filter(({ outcome }) => outcome === "acknowledged")
    .sort((a, b) => a.revision - b.revision);
  let latestStart = -Infinity;
  let former: Write | undefined;
  for (const write of acknowledged) {
    assert.notEqual(write.revision, former?.revision, `${write.key} and ${former?.key} have one revision`);
    assert.ok(write.endedAt > latestStart, `${write.key} has a higher revision than one that began after its end`);
    latestStart = Math.max(latestStart, write.startedAt);
    former = write;
  }
};

/** Checks that the hash of the whole history is the same on every member. */
export const assertSameHash = async (cluster: TestCluster): Promise<void> => {
  const { header } = await cluster.client.kv.get("k", { timeoutMs: scaleMs(readTimeoutMs) });
  const hashes = [];
  for (const member of cluster.members) {
    await readAll(member);
    const { hash, compactRevision } = await cluster.client.maintenance.hashKv(member.endpoint, header.revision);
    hashes.push({ hash, compactRevision });
  }
  for (const hash of hashes)
    assert.deepEqual(hash, hashes[0], `HashKV at ${header.revision} of ${JSON.stringify(hashes)}`);
};
