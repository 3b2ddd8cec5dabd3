import assert from "node:assert/strict";
import { test } from "node:test";
import { type LeaseId, MemoryBackend, openStore } from "../../store/index.js";
import { levelDisk, ManualClock, memoryDisk, put, range, roundState, TestStore } from "./harness.js";

const lease = (id: bigint, ttlSeconds: number) => ({ id: id as LeaseId, ttlSeconds, generation: 1 });

test("the hash of a store depends on its keys and its leases, not on the order of the latter", async () => {
  await using one = await TestStore.on(await memoryDisk());
  await using other = await TestStore.on(await memoryDisk());
  for (const { store } of [one, other]) store.grantLease(lease(5n, 60));
  one.store.grantLease(lease(7n, 60));
  one.store.grantLease(lease(-6n, 60));
  other.store.grantLease(lease(-6n, 60));
  assert.notEqual(await one.store.hash(), await other.store.hash());
  other.store.grantLease(lease(7n, 60));
  assert.equal(await one.store.hash(), await other.store.hash());
  one.put("k", "1");
  assert.notEqual(await one.store.hash(), await other.store.hash());
  other.put("k", "1");
  assert.equal(await one.store.hash(), await other.store.hash());
});

test("a defragmentation frees the space of compacted revisions, and keeps the rest", async () => {
  await using tested = await TestStore.on(await levelDisk());
  const { store } = tested;
  const value = "x".repeat(100_000);
  for (let n = 0; n < 100; n++) tested.put("k", `${n}${value}`);
  await tested.save();
  const { whenFinished } = store.compact(store.revision);
  tested.endRound();
  await whenFinished;
  await tested.save();
  const before = await store.size();
  const [first, second] = [store.defragment(), store.defragment()];
  await Promise.all([first, second]);
  const after = await store.size();
  assert.ok(after.inUseBytes < before.inUseBytes / 2, `${before.inUseBytes} bytes became ${after.inUseBytes}`);
  const { response } = await store.range(range("k"));
  assert.equal(response.kvs.length, 1);
});

test("the image of a store equals its rows, and is refused while changes are pending", async () => {
  const rows = new MemoryBackend();
  const clock = new ManualClock();
  const onFailure = (error: Error): void => assert.fail(error);
  const store = await openStore({ backend: rows, clock, onFailure, limits: { compactionRestMs: 0 } });
  assert.notEqual(store.image(), undefined);
  store.grantLease(lease(7n, 60));
  for (let n = 0; n < 300; n++) store.put(put(`k${n % 200}`, String(n), { lease: 7n }));
  assert.equal(store.image(), undefined, "before the round is written");
  store.endRound(roundState("marker", [["table", "key", "row"]]));
  await store.flush();
  const { whenFinished } = store.compact(100);
  store.endRound(roundState("marker", [["table", "key", "row"]]));
  await store.flush();
  assert.equal(store.image(), undefined, "in the middle of a compaction");
  await whenFinished;

  const copied = rows.copy();
  let isOpening = true;
  const iterate: MemoryBackend["iterate"] = (from, to) => {
    assert.ok(!isOpening, "the rows are read at the start");
    return rows.iterate(from, to);
  };
  const backend = Object.assign(copied, { image: store.image(), iterate });
  const copy = await openStore({ backend, clock, onFailure });
  isOpening = false;
  const read = await openStore({ backend: rows.copy(), clock, onFailure });
  await store.close();
  for (const opened of [copy, read]) {
    assert.equal(opened.revision, 301);
    assert.equal(opened.compactRevision, 100);
    assert.deepEqual(await opened.leaseKeys(7n as LeaseId), await read.leaseKeys(7n as LeaseId));
    assert.deepEqual([...opened.table("table").keys()], ["key"]);
    assert.deepEqual(opened.marker, Uint8Array.from(Buffer.from("marker")));
    const { response } = await opened.range(range("k7", { revision: 150 }));
    assert.equal(response.kvs.length, 1);
  }
  assert.equal((await copy.hashKv(0)).hash, (await read.hashKv(0)).hash);
  await copy.close();
  await read.close();
});
