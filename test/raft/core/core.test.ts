import { dataOf, votersOnly } from "../../../testing/entries.js";
import assert from "node:assert/strict";
import test from "node:test";
import { RaftCore } from "../../../raft/core/core.js";
import { logStart, type LogIndex, type Term } from "../../../raft/core/ids.js";
import type { PeerMessage } from "../../../raft/core/types.js";
import { QuietCluster } from "./cluster.js";
import { toMemberId } from "../../../testing/ids.js";

const data = (length: number): Uint8Array => new Uint8Array(length).fill(1);
const texts = (cluster: QuietCluster, id: number): number[] =>
  cluster.member(id).applied.map((entry) => dataOf(entry).length);

test("an accepted proposal is applied by every member, once and in order", () => {
  const cluster = new QuietCluster(3);
  const leader = cluster.elect();
  for (let i = 1; i <= 3; i++) leader.step({ kind: "propose", proposal: i, data: data(i) });
  cluster.settle();
  for (const id of [1, 2, 3]) assert.deepEqual(texts(cluster, id), [0, 1, 2, 3]);
});

test("a follower's proposal is forwarded to the leader and appended", () => {
  const cluster = new QuietCluster(3);
  cluster.elect();
  cluster.member(3).step({ kind: "propose", proposal: 1, data: data(7) });
  cluster.settle();
  assert.deepEqual(texts(cluster, 3), [0, 7]);
});

test("a single voter leads once its vote is durable, and confirms a read without a round", () => {
  const cluster = new QuietCluster(1);
  const only = cluster.member(1);
  only.pump();
  assert.equal(only.core.status().role, "candidate");
  only.finishWrite();
  assert.equal(only.core.status().role, "leader");
  cluster.settle();
  only.step({ kind: "readIndex", request: 4 });
  assert.deepEqual(cluster.reads, [{ request: 4, index: 1 }]);
});

test("a follower's read is confirmed under its own number", () => {
  const cluster = new QuietCluster(3);
  cluster.elect();
  cluster.member(2).step({ kind: "readIndex", request: 42 });
  cluster.settle();
  assert.deepEqual(cluster.reads, [{ request: 42, index: 1 }]);
});

test("proposals of one turn share an append, and reads of one turn share a round", () => {
  const core = newLeader();
  for (let i = 1; i <= 5; i++) core.step({ kind: "propose", proposal: i, data: data(1) });
  for (let i = 1; i <= 5; i++) core.step({ kind: "readIndex", request: i });
  const to2 = core.takeMessages().flatMap(({ to, message }) => (to === 2n ? [message] : []));
  assert.deepEqual(
    to2.map(({ kind }) => kind),
    ["heartbeat", "append"],
  );
});

test("forwarded reads are numbered from a random start, so that no answer from before a restart matches", () => {
  const core = new RaftCore({
    id: toMemberId(2n),
    recovered: {
      hardState: { term: 1 as Term, vote: toMemberId(1n), commit: 0 as LogIndex },
      base: { ...logStart, configuration: votersOnly(1n, 2n, 3n) },
      entries: [],
    },
    applied: 0 as LogIndex,
    heartbeatTicks: 10,
    electionTicks: 100,
    random: () => 0.5,
  });
  const receive = (message: PeerMessage): void => core.step({ kind: "receive", from: toMemberId(1n), message });
  receive({ kind: "heartbeat", term: 1 as Term, commit: 0 as LogIndex, round: 1 });
  core.step({ kind: "readIndex", request: 7 });
  const asked = core.takeMessages().find(({ message }) => message.kind === "forwardedRead");
  assert.deepEqual(asked?.message, { kind: "forwardedRead", request: 2 ** 47 });
  receive({ kind: "forwardedReadReply", request: 7, index: 0 as LogIndex });
  assert.deepEqual(core.takeReadStates(), []);
  receive({ kind: "forwardedReadReply", request: 2 ** 47, index: 3 as LogIndex });
  assert.deepEqual(core.takeReadStates(), [{ request: 7, index: 3 }]);
});

/** Returns the leader of three members whose followers have its whole log. */
function newLeader(): RaftCore {
  const cluster = new QuietCluster(3);
  const { core } = cluster.elect();
  return core;
}
