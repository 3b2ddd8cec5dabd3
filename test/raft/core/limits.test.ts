// The bound of every queue and buffer of the core, and the behaviour at each.
import { commandEntry, dataOf } from "../../../testing/entries.js";
import assert from "node:assert/strict";
import test from "node:test";
import { defaultLimits, entryBytes, type CoreLimits } from "../../../raft/core/limits.js";
import type { LogIndex, MemberId, Term } from "../../../raft/core/ids.js";
import type { Append, Entry } from "../../../raft/core/types.js";
import type { Member } from "../../sim/member.js";
import { QuietCluster } from "./cluster.js";
import { toMemberId } from "../../../testing/ids.js";

const data = (length: number): Uint8Array => new Uint8Array(length).fill(1);
/** Returns the bytes that an entry with this much data counts for. */
const bytesOf = (length: number): number => entryBytes(commandEntry(1, 1, data(length)));

/** Returns a leader of three whose followers have its whole log. */
function leaderOf(limits: Partial<CoreLimits>): { cluster: QuietCluster; leader: Member } {
  const cluster = new QuietCluster(3, limits);
  return { cluster, leader: cluster.elect() };
}

let proposals = 0;
const propose = (member: Member, length: number): number => {
  member.step({ kind: "propose", proposal: ++proposals, data: data(length) });
  return proposals;
};

/** Takes the appends that wait for `to`, and drops them. */
const appendsTo = (cluster: QuietCluster, to: MemberId): Append[] =>
  cluster.network
    .splice(0)
    .flatMap(({ outgoing }) => (outgoing.to === to && outgoing.message.kind === "append" ? [outgoing.message] : []));

test("a proposal beyond the uncommitted bytes is refused as too-many until entries are committed", () => {
  const { cluster, leader } = leaderOf({ maxUncommittedBytes: bytesOf(100) + 100 });
  propose(leader, 100);
  propose(leader, 100);
  const refused = propose(leader, 1);
  assert.deepEqual(cluster.refusals, [{ kind: "proposal", number: refused, reason: "too-many" }]);
  cluster.settle();
  propose(leader, 100);
  cluster.settle();
  assert.deepEqual(
    leader.applied.map((entry) => dataOf(entry).length),
    [0, 100, 100, 100],
  );
});

test("a proposal larger than the limit is accepted when nothing else is uncommitted", () => {
  const { cluster, leader } = leaderOf({ maxUncommittedBytes: 10 });
  propose(leader, 1_000);
  assert.deepEqual(cluster.refusals, []);
  cluster.settle();
  assert.equal(dataOf(leader.applied.at(-1)).length, 1_000);
});

test("a proposal without a known leader is refused and is in no log", () => {
  const cluster = new QuietCluster(3);
  const number = propose(cluster.member(2), 5);
  assert.deepEqual(cluster.refusals, [{ kind: "proposal", number, reason: "no-leader" }]);
  cluster.elect();
  for (const id of [1, 2, 3]) assert.equal(cluster.member(id).disk.entries.length, 1);
});

test("an append stays within its bytes, and a larger entry is sent alone", () => {
  const { cluster, leader } = leaderOf({ maxAppendBytes: 2 * bytesOf(10) });
  for (const length of [10, 10, 10, 500, 10]) leader.core.step({ kind: "propose", proposal: 1, data: data(length) });
  leader.pump();
  const lengths = appendsTo(cluster, toMemberId(2n)).map(({ entries }) => entries.map((entry) => dataOf(entry).length));
  assert.deepEqual(lengths, [[10, 10], [10], [500], [10]]);
});

test("a follower without answers is sent maxInflightAppends appends, and the rest after an answer", () => {
  const { cluster, leader } = leaderOf({ maxInflightAppends: 3 });
  for (let i = 0; i < 5; i++) propose(leader, 1);
  const sent = appendsTo(cluster, toMemberId(2n));
  assert.deepEqual(
    sent.map(({ prevIndex }) => prevIndex),
    [1, 2, 3],
  );
  const reply = { kind: "appendReply", term: 1 as Term, accepted: true, index: 2 as LogIndex } as const;
  const noHint = { hintIndex: 0 as LogIndex, hintTerm: 0 as Term };
  leader.step({ kind: "receive", from: toMemberId(2n), message: { ...reply, ...noHint } });
  assert.deepEqual(
    appendsTo(cluster, toMemberId(2n)).map(({ prevIndex, entries }) => [prevIndex, entries.length]),
    [[4, 2]],
  );
});

test("a follower without answers is sent maxInflightBytes bytes", () => {
  const { cluster, leader } = leaderOf({ maxInflightBytes: 2 * bytesOf(100) });
  for (let i = 0; i < 5; i++) propose(leader, 100);
  assert.equal(appendsTo(cluster, toMemberId(2n)).length, 2);
});

test("a probing leader sends one append at a time", () => {
  const { cluster, leader } = leaderOf({});
  leader.step({ kind: "linkClosed", peer: toMemberId(2n) });
  for (let i = 0; i < 5; i++) propose(leader, 1);
  assert.equal(appendsTo(cluster, toMemberId(2n)).length, 1);
});

test("a leader refuses reads beyond maxPendingReads as too-many", () => {
  const { cluster, leader } = leaderOf({ maxPendingReads: 2 });
  for (const request of [1, 2, 3]) leader.step({ kind: "readIndex", request });
  assert.deepEqual(cluster.refusals, [{ kind: "read", number: 3, reason: "too-many" }]);
  cluster.settle();
  assert.deepEqual(cluster.reads.map(({ request }) => request).sort(), [1, 2]);
  leader.step({ kind: "readIndex", request: 4 });
  cluster.settle();
  assert.equal(cluster.reads.length, 3);
});

test("a follower refuses reads beyond maxPendingReads as too-many until one is answered or expires", () => {
  const { cluster } = leaderOf({ maxPendingReads: 2 });
  const follower = cluster.member(2);
  for (const request of [1, 2, 3]) follower.step({ kind: "readIndex", request });
  assert.deepEqual(cluster.refusals.splice(0), [{ kind: "read", number: 3, reason: "too-many" }]);
  cluster.settle();
  for (const request of [4, 5]) follower.step({ kind: "readIndex", request });
  cluster.network.splice(0); // drops the heartbeats
  for (let i = 0; i < 100; i++) follower.step({ kind: "tick" });
  assert.deepEqual(
    cluster.refusals.map(({ number, reason }) => [number, reason]),
    [
      [4, "no-leader"],
      [5, "no-leader"],
    ],
  );
});

test("takeCommitted returns a bounded amount per call, and all entries in the end", () => {
  const { cluster, leader } = leaderOf({ maxCommittedBytes: 2 * bytesOf(10) });
  const taken: number[] = [];
  const takeAll = (): void => {
    for (
      let batch: readonly Entry[] = leader.core.takeCommitted();
      batch.length > 0;
      batch = leader.core.takeCommitted()
    )
      taken.push(batch.length);
  };
  for (let i = 0; i < 5; i++) leader.core.step({ kind: "propose", proposal: i, data: data(10) });
  // The driver of the member would take the messages; the test does its work.
  for (const { to, message } of leader.core.takeMessages())
    cluster.network.push({ from: toMemberId(1n), outgoing: { to, message } });
  const unsaved = leader.core.takeUnsaved();
  assert.ok(unsaved);
  leader.core.onSaved(unsaved);
  for (const { outgoing } of cluster.network.splice(0))
    cluster.members.get(outgoing.to)?.step({ kind: "receive", from: toMemberId(1n), message: outgoing.message });
  for (const id of [2, 3]) cluster.member(id).finishWrite();
  for (const { from, outgoing } of cluster.network.splice(0))
    leader.core.step({ kind: "receive", from, message: outgoing.message });
  takeAll();
  assert.deepEqual(taken, [2, 2, 1]);
});

test("small entries count for more than their data, so bytes also bound their number", () => {
  assert.ok(bytesOf(1) > 32);
  assert.ok(defaultLimits.maxUncommittedBytes / bytesOf(1) < 1_100_000);
});
