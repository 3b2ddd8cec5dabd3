import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Backend,
  type Batch,
  ClosedError,
  CompactedError,
  FutureRevisionError,
  openMemoryBackend,
  openStore,
  type Compaction,
} from "../../../store/index.js";
import { KeyIndex } from "../../../store/mvcc/key-index.js";
import { Pins } from "../../../store/persist/pins.js";
import { noLease } from "../../../store/base/lease-id.js";
import type { Revision } from "../../../store/base/revision.js";
import { changeRowKey } from "../../../store/disk/rows.js";
import { type BlockChange, BlockReader } from "../../../store/disk/change-block.js";
import { SlowDisk } from "../disk/faulty-disks.js";
import { Recorder } from "../recorder.js";
import {
  ManualClock,
  roundState,
  TestStore,
  disks,
  memoryDisk,
  put,
  range,
  showRange,
  turn,
  type TestDisk,
} from "../harness.js";

/** Compacts, and waits until all old changes are removed. */
async function compactTo(tested: TestStore, revision: number): Promise<void> {
  const { whenFinished } = tested.store.compact(revision);
  tested.store.endRound(roundState("compacted"));
  await whenFinished;
}

/** Returns the rows of changes on disk: `2_0 3_0t` are two rows, `2_0+3_0t` is one; `-2_0` marks a removal from the row before. */
async function rowsOf(disk: TestDisk): Promise<string> {
  const backend = await disk.open();
  const read = async (prefix: number): Promise<BlockReader[]> => {
    const rows = backend.iterate(Buffer.of(prefix), Buffer.of(prefix + 1));
    const blocks = (await rows.next(1_000)).map((row) => new BlockReader("here", ...row));
    await rows.close();
    return blocks;
  };
  const removals = await read(0x72);
  const shown: string[] = [];
  for (const block of await read(0x6b)) {
    shown.push(changesOf(block).join("+"));
    const { main, sub } = block.begin;
    const removed = removals.find(({ begin }) => begin.main === main && begin.sub === sub);
    if (removed !== undefined) shown.push(...changesOf(removed).map((change) => `-${change}`));
  }
  await backend.close();
  return shown.join(" ");
}

/** Returns the revision of the last change in a block's text. */
const lastRevisionOf = (block: string): number => parseInt(block.split("+").at(-1)!, 10);

function changesOf(block: BlockReader): string[] {
  const shown: string[] = [];
  while (block.next()) shown.push(`${block.main}_${block.sub}${block.tombstone ? "t" : ""}`);
  return shown;
}

/** Limits with which each change has a row of its own, and each removal a batch of its own. */
const singleRows = { blockBytes: 0, entriesPerSlice: 1, removalsPerBatch: 1, removalsPerPass: 1 };

test("a key with many changes is compacted a part at a time, oldest first", () => {
  const index = new KeyIndex();
  const put = (key: string, mod: number): void => {
    const state = { mod: mod as Revision, sub: 0, create: 2 as Revision, version: mod, lease: noLease };
    index.advance(key, index.get(key), state, 0);
  };
  put("first", 1);
  for (let mod = 2; mod <= 31; mod++) put("often", mod);
  put("then", 32);
  put("then", 33);
  const slices: number[][] = [];
  for (let from: string | undefined = ""; from !== undefined;) {
    const removed: BlockChange[] = [];
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
      await using tested = await TestStore.on(await create(), singleRows);
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
      await using tested = await TestStore.on(await create(), singleRows);
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
      // Cuts power after each batch in turn.
      for (let batches = 0; batches < 8; batches++) {
        await using tested = await TestStore.on(await create(), singleRows);
        for (const key of ["a", "b"]) for (const value of ["1", "2"]) tested.put(key, value);
        for (const key of ["a", "b"]) tested.delete(key);
        tested.put("c", "8");
        await tested.save();
        const { whenFinished } = tested.store.compact(8);
        whenFinished.catch(() => undefined);
        tested.store.endRound(roundState("compacted"));
        for (let i = 0; i < batches; i++) await tested.store.flush();
        await tested.crash();
        assert.deepEqual((await tested.range("a", { rangeEnd: "\0" })).kvs, ["c=8 c8 m8 v1"]);
        if (tested.store.compactRevision === 8) {
          tested.put("d", "9");
          await compactTo(tested, 9); // runs after the interrupted compaction
          await tested.store.close();
          assert.equal(await rowsOf(tested.disk), "8_0 9_0");
          await tested.open();
        }
      }
    });

    test("a compaction is undone by a power cut before it is on disk", async () => {
      await using tested = await TestStore.on(await create());
      tested.put("k", "2");
      tested.put("k", "3");
      await tested.save();
      tested.store.compact(3).whenFinished.catch(() => undefined);
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
      const { whenFinished } = tested.store.compact(tested.store.revision);
      void whenFinished.then(() => (isFinished = true));
      tested.store.endRound(roundState("compacted"));
      await tested.store.flush();
      assert.equal(isFinished, false); // the compaction waits for the read
      const { kvs, count, revision } = showRange(await reading);
      assert.deepEqual([kvs.length, count, revision], [20, 20, 21]);
      assert.ok(kvs.every((kv, i) => kv === `${keys[i]}=old c${i + 2} m${i + 2} v1`));
      await whenFinished;
      assert.equal((await hashing).hashRevision, 21);
    });
  });
}

/** Compacts ten keys, each put twice, in batches of one removal with rests between them. Returns after the first batch. */
async function startRestingCompaction(tested: TestStore): Promise<Compaction> {
  for (const value of ["old", "new"]) for (let n = 0; n < 10; n++) tested.put(`key ${n}`, value);
  await tested.save();
  const compaction = tested.store.compact(tested.store.revision);
  tested.store.endRound(roundState("compacted"));
  await tested.store.flush();
  await waitUntilRest(tested);
  return compaction;
}

const restLimits = { blockBytes: 0, removalsPerBatch: 1, entriesPerSlice: 1, compactionRestMs: 10 };

/** Waits for a timer, which only a rest sets once all rounds are on disk. */
async function waitUntilRest({ clock }: TestStore): Promise<void> {
  while (clock.pendingTimers === 0) await turn();
}

test("a compaction rests after each batch of removals", async () => {
  await using tested = await TestStore.on(await memoryDisk(), restLimits);
  const { whenFinished } = await startRestingCompaction(tested);
  let isFinished = false;
  void whenFinished.then(() => (isFinished = true));
  for (let keys = 1; keys <= 10; keys++) {
    await waitUntilRest(tested); // a short rest, after which the index removes a key
    tested.clock.advance(1);
  }
  for (let rests = 1; rests <= 9; rests++) {
    await waitUntilRest(tested);
    tested.clock.advance(9);
    assert.equal(tested.clock.pendingTimers, 1);
    assert.equal(isFinished, false);
    tested.clock.advance(1);
  }
  await whenFinished;
  assert.equal(tested.clock.pendingTimers, 0);
});

test("a store that closes does not wait for the rest of a compaction", async () => {
  await using tested = await TestStore.on(await memoryDisk(), restLimits);
  const { whenFinished } = await startRestingCompaction(tested);
  const failed = assert.rejects(whenFinished, ClosedError);
  await tested.store.close();
  await failed;
  assert.equal(tested.clock.pendingTimers, 0);
  await tested.open();
});

test("a compaction moves only forwards, up to the newest revision", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  assert.throws(() => tested.store.compact(-1), CompactedError);
  assert.throws(() => tested.store.compact(2), FutureRevisionError);
  tested.store.compact(0); // compacts to 0 a store that was never compacted, as etcd allows
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
  await Promise.all(compactions.map(({ whenFinished }) => whenFinished));
  await tested.store.close();
  assert.equal(await rowsOf(tested.disk), "51_0");
  await tested.open();
});

test("a compaction waits for reads below its revision, and for no others", async () => {
  const pins = new Pins();
  const [at5, at6] = [pins.hold(5), pins.hold(6)];
  await pins.whenReleasedBelow(5);
  let released = false;
  const waiting = pins.whenReleasedBelow(6).then(() => (released = true));
  pins.release(at6);
  await Promise.resolve();
  assert.equal(released, false);
  pins.release(at5);
  await waiting;
});

describe("blocks", () => {
  /** Opens a store with twelve changes in one block: `even` is put at all even revisions, each other key once. */
  async function storeOfOneBlock(create: () => Promise<TestDisk>): Promise<TestStore> {
    const tested = await TestStore.on(await create(), { cacheBytes: 0 });
    for (let revision = 2; revision <= 13; revision++)
      tested.put(revision % 2 === 0 ? "even" : `key ${revision}`, `${revision}`);
    await tested.save();
    return tested;
  }
  const block = Array.from({ length: 12 }, (_, n) => `${n + 2}_0`).join("+");

  for (const { name, create } of disks) {
    test(`a few removed changes are listed beside their block, before the block is rewritten (${name})`, async () => {
      await using tested = await storeOfOneBlock(create);
      const expectDisk = async (expected: string): Promise<void> => {
        await tested.store.close();
        assert.equal(await rowsOf(tested.disk), expected);
        await tested.open();
      };
      await compactTo(tested, 6);
      await expectDisk(`${block} -2_0 -4_0`);
      assert.equal((await tested.range("key", { rangeEnd: "l" })).count, 6);
      await compactTo(tested, 8);
      await expectDisk("3_0+5_0+7_0+8_0+9_0+10_0+11_0+12_0+13_0");
      assert.deepEqual((await tested.range("even", { revision: 9 })).kvs, ["even=8 c2 m8 v4"]);
      assert.deepEqual((await tested.range("key 3")).kvs, ["key 3=3 c3 m3 v1"]);
      await compactTo(tested, 10);
      await expectDisk("3_0+5_0+7_0+8_0+9_0+10_0+11_0+12_0+13_0 -8_0");
      tested.delete("e", "l"); // revision 14, sub-revisions 0 to 6
      await tested.save();
      await compactTo(tested, 14);
      await expectDisk("14_0t+14_1t+14_2t+14_3t+14_4t+14_5t+14_6t");
      tested.put("new", "15");
      await compactTo(tested, 15);
      await expectDisk("15_0");
    });
  }

  test("changes that are listed as removed do not come back, and HashKV does not depend on them", async () => {
    await using tested = await storeOfOneBlock(memoryDisk);
    await using single = await TestStore.on(await memoryDisk(), singleRows);
    for (let revision = 2; revision <= 13; revision++)
      single.put(revision % 2 === 0 ? "even" : `key ${revision}`, `${revision}`);
    for (const each of [tested, single]) {
      await compactTo(each, 6);
      await each.store.close();
    }
    assert.equal(await rowsOf(tested.disk), `${block} -2_0 -4_0`);
    for (const each of [tested, single]) await each.open();
    for (const revision of [0, 6, 9])
      assert.deepEqual(await tested.store.hashKv(revision), await single.store.hashKv(revision));
    const received = new Recorder(tested, ["even"], { startRevision: 7 });
    await received.waitUntilLive();
    assert.equal(received.batches.join(" ").match(/PUT/g)?.length, 3);
  });

  test("changes can be read while their block is rewritten", async () => {
    const disk = new SlowDisk(await openMemoryBackend());
    const limits = { cacheBytes: 0, compactionRestMs: 0 };
    const opening = openStore({ backend: disk.backend, clock: new ManualClock(), onFailure: assert.ifError, limits });
    await (await disk.whenWritten()).finish(); // the format row
    const store = await opening;
    for (let revision = 2; revision <= 9; revision++) store.put(put(revision % 2 === 0 ? "k" : "l", `${revision}`));

    const check = async (): Promise<void> => {
      for (const [at, version] of [[6, 3] as const, [8, 4] as const]) {
        const { kvs } = showRange(await store.range(range("k", { revision: at })));
        assert.deepEqual(kvs, [`k=${at} c2 m${at} v${version}`]);
      }
    };
    store.endRound(roundState("9"));
    const flushed = store.flush();
    await (await disk.whenWritten()).finish();
    await flushed;
    const { whenFinished } = store.compact(6);
    store.endRound(roundState("compacted"));
    const noted = store.flush();
    await (await disk.whenWritten()).finish();
    await noted;
    const removal = await disk.whenWritten();
    assert.equal(removal.keys.filter((key) => key.startsWith("k")).length, 1);
    await check();
    await removal.finish();
    await check();
    await (await disk.whenWritten()).finish(); // the end of the compaction
    await whenFinished;
    await check();
    await store.close();
  });

  test("a compaction that meets a damaged block ends there, and removes nothing of it", async () => {
    const disk = await memoryDisk();
    await using tested = await TestStore.on(disk, { cacheBytes: 0 });
    for (const value of ["2", "3", "4"]) tested.put("k", value);
    await tested.save();
    const backend = await disk.open();
    const rowKey = changeRowKey({ main: 2, sub: 0 });
    const row = backend.get(rowKey)!;
    const write = async (value: Uint8Array): Promise<void> => {
      const batch = backend.batch();
      batch.put(rowKey, value);
      await batch.write();
    };
    await write(row.map((byte, n) => (n === 7 ? byte ^ 1 : byte)));
    await assert.rejects(compactTo(tested, 4), /row 2_0 of memory: checksum/);
    await write(row);
    await tested.reopen(); // the compaction continues
    assert.deepEqual((await tested.range("k")).kvs, ["k=4 c2 m4 v3"]);
  });

  test("each block is written once in a pass, however its keys are ordered", async () => {
    const disk = await memoryDisk();
    let written = 0;
    const openCounting = async (): Promise<Backend> => {
      const backend = await disk.open();
      const batch = (): Batch => {
        const inner = backend.batch();
        const put: Batch["put"] = (rowKey, row) => {
          written += rowKey[0] === 0x6b ? 1 : 0;
          inner.put(rowKey, row);
        };
        return { put, delete: (rowKey) => inner.delete(rowKey), write: () => inner.write() };
      };
      return Object.assign(Object.create(backend) as Backend, { batch });
    };
    const limits = { blockBytes: 400, entriesPerSlice: 3, removalsPerBatch: 7 };
    await using tested = await TestStore.on({ ...disk, open: openCounting }, limits);
    const keys = Array.from({ length: 200 }, (_, n) => `key ${(n * 37) % 200}`);
    for (const value of ["old", "new"]) for (const key of keys) tested.put(key, value);
    await tested.save();
    const blocks = (await rowsOf(disk)).split(" ");
    assert.ok(blocks.length > 10);
    assert.equal(written, blocks.length);
    await compactTo(tested, 401);
    const left = (await rowsOf(disk)).split(" ");
    const noted = left.filter((shown) => shown.startsWith("-"));
    assert.equal(left.length - noted.length, blocks.filter((block) => lastRevisionOf(block) > 201).length);
    assert.equal(left.join("+").split("+").length, 200 + 2 * noted.length);
    assert.ok(written <= blocks.length + 1, "only the block in the middle is left with a part of its changes");
  });
});
