import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClosedError, CompactedError, FutureRevisionError, type Compaction } from "../../../store/index.js";
import { KeyIndex, type RemovedChange } from "../../../store/mvcc/key-index.js";
import { Pins } from "../../../store/persist/pins.js";
import { noLease } from "../../../store/base/lease-id.js";
import type { Revision } from "../../../store/base/revision.js";
import { parseChangeRowKey } from "../../../store/disk/rows.js";
import { roundState, TestStore, disks, memoryDisk, range, shown, turn, type TestDisk } from "../harness.js";

/** Compacts and waits until everything is gone. */
async function compactTo(tested: TestStore, revision: number): Promise<void> {
  const { finished } = tested.store.compact(revision);
  tested.store.endRound(roundState("compacted"));
  await finished;
}

/** The changes on disk: `2_0 3_0t`. */
async function rowsOf(disk: TestDisk): Promise<string> {
  const backend = await disk.open();
  const rows = backend.iterate(Buffer.of(0x6b), Buffer.of(0x6c));
  const positions = (await rows.next(1_000)).map(([key]) => parseChangeRowKey(key));
  await rows.close();
  await backend.close();
  return positions.map((at) => `${at?.main}_${at?.sub}${at?.tombstone ? "t" : ""}`).join(" ");
}

test("a key with many changes is compacted a part at a time, oldest first", () => {
  const index = new KeyIndex();
  const put = (key: string, mod: number): void => {
    const state = { mod: mod as Revision, sub: 0, create: 2 as Revision, version: mod, lease: noLease };
    index.advance(key, index.get(key), state);
  };
  put("first", 1);
  for (let mod = 2; mod <= 31; mod++) put("often", mod);
  put("then", 32);
  put("then", 33);
  const slices: number[][] = [];
  for (let from: string | undefined = ""; from !== undefined;) {
    const removed: RemovedChange[] = [];
    from = index.compactFrom(from, { revision: 33, maxEntries: 10, maxRemovals: 5 }, removed);
    slices.push(removed.map(({ main }) => main));
  }
  assert.ok(slices.every(({ length }) => length <= 10));
  assert.deepEqual(slices.flat(), [...Array.from({ length: 29 }, (_, n) => n + 2), 32]);
  assert.equal(index.get("often")?.history, undefined);
});

for (const { name, create } of disks) {
  describe(`on ${name}`, () => {
    test("a compaction removes from disk the rows that no read can reach", async () => {
      await using tested = await TestStore.on(await create(), { entriesPerSlice: 1, removalsPerBatch: 1 });
      for (const value of ["2", "3", "4"]) tested.put("often", value);
      tested.put("once", "5");
      tested.put("deleted", "6");
      tested.delete("deleted");
      tested.put("again", "8");
      tested.delete("again");
      tested.put("again", "10");
      tested.put("later", "11");
      tested.delete("later");
      await compactTo(tested, 11);
      await tested.store.close();
      assert.equal(await rowsOf(tested.disk), "4_0 5_0 10_0 11_0 12_0t");
      await tested.open();
      assert.deepEqual((await tested.range("a", { rangeEnd: "\0", revision: 11 })).kvs, [
        "again=10 c10 m10 v1",
        "later=11 c11 m11 v1",
        "often=4 c2 m4 v3",
        "once=5 c5 m5 v1",
      ]);
      assert.equal(tested.store.compactRevision, 11);
      assert.equal(tested.store.revision, 12);
    });

    test("a delete at the compacted revision itself stays, until the next compaction", async () => {
      await using tested = await TestStore.on(await create());
      tested.put("k", "2");
      tested.delete("k");
      await compactTo(tested, 3);
      await tested.store.close();
      assert.equal(await rowsOf(tested.disk), "3_0t");
      await tested.open();
      assert.equal(tested.store.revision, 3);
      tested.put("other", "4");
      await compactTo(tested, 4);
      await tested.store.close();
      assert.equal(await rowsOf(tested.disk), "4_0");
      await tested.open();
      tested.delete("other");
      tested.put("other", "6");
      await compactTo(tested, 5);
      await tested.store.close();
      assert.equal(await rowsOf(tested.disk), "5_0t 6_0");
      await tested.open();
      await compactTo(tested, 6);
      await tested.store.close();
      assert.equal(await rowsOf(tested.disk), "6_0");
      await tested.open();
    });

    test("an interrupted compaction goes on after a restart, and never revives a key", async () => {
      // Cut power after each batch in turn.
      for (let batches = 0; batches < 8; batches++) {
        await using tested = await TestStore.on(await create(), { entriesPerSlice: 1, removalsPerBatch: 1 });
        for (const key of ["a", "b"]) for (const value of ["1", "2"]) tested.put(key, value);
        for (const key of ["a", "b"]) tested.delete(key);
        tested.put("c", "8");
        await tested.save();
        const { finished } = tested.store.compact(8);
        finished.catch(() => undefined);
        tested.store.endRound(roundState("compacted"));
        for (let i = 0; i < batches; i++) await tested.store.flush();
        await tested.crash();
        assert.deepEqual((await tested.range("a", { rangeEnd: "\0" })).kvs, ["c=8 c8 m8 v1"]);
        if (tested.store.compactRevision === 8) {
          tested.put("d", "9");
          await compactTo(tested, 9); // comes after the one that was interrupted
          await tested.store.close();
          assert.equal(await rowsOf(tested.disk), "8_0 9_0");
          await tested.open();
        }
      }
    });

    test("a compaction has not happened if power is cut before it is on disk", async () => {
      await using tested = await TestStore.on(await create());
      tested.put("k", "2");
      tested.put("k", "3");
      await tested.save();
      tested.store.compact(3).finished.catch(() => undefined);
      await tested.crash();
      assert.equal(tested.store.compactRevision, -1);
      assert.deepEqual((await tested.range("k", { revision: 2 })).kvs, ["k=2 c2 m2 v1"]);
    });

    test("a read in progress is not disturbed by a compaction", async () => {
      await using tested = await TestStore.on(await create(), {
        entriesPerSlice: 2,
        diskReadsPerSlice: 2,
        cacheBytes: 0,
      });
      const keys = Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i));
      for (const key of keys) tested.put(key, "old");
      await tested.save();
      const reading = tested.store.range(range("a", { rangeEnd: "\0" }));
      assert.ok(reading instanceof Promise, "too much for one turn");
      const hashing = tested.store.hashKv(0);
      for (const key of keys) tested.put(key, "new");
      tested.delete("a", "\0");
      let isFinished = false;
      const { finished } = tested.store.compact(tested.store.revision);
      void finished.then(() => (isFinished = true));
      tested.store.endRound(roundState("compacted"));
      await tested.store.flush();
      assert.equal(isFinished, false); // it waits for the read
      const { kvs, count, revision } = shown(await reading);
      assert.deepEqual([kvs.length, count, revision], [20, 20, 21]);
      assert.ok(kvs.every((kv, i) => kv === `${keys[i]}=old c${i + 2} m${i + 2} v1`));
      await finished;
      assert.equal((await hashing).hashRevision, 21);
    });
  });
}

/** Compacts ten keys, each put twice, in batches of one removal with rests between them. Returns once the first is taken. */
async function restingCompaction(tested: TestStore): Promise<Compaction> {
  for (const value of ["old", "new"]) for (let n = 0; n < 10; n++) tested.put(`key ${n}`, value);
  await tested.save();
  const compaction = tested.store.compact(tested.store.revision);
  tested.store.endRound(roundState("compacted"));
  await tested.store.flush();
  await untilRest(tested);
  return compaction;
}

const restLimits = { removalsPerBatch: 1, entriesPerSlice: 1, compactionRestMs: 10 };

/** Nothing else sets a timer once all rounds are on disk. */
async function untilRest({ clock }: TestStore): Promise<void> {
  while (clock.pendingTimers === 0) await turn();
}

test("a compaction rests after each batch of removals", async () => {
  await using tested = await TestStore.on(await memoryDisk(), restLimits);
  const { finished } = await restingCompaction(tested);
  let isFinished = false;
  void finished.then(() => (isFinished = true));
  for (let rests = 1; rests <= 10; rests++) {
    await untilRest(tested);
    tested.clock.advance(9);
    assert.equal(tested.clock.pendingTimers, 1);
    assert.equal(isFinished, false);
    tested.clock.advance(1);
  }
  await finished;
  assert.equal(tested.clock.pendingTimers, 0);
});

test("a store that closes does not wait for the rest of a compaction", async () => {
  await using tested = await TestStore.on(await memoryDisk(), restLimits);
  const { finished } = await restingCompaction(tested);
  const failed = assert.rejects(finished, ClosedError);
  await tested.store.close();
  await failed;
  assert.equal(tested.clock.pendingTimers, 0);
  await tested.open();
});

test("compacts forwards only, up to now", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  assert.throws(() => tested.store.compact(-1), CompactedError);
  assert.throws(() => tested.store.compact(2), FutureRevisionError);
  tested.store.compact(0); // on a store never compacted, as etcd
  assert.throws(() => tested.store.compact(0), CompactedError);
  tested.put("k", "2");
  tested.store.compact(2);
  assert.throws(() => tested.store.compact(2), CompactedError);
  assert.throws(() => tested.store.compact(1), CompactedError);
});

test("many compactions at once all finish", async () => {
  await using tested = await TestStore.on(await memoryDisk(), { removalsPerBatch: 2 });
  for (let i = 0; i < 50; i++) tested.put("k", String(i));
  const compactions: Compaction[] = [];
  for (let revision = 2; revision <= 51; revision++) compactions.push(tested.store.compact(revision));
  tested.store.endRound(roundState("compacted"));
  await Promise.all(compactions.map(({ finished }) => finished));
  await tested.store.close();
  assert.equal(await rowsOf(tested.disk), "51_0");
  await tested.open();
});

test("a compaction waits for reads below its revision, and for no others", async () => {
  const pins = new Pins();
  const [at5, at6] = [pins.hold(5), pins.hold(6)];
  await pins.releasedBelow(5);
  let released = false;
  const waiting = pins.releasedBelow(6).then(() => (released = true));
  pins.release(at6);
  await Promise.resolve();
  assert.equal(released, false);
  pins.release(at5);
  await waiting;
});
