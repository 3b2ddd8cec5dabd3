import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeaseId } from "../../store/index.js";
import { levelDisk, memoryDisk, range, TestStore } from "./harness.js";

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

test("defragmenting gives the space of what was compacted back, and keeps the rest", async () => {
  await using tested = await TestStore.on(await levelDisk());
  const { store } = tested;
  const value = "x".repeat(100_000);
  for (let n = 0; n < 100; n++) tested.put("k", `${n}${value}`);
  await tested.save();
  const { finished } = store.compact(store.revision);
  tested.endRound();
  await finished;
  await tested.save();
  const before = await store.size();
  const [first, second] = [store.defragment(), store.defragment()];
  await Promise.all([first, second]);
  const after = await store.size();
  assert.ok(after.inUseBytes < before.inUseBytes / 2, `${before.inUseBytes} bytes became ${after.inUseBytes}`);
  const { response } = await store.range(range("k"));
  assert.equal(response.kvs.length, 1);
});
