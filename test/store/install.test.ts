// A snapshot of another member replaces the contents of a store, while they are read, watched and written to disk.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ClosedError,
  DamagedError,
  runAtOnce,
  StoreVersionError,
  openMemoryBackend,
  openStore,
  type Backend,
  type KvStore,
} from "../../store/index.js";
import { formatRow } from "../../store/disk/meta.js";
import { changeRowKey } from "../../store/disk/rows.js";
import { HaltingDisk, SlowDisk } from "./disk/faulty-disks.js";
import {
  ManualClock,
  roundState,
  TestStore,
  copyOf,
  disks,
  memoryDisk,
  op,
  put,
  range,
  showRange,
  text,
  turn,
  txn,
} from "./harness.js";
import { Recorder } from "./recorder.js";
import { toLeaseId } from "../../testing/ids.js";

/** Puts the revisions `from` to `to`, each with its number as value. */
function putAll(stores: readonly TestStore[], from: number, to: number, key = "k"): void {
  for (const tested of stores)
    for (let revision = from; revision <= to; revision++) {
      assert.equal(tested.store.put(put(key, `${revision}`)).revision, revision);
      tested.endRound();
    }
}

/** Returns a store that is ahead of others, with all its rounds on disk. */
async function leaderAt(revision: number, compacted?: number): Promise<TestStore> {
  const leader = await TestStore.on(await memoryDisk(), { blockBytes: 0 });
  putAll([leader], 2, revision);
  if (compacted !== undefined) leader.store.compact(compacted);
  await leader.save(`${revision}`);
  return leader;
}

/** Tells whether a promise is settled, after a few turns. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => void (settled = true);
  promise.then(note, note);
  for (let n = 0; n < 20; n++) await turn();
  return settled;
}

for (const { name, create } of disks) {
  describe(`on ${name}`, () => {
    test("an installed store serves reads and writes, and is found by a restart", async () => {
      await using leader = await TestStore.on(await create());
      await using member = await TestStore.on(await create());
      for (const { store } of [leader, member]) store.grantLease({ id: toLeaseId(7n), ttlSeconds: 60, generation: 1 });
      putAll([leader, member], 2, 10);
      await member.save("10");
      runAtOnce(leader.store.revokeLease(toLeaseId(7n)));
      leader.store.grantLease({ id: toLeaseId(8n), ttlSeconds: 60, generation: 2 });
      leader.put("leased", "v", { lease: 8n });
      putAll([leader], 12, 20);
      leader.store.compact(15);
      await leader.save("20");

      const { whenReplaced } = await member.install(leader.store, await create());
      await whenReplaced;
      const check = async (marker: string): Promise<void> => {
        assert.equal(text(member.store.marker!), marker);
        assert.deepEqual([member.store.revision, member.store.compactRevision], [leader.store.revision, 15]);
        assert.deepEqual([...member.store.leases()], [...leader.store.leases()]);
        assert.deepEqual(await member.store.leaseKeys(toLeaseId(8n)), ["leased"]);
        assert.equal(member.store.leaseKeyCount(toLeaseId(7n)), 0);
        assert.deepEqual(await member.range("a", { rangeEnd: "z" }), await leader.range("a", { rangeEnd: "z" }));
        assert.deepEqual((await member.range("k", { revision: 16 })).kvs, ["k=16 c2 m16 v14"]);
        await assert.rejects(member.range("k", { revision: 14 }), /compacted up to 15/);
        assert.deepEqual(await member.store.hashKv(0), await leader.store.hashKv(0));
      };
      await check("20");
      putAll([leader, member], 21, 22);
      for (const store of [leader, member]) await store.save("22");
      await member.reopen();
      await check("22");
      assert.deepEqual(member.failures, []);
    });
  });
}

describe("a watcher over an install gets the missing events once and in order", () => {
  test("if it was live: the rest from the new history, then new events", async () => {
    await using leader = await leaderAt(7);
    await using member = await TestStore.on(await memoryDisk());
    putAll([member], 2, 4);
    const recorder = new Recorder(member, ["k"], { prevKv: true });
    putAll([member], 5, 5);
    await member.install(leader.store, await memoryDisk());
    assert.deepEqual(recorder.batches, ["rev 5: PUT k=5 5 was 4"], "nothing in the step itself");
    assert.equal(recorder.watch.sendPending(), undefined, "no progress while events are missing");
    await recorder.waitUntilLive();
    assert.equal(recorder.watch.sendPending(), 7);
    putAll([member], 8, 8);
    assert.deepEqual(recorder.batches, [
      "rev 5: PUT k=5 5 was 4",
      "rev 7: PUT k=6 6 was 5, PUT k=7 7 was 6",
      "rev 8: PUT k=8 8 was 7",
    ]);
  });

  test("if no key has changed in between: no event, and the same position", async () => {
    await using leader = await leaderAt(4);
    await using member = await TestStore.on(await memoryDisk());
    putAll([member], 2, 4);
    const recorder = new Recorder(member, ["k"]);
    const future = new Recorder(member, ["k"], { startRevision: 6 });
    await member.install(leader.store, await memoryDisk());
    assert.deepEqual([recorder.watch.sendPending(), future.watch.sendPending()], [4, undefined]);
    putAll([member], 5, 6);
    assert.deepEqual(recorder.batches, ["rev 5: PUT k=5 5", "rev 6: PUT k=6 6"]);
    assert.deepEqual(future.batches, ["rev 6: PUT k=6 6"]);
  });

  test("if its start is a future revision, which the new store may contain or not", async () => {
    await using leader = await leaderAt(8);
    await using member = await TestStore.on(await memoryDisk());
    putAll([member], 2, 4);
    const within = new Recorder(member, ["k"], { startRevision: 7 });
    const beyond = new Recorder(member, ["k"], { startRevision: 10 });
    await member.install(leader.store, await memoryDisk());
    assert.deepEqual([within.watch.sendPending(), beyond.watch.sendPending()], [undefined, undefined]);
    await within.waitUntilLive();
    putAll([member], 9, 10);
    assert.deepEqual(within.batches, ["rev 8: PUT k=7 7, PUT k=8 8", "rev 9: PUT k=9 9", "rev 10: PUT k=10 10"]);
    assert.deepEqual(beyond.batches, ["rev 10: PUT k=10 10"]);
  });

  test("if its stream was full: the missing events once the stream has room", async () => {
    await using leader = await leaderAt(6);
    await using member = await TestStore.on(await memoryDisk());
    const recorder = new Recorder(member, ["k"]);
    recorder.hasRoom = false;
    putAll([member], 2, 3);
    await member.install(leader.store, await memoryDisk());
    for (let n = 0; n < 10; n++) await turn();
    assert.deepEqual([recorder.refusals, recorder.batches], [1, []]);
    recorder.hasRoom = true;
    recorder.watch.resume();
    await recorder.waitUntilLive();
    assert.deepEqual(recorder.batches, ["rev 6: PUT k=2 2, PUT k=3 3, PUT k=4 4, PUT k=5 5, PUT k=6 6"]);
  });

  test("unless its next revision is compacted there: CompactedError with the compact revision", async () => {
    await using leader = await leaderAt(9, 7);
    await using member = await TestStore.on(await memoryDisk());
    putAll([member], 2, 4);
    const live = new Recorder(member, ["k"]);
    const waiting = new Recorder(member, ["k"]);
    waiting.hasRoom = false;
    putAll([member], 5, 5);
    const later = new Recorder(member, ["k"], { startRevision: 7 });
    await member.install(leader.store, await memoryDisk());
    waiting.hasRoom = true;
    waiting.watch.resume();
    await later.waitUntilLive();
    assert.deepEqual([live.compacted, waiting.compacted, later.compacted], [7, 7, undefined]);
    putAll([member], 10, 10);
    assert.deepEqual([live.batches, waiting.batches], [["rev 5: PUT k=5 5"], []]);
    assert.deepEqual(later.batches, ["rev 9: PUT k=7 7, PUT k=8 8, PUT k=9 9", "rev 10: PUT k=10 10"]);
  });

  test("if it was reading history: the rest, and the old backend stays open for the read", async () => {
    const halting = new HaltingDisk(await memoryDisk());
    await using leader = await leaderAt(8);
    await using member = await TestStore.on(halting);
    putAll([member], 2, 5);
    await member.save();
    halting.arm();
    const recorder = new Recorder(member, ["k"], { startRevision: 3, prevKv: true });
    await halting.halted;
    const live = new Recorder(member, ["k"]);
    const { whenReplaced } = await member.install(leader.store, await memoryDisk());
    assert.equal(await isSettled(whenReplaced), false);
    halting.letGo();
    await whenReplaced;
    await recorder.waitUntilLive();
    assert.deepEqual(recorder.batches, [
      "rev 8: PUT k=3 3 was 2, PUT k=4 4 was 3, PUT k=5 5 was 4",
      "rev 8: PUT k=6 6 was 5, PUT k=7 7 was 6, PUT k=8 8 was 7",
    ]);
    await live.waitUntilLive();
    assert.deepEqual(live.batches, ["rev 8: PUT k=6 6, PUT k=7 7, PUT k=8 8"]);
  });

  test("if it shares a slice of history with others: all continue behind that slice", async () => {
    await using leader = await leaderAt(9, 8);
    await using member = await TestStore.on(await memoryDisk(), { watchBatchesPerSlice: 1 });
    putAll([member], 2, 5);
    const recorders = Array.from({ length: 4 }, () => new Recorder(member, ["k"], { startRevision: 4 }));
    const backend = await copyOf(leader.store, await openMemoryBackend());
    const countReceived = (): number => recorders.filter(({ batches }) => batches.length > 0).length;
    // The first watcher has received the events when the installation takes effect, the last has not.
    await member.store.install(backend, () => recorders[0]!.waitUntil(() => countReceived() > 0));
    assert.ok(countReceived() > 0 && countReceived() < recorders.length, `${countReceived()} have received`);
    await recorders.at(-1)!.waitUntil(() => recorders.every(({ compacted }) => compacted === 8));
    for (const { batches } of recorders)
      assert.match(batches.join("; "), /^rev \d: PUT k=4 4, PUT k=5 5$/, "all receive what was read before");
  });
});

describe("reads", () => {
  test("that have begun finish on the old contents, and the old backend stays open for them", async () => {
    await using leader = await leaderAt(60);
    await using member = await TestStore.on(await memoryDisk(), {
      entriesPerSlice: 2,
      diskReadsPerSlice: 1,
      cacheBytes: 0,
    });
    const keys = Array.from({ length: 20 }, (_, i) => `key ${String.fromCharCode(97 + i)}`);
    for (const key of keys) member.put(key, "old");
    await member.save();
    const expectedHash = await member.store.hashKv(0);

    const backend = await copyOf(leader.store, await openMemoryBackend());
    let reading: ReturnType<KvStore["range"]> | undefined;
    let hashing: ReturnType<KvStore["hashKv"]> | undefined;
    const { whenReplaced } = await member.store.install(backend, () => {
      reading = member.store.range(range("a", { rangeEnd: "\0" }));
      hashing = member.store.hashKv(0);
      return Promise.resolve();
    });
    assert.ok(reading instanceof Promise, "too much for one turn");
    assert.deepEqual((await member.range("k")).kvs, ["k=60 c2 m60 v59"], "new ones see the new");
    let isReplaced = false;
    void whenReplaced.then(() => (isReplaced = true));
    const { kvs, count, revision } = showRange(await reading);
    assert.equal(isReplaced, false);
    assert.deepEqual([kvs.length, count, revision], [20, 20, 21]);
    assert.ok(kvs.every((kv) => kv.includes("=old")));
    assert.deepEqual(await hashing, expectedHash);
    await whenReplaced;
  });

  test("go on while the new contents are read; a further install waits for reads of the first contents", async () => {
    const halting = new HaltingDisk(await memoryDisk());
    await using leader = await leaderAt(10);
    await using member = await TestStore.on(halting);
    putAll([member], 2, 4);
    await member.save();
    halting.arm();
    const hashing = member.store.hashKv(0);
    await halting.halted;
    const installing = member.install(leader.store, await memoryDisk());
    assert.deepEqual((await member.range("k")).kvs, ["k=4 c2 m4 v3"]);
    await installing;
    putAll([leader], 11, 12);
    await leader.save();
    const again = member.install(leader.store, await memoryDisk());
    assert.equal(await isSettled(again), false);
    assert.deepEqual((await member.range("k")).kvs, ["k=10 c2 m10 v9"]);
    halting.letGo();
    await again;
    assert.equal((await hashing).hashRevision, 4);
    assert.deepEqual((await member.range("k")).kvs, ["k=12 c2 m12 v11"]);
  });

  test("of a snapshot end if its contents are replaced", async () => {
    await using leader = await leaderAt(10);
    await using member = await TestStore.on(await memoryDisk());
    putAll([member], 2, 4);
    await member.save();
    const snapshot = member.store.snapshot();
    await snapshot.next(1);
    const { whenReplaced } = await member.install(leader.store, await memoryDisk());
    await whenReplaced;
    await assert.rejects(snapshot.next(1), ClosedError);
    await snapshot.close();
  });
});

/** Opens a store whose writes end when the test says. */
async function openSlowMember(): Promise<{ disk: SlowDisk; store: KvStore; clock: ManualClock }> {
  const disk = new SlowDisk(await openMemoryBackend());
  const clock = new ManualClock();
  const onFailure = (error: Error): void => assert.ifError(error);
  const opening = openStore({ backend: disk.backend, clock, onFailure, limits: { unflushedBytes: 1_000 } });
  await (await disk.whenWritten()).finish(); // the format row
  return { disk, store: await opening, clock };
}

describe("writes over an install", () => {
  test("a batch under way is written before the commit; later rounds are never written", async () => {
    await using leader = await leaderAt(10);
    const { disk, store, clock } = await openSlowMember();
    store.put(put("k", "2"));
    store.endRound(roundState("2"));
    const first = store.flush();
    store.put(put("k", "3"));
    store.endRound(roundState("3"));
    const second = store.flush();
    store.put(put("k", "x".repeat(2_000)));
    let isDrained = false;
    store.callWhenDrained(() => (isDrained = true));

    let isCommitted = false;
    const installing = store.install(await copyOf(leader.store, await openMemoryBackend()), () => {
      isCommitted = true;
      assert.equal(disk.writes.length, 0);
      return Promise.resolve();
    });
    assert.equal(await isSettled(installing), false);
    assert.deepEqual([isCommitted, isDrained, disk.writes.length], [false, false, 1]);
    await disk.next().finish();
    const { whenReplaced } = await installing;
    await Promise.all([first, second]); // these rounds are durable as a part of the installed contents
    await whenReplaced;
    clock.advance(1_000);
    assert.deepEqual([isCommitted, isDrained, store.isFull, disk.writes.length], [true, true, false, 0]);
    assert.equal(clock.pendingTimers, 0);
    assert.equal(store.revision, 10);
    await store.close();
  });

  test("a pending compaction finishes once the new contents are compacted as far", async () => {
    const limits = { entriesPerSlice: 1, removalsPerBatch: 1, blockBytes: 0 };
    await using leader = await TestStore.on(await memoryDisk(), limits);
    await using member = await TestStore.on(await memoryDisk(), limits);
    putAll([leader, member], 2, 10);
    for (let n = 0; n < 100; n++) leader.put(`other ${n}`, "v");
    await member.save();
    const compactions = [member.store.compact(3), member.store.compact(8)]; // their round never ends in this store
    // The read keeps the leader's compaction from removing changes, so that the copy has to.
    const reading = leader.store.range(range("a", { rangeEnd: "\0", revision: 3 }));
    leader.store.compact(9);
    await leader.save();
    const backend = await copyOf(leader.store, await openMemoryBackend(), 1_000_000);
    const rowsOf = async (): Promise<number> => {
      const rows = backend.iterate(changeRowKey({ main: 0, sub: 0 }), changeRowKey({ main: 11, sub: 0 }));
      const { length } = await rows.next(100);
      await rows.close();
      return length;
    };
    assert.equal(await rowsOf(), 9);
    await reading;
    await member.store.install(backend, () => Promise.resolve());
    for (const { whenFinished } of compactions) await whenFinished;
    assert.equal(await rowsOf(), 2, "9 and 10 are left");
    assert.throws(() => member.store.compact(9), /compacted up to 9/);
  });

  test("a compaction that is removing rows removes no more of them after the commit", async () => {
    await using leader = await leaderAt(10, 6);
    const { disk, store } = await openSlowMember();
    for (let n = 2; n <= 9; n++) store.put(put("k", `${n}`));
    const { whenFinished } = store.compact(5);
    store.endRound(roundState("9"));
    await (await disk.whenWritten()).finish();
    const removal = await disk.whenWritten();
    let isCommitted = false;
    const installing = store.install(await copyOf(leader.store, await openMemoryBackend()), () => {
      isCommitted = true;
      return Promise.resolve();
    });
    assert.equal(await isSettled(installing), false);
    assert.equal(isCommitted, false);
    await removal.finish(); // later removals wait, and are dropped
    await installing;
    await whenFinished;
    assert.deepEqual([isCommitted, disk.writes.length], [true, 0]);
    await store.close();
  });
});

describe("a failed installation leaves the old state in use", () => {
  /** Returns a damaged copy of a store's backend, and whether it was closed. */
  async function damagedCopyOf(leader: TestStore, change: (backend: Backend) => void | Promise<void>) {
    const inner = await copyOf(leader.store, await openMemoryBackend());
    await change(inner);
    const state = { isClosed: false };
    const close = async (): Promise<void> => {
      state.isClosed = true;
      await inner.close();
    };
    const backend: Backend = {
      name: "the new one",
      get: (key) => inner.get(key),
      iterate: (from, to) => inner.iterate(from, to),
      view: () => inner.view(),
      batch: () => inner.batch(),
      size: () => inner.size(),
      close,
    };
    return { backend, state };
  }

  const flipByte = async (backend: Backend): Promise<void> => {
    const key = changeRowKey({ main: 6, sub: 0 });
    const batch = backend.batch();
    batch.put(
      key,
      backend.get(key)!.map((byte, i) => (i === 4 ? byte ^ 1 : byte)),
    );
    await batch.write();
  };
  const raiseFormat = async (backend: Backend): Promise<void> => {
    const batch = backend.batch();
    formatRow.put(batch, 4);
    await batch.write();
  };

  /** Checks that the store works as before: reads, watches, writes and restarts. */
  async function checkUnharmed(member: TestStore, recorder: Recorder): Promise<void> {
    assert.deepEqual((await member.range("k")).kvs, ["k=4 c2 m4 v3"]);
    assert.equal(recorder.watch.sendPending(), 4);
    putAll([member], 5, 5);
    assert.deepEqual(recorder.batches.at(-1), "rev 5: PUT k=5 5");
    await member.save("after");
    await member.crash();
    assert.deepEqual([text(member.store.marker!), member.store.revision], ["after", 5]);
  }

  for (const [name, change, expected] of [
    ["a flipped bit", flipByte, /row 6_0 of the new one: checksum/],
    ["a newer format", raiseFormat, StoreVersionError],
  ] as const)
    test(`${name} in the new one is named`, async () => {
      await using leader = await leaderAt(10);
      await using member = await TestStore.on(await memoryDisk());
      putAll([member], 2, 4);
      const recorder = new Recorder(member, ["k"]);
      const { backend, state } = await damagedCopyOf(leader, change);
      const installing = member.store.install(backend, () => assert.fail("committed"));
      await assert.rejects(installing, expected);
      assert.equal(state.isClosed, true);
      await checkUnharmed(member, recorder);
    });

  test("a new store without a marker, or older than the present one, is refused", async () => {
    await using leader = await leaderAt(10);
    await using behind = await leaderAt(3);
    await using member = await TestStore.on(await memoryDisk());
    putAll([member], 2, 4);
    const recorder = new Recorder(member, ["k"]);
    const commit = () => assert.fail("committed");
    await assert.rejects(member.store.install(await openMemoryBackend(), commit), /memory: its marker is missing/);
    const old = await damagedCopyOf(behind, () => undefined);
    await assert.rejects(
      member.store.install(old.backend, commit),
      (error) =>
        error instanceof DamagedError && /revision 3, .*older than what is here, revision 4/.test(error.message),
    );
    assert.equal(old.state.isClosed, true);
    await checkUnharmed(member, recorder);
    await member.install(leader.store, await memoryDisk()); // then installs a valid one
    assert.equal(member.store.revision, 10);
  });

  test("a failed commit releases the blocked writes", async () => {
    await using leader = await leaderAt(10);
    await using member = await TestStore.on(await memoryDisk());
    putAll([member], 2, 4);
    const recorder = new Recorder(member, ["k"]);
    member.store.endRound(roundState("4"));
    const flushed = member.store.flush();
    const { backend, state } = await damagedCopyOf(leader, () => undefined);
    const failing = member.store.install(backend, () => Promise.reject(new Error("EIO: rename")));
    await assert.rejects(failing, /EIO: rename/);
    assert.equal(state.isClosed, true);
    await flushed;
    await checkUnharmed(member, recorder);
  });

  test("writes wait until an install has settled, and so does another install", async () => {
    await using leader = await leaderAt(10);
    await using member = await TestStore.on(await memoryDisk());
    putAll([member], 2, 4);
    const [backend, another] = [await openMemoryBackend(), await openMemoryBackend()];
    for (const each of [backend, another]) await copyOf(leader.store, each);
    const installing = member.store.install(backend, () => Promise.resolve());
    await assert.rejects(
      member.store.install(another, () => assert.fail("committed")),
      /two snapshots at once/,
    );
    const refusal = /while a snapshot is being installed/;
    assert.throws(() => member.put("k", "v"), refusal);
    assert.throws(() => runAtOnce(member.store.txn(txn([], [op.put("k", "v")]))), refusal);
    assert.throws(() => member.store.grantLease({ id: toLeaseId(1n), ttlSeconds: 1, generation: 1 }), refusal);
    assert.throws(() => member.store.compact(2), refusal);
    assert.equal(runAtOnce(member.store.txn(txn([], [op.range("k")]))).revision, 4, "reads go on");
    await installing;
    putAll([member], 11, 11);
  });
});

describe("closing meanwhile", () => {
  test("ends an install that has not come to its commit", async () => {
    await using leader = await leaderAt(10);
    await using member = await TestStore.on(await memoryDisk());
    putAll([member], 2, 4);
    const backend = await copyOf(leader.store, await openMemoryBackend());
    const installing = assert.rejects(
      member.store.install(backend, () => assert.fail("committed")),
      ClosedError,
    );
    await turn();
    await member.store.close();
    await installing;
    await assert.rejects(
      member.store.install(backend, () => assert.fail("committed")),
      ClosedError,
    );
  });

  test("waits for a commit, and then for everything", async () => {
    await using leader = await leaderAt(10);
    await using member = await TestStore.on(await memoryDisk());
    putAll([member], 2, 4);
    const recorder = new Recorder(member, ["k"]);
    const disk = await memoryDisk();
    let commit: () => void = () => undefined;
    const backend = await copyOf(leader.store, await disk.open());
    const installing = member.store.install(backend, () => new Promise((resolve) => (commit = resolve)));
    for (let n = 0; n < 20; n++) await turn();
    const closed = member.store.close();
    assert.equal(await isSettled(closed), false);
    member.switchTo(disk);
    commit();
    await (
      await installing
    ).whenReplaced;
    await closed;
    assert.deepEqual(recorder.batches, []);
    await member.open();
    assert.equal(member.store.revision, 10);
  });

  test("ends reads of the replaced contents", async () => {
    await using leader = await leaderAt(10);
    await using member = await TestStore.on(await memoryDisk(), { entriesPerSlice: 1 });
    for (let n = 0; n < 9; n++) member.put(`key ${n}`, "v");
    const backend = await copyOf(leader.store, await openMemoryBackend());
    let rejected: Promise<void> | undefined;
    const { whenReplaced } = await member.store.install(backend, () => {
      const reading = member.store.range(range("a", { rangeEnd: "\0" }));
      assert.ok(reading instanceof Promise, "too much for one turn");
      rejected = assert.rejects(reading, ClosedError);
      return Promise.resolve();
    });
    await member.store.close();
    await rejected;
    await whenReplaced;
  });
});
