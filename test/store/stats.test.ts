import assert from "node:assert/strict";
import { test } from "node:test";
import { runAtOnce } from "../../store/index.js";
import { memoryDisk, op, TestStore, txn } from "./harness.js";
import { Recorder } from "./recorder.js";

test("operations are counted by kind, also those of the branch that a transaction runs", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const { store } = tested;
  tested.put("key", "value");
  await tested.range("key");
  tested.delete("none");
  runAtOnce(
    store.txn(txn([], [op.put("a", "1"), op.txn(txn([], [op.delete("a"), op.range("a", { rangeEnd: "b" })]))])),
  );
  store.smallTxn(txn([], [op.put("b", "1"), op.range("b")], [op.put("c", "1")]));
  store.smallTxn(txn([], [op.put("d", "1")])); // one operation does not count as a transaction, as in etcd
  const { puts, deletes, ranges, txns, putBytes } = store.stats;
  assert.deepEqual(
    { puts, deletes, ranges, txns, putBytes },
    { puts: 4, deletes: 2, ranges: 3, txns: 2, putBytes: 14 },
  );
  assert.equal(store.keyCount, 3);
});

test("watches count while they are open, and events once for each watch that gets them", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const { stats } = tested.store;
  tested.put("k", "1");
  await tested.save();
  const countsOf = (): unknown => [stats.watchers, stats.liveWatchers, stats.events];
  const past = new Recorder(tested, ["k"], { startRevision: 1 });
  const live = new Recorder(tested, ["k"]);
  assert.deepEqual(countsOf(), [2, 1, 0]);
  await past.waitUntilLive();
  assert.deepEqual(countsOf(), [2, 2, 1]);
  live.hasRoom = false;
  tested.put("k", "2");
  tested.endRound();
  assert.deepEqual(countsOf(), [2, 1, 2]);
  live.watch.close();
  live.watch.close();
  past.watch.close();
  assert.deepEqual(countsOf(), [0, 0, 2]);
});

test("synced writes are measured, and compactions with what they remove", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const { store, clock } = tested;
  for (const value of ["1", "2", "3"]) tested.put("k", value);
  await tested.save();
  assert.deepEqual([store.stats.commitSeconds.counts[0], store.stats.compactedAt], [1, undefined]);
  clock.advance(5_000);
  const { whenFinished } = store.compact(store.revision);
  await tested.save();
  await whenFinished;
  assert.deepEqual([store.stats.compactedChanges, store.stats.compactedAt], [2, clock.now()]);
  assert.equal(store.stats.compactionMs.counts[0], 1);
  await store.hashKv(0);
  assert.deepEqual([store.stats.hashKvSeconds.counts[0], store.stats.hashSeconds.counts[0]], [1, 0]);
  await store.hash();
  assert.deepEqual([store.stats.hashKvSeconds.counts[0], store.stats.hashSeconds.counts[0]], [1, 1]);
  const defragmentation = store.defragment();
  assert.equal(store.stats.isDefragmenting, true);
  await defragmentation;
  assert.deepEqual([store.stats.defragmentSeconds.counts[0], store.stats.isDefragmenting], [1, false]);
});
