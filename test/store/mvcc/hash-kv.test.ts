import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CompactedError, FutureRevisionError } from "../../../store/index.js";
import { roundState, TestStore, disks } from "../harness.js";

for (const { name, create } of disks) {
  describe(`on ${name}`, () => {
    // The hashes are etcd 3.4.23's after the same requests.
    test("HashKV is etcd's, whether changes are on disk, compacted or neither", async () => {
      await using tested = await TestStore.on(await create());
      const hashes: unknown[] = [];
      const note = async (): Promise<void> => {
        const { hash, compactRevision, hashRevision } = await tested.store.hashKv(0);
        hashes.push([hash, compactRevision, hashRevision]);
        await tested.save();
        assert.equal((await tested.store.hashKv(0)).hash, hash);
      };
      const compact = async (revision: number): Promise<void> => {
        const { whenFinished } = tested.store.compact(revision);
        const before = await tested.store.hashKv(0);
        tested.store.endRound(roundState("compacted"));
        await whenFinished;
        assert.deepEqual(await tested.store.hashKv(0), before);
      };
      await note();
      tested.put("a", "1");
      tested.put("b", "2");
      await note();
      await compact(3);
      await note();
      tested.put("a", "3");
      await note();
      tested.delete("a");
      tested.delete("b");
      await note(); // without a live key, overwritten values count as well, if they existed at the compaction
      tested.put("c", "x");
      await note();
      await compact(6);
      await note();
      tested.delete("c");
      await note();
      await compact(8);
      await note();
      assert.deepEqual(hashes, [
        [1084519789, -1, 1],
        [1827592406, -1, 3],
        [1827592406, 3, 3],
        [1107643163, 3, 4],
        [2365465416, 3, 6],
        [273439952, 3, 7],
        [754625453, 6, 7],
        [3058724680, 6, 8],
        [1084519789, 8, 8],
      ]);
    });

    test("HashKV of a past revision ignores later changes", async () => {
      await using tested = await TestStore.on(await create());
      tested.put("a", "1");
      tested.put("b", "2");
      tested.put("a", "3");
      await tested.save();
      tested.delete("a");
      assert.equal((await tested.store.hashKv(3)).hash, 1827592406);
      await assert.rejects(tested.store.hashKv(6), FutureRevisionError);
      tested.store.compact(4);
      await assert.rejects(tested.store.hashKv(3), CompactedError);
      assert.equal((await tested.store.hashKv(4)).hashRevision, 4);
    });
  });
}
