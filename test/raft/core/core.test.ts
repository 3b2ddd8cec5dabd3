import assert from "node:assert/strict";
import test from "node:test";
import type { RaftCore } from "../../../raft/core/core.js";
import { QuietCluster } from "./cluster.js";

const data = (length: number): Uint8Array => new Uint8Array(length).fill(1);
const texts = (cluster: QuietCluster, id: number): number[] => cluster.member(id).applied.map((e) => e.data.length);

test("what the leader takes is applied by every member, once and in order", () => {
  const cluster = new QuietCluster(3);
  const leader = cluster.elect();
  for (let i = 1; i <= 3; i++) leader.step({ kind: "propose", proposal: i, data: data(i) });
  cluster.settle();
  for (const id of [1, 2, 3]) assert.deepEqual(texts(cluster, id), [0, 1, 2, 3]);
});

test("a proposal made at a follower reaches the log through the leader", () => {
  const cluster = new QuietCluster(3);
  cluster.elect();
  cluster.member(3).step({ kind: "propose", proposal: 1, data: data(7) });
  cluster.settle();
  assert.deepEqual(texts(cluster, 3), [0, 7]);
});

test("a single member leads once its vote is durable, and answers a read without asking anybody", () => {
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

test("a read asked at a follower comes back under the number it was asked with", () => {
  const cluster = new QuietCluster(3);
  cluster.elect();
  cluster.member(2).step({ kind: "readIndex", request: 42 });
  cluster.settle();
  assert.deepEqual(cluster.reads, [{ request: 42, index: 1 }]);
});

test("proposals of one turn share one append, and reads of one turn one round", () => {
  const core = newLeader();
  for (let i = 1; i <= 5; i++) core.step({ kind: "propose", proposal: i, data: data(1) });
  for (let i = 1; i <= 5; i++) core.step({ kind: "readIndex", request: i });
  const to2 = core.takeMessages().flatMap(({ to, message }) => (to === 2n ? [message] : []));
  assert.deepEqual(
    to2.map(({ kind }) => kind),
    ["heartbeat", "append"],
  );
});

/** A leader of three whose followers hold everything. */
function newLeader(): RaftCore {
  const cluster = new QuietCluster(3);
  const { core } = cluster.elect();
  return core;
}
