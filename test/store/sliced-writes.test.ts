// A revision of many keys is applied slice by slice, and no reader sees a part of it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Compare_CompareResult, Compare_CompareTarget, Event } from "../../proto/index.js";
import { type Backend, runAtOnce, type Sliced } from "../../store/index.js";
import {
  roundState,
  TestStore,
  bytes,
  deleteRange,
  levelDisk,
  memoryDisk,
  op,
  range,
  text,
  txn,
  turn,
} from "./harness.js";
import { Recorder } from "./recorder.js";
import { toLeaseId } from "../../testing/ids.js";

const changesPerSlice = 10;
const keyCount = 100;
const limits = { changesPerSlice, changesSentAtOnce: 50, entriesPerSlice: 20 };
const keys = Array.from({ length: keyCount }, (_, n) => `k${String(n).padStart(3, "0")}`);

/** Opens a store with keys `k…` under lease 7, and another key. */
async function openFilledStore(disk = memoryDisk()): Promise<TestStore> {
  const tested = await TestStore.on(await disk, limits);
  tested.store.grantLease({ id: toLeaseId(7n), ttlSeconds: 60, generation: 1 });
  for (const key of keys) tested.put(key, "v", { lease: 7n });
  tested.put("other", "v");
  await tested.save("filled");
  return tested;
}

/**
 * Runs the work slice by slice.
 * @returns the number of slices
 */
async function runInSlices(work: Sliced<unknown>, between: () => void | Promise<void>): Promise<number> {
  for (let count = 1; ; count++) {
    if (work.next().done === true) return count;
    await between();
  }
}

const deletions: readonly [name: string, begin: (tested: TestStore) => Sliced<unknown>][] = [
  ["a lease with many keys that is revoked", ({ store }) => store.revokeLease(toLeaseId(7n))],
  ["a DeleteRange", ({ store }) => store.deleteRange(deleteRange("k", "l", { prevKv: true }))],
  ["a transaction", ({ store }) => store.txn(txn([], [op.range("k", { rangeEnd: "l" }), op.delete("k", "l")]))],
];

for (const [name, begin] of deletions)
  describe(name, () => {
    test("is applied in slices; reads between them see the previous revision, and later reads the whole new one", async () => {
      await using tested = await openFilledStore();
      const { store } = tested;
      const { revision } = store;
      const before = await tested.range("k", { rangeEnd: "l" });
      const count = await runInSlices(begin(tested), async () => {
        assert.equal(store.revision, revision);
        assert.deepEqual(await tested.range("k", { rangeEnd: "l" }), before);
        assert.deepEqual((await tested.range("k000")).kvs, before.kvs.slice(0, 1));
        const { response } = await store.readTxn(txn([], [op.range("k000"), op.range("k", { rangeEnd: "l" })]));
        assert.deepEqual(
          response.responses.map(({ response }) => response?.$case === "responseRange" && response.value.count),
          [1n, BigInt(keyCount)],
        );
      });
      assert.ok(count > keyCount / changesPerSlice, `${count} slices`);
      assert.equal(store.revision, revision + 1);
      assert.deepEqual(await tested.range("k", { rangeEnd: "l" }), {
        kvs: [],
        more: false,
        count: 0,
        revision: revision + 1,
      });
    });

    test("reaches watchers as one batch once it is complete, live or from history", async () => {
      for (const changesSentAtOnce of [50, 1_000]) {
        await using tested = await TestStore.on(await memoryDisk(), {
          ...limits,
          changesSentAtOnce: changesSentAtOnce,
        });
        tested.store.grantLease({ id: toLeaseId(7n), ttlSeconds: 60, generation: 1 });
        for (const key of keys) tested.put(key, "v", { lease: 7n });
        const all = new Recorder(tested, ["k", "l"], { prevKv: true });
        const other = new Recorder(tested, ["other"]);
        await runInSlices(begin(tested), async () => {
          await turn();
          assert.deepEqual(all.batches, []);
        });
        tested.put("other", "w");
        await all.waitUntilLive();
        await other.waitUntilLive();
        assert.equal(all.batches.length, 1);
        assert.deepEqual(
          all.encoded.map((event) => text(Event.decode(event).kv!.key)),
          keys,
        );
        assert.equal(other.batches.length, 1);
      }
    });

    test("is on disk as a whole or not at all, also after a crash in the middle of applying it", async () => {
      await using tested = await openFilledStore(levelDisk());
      const { revision } = tested.store;
      const work = begin(tested);
      for (let n = 0; n < 4; n++) work.next();
      await tested.store.flush();
      await tested.crash();
      assert.equal(tested.store.revision, revision);
      assert.equal((await tested.range("k", { rangeEnd: "l", countOnly: true })).count, keyCount);
      runAtOnce(begin(tested));
      await tested.save("deleted");
      await tested.reopen();
      assert.equal(tested.store.revision, revision + 1);
      assert.equal((await tested.range("k", { rangeEnd: "l", countOnly: true })).count, 0);
    });
  });

test("no other entry is applied, and no round ends, in the middle of a revision", async () => {
  await using tested = await openFilledStore();
  const { store } = tested;
  const work = store.revokeLease(toLeaseId(7n));
  work.next();
  const inTheMiddle = /while a revision is being applied/;
  assert.throws(() => tested.put("a", "v"), inTheMiddle);
  assert.throws(() => tested.delete("a"), inTheMiddle);
  assert.throws(() => store.grantLease({ id: toLeaseId(8n), ttlSeconds: 60, generation: 1 }), inTheMiddle);
  assert.throws(() => store.compact(2), inTheMiddle);
  assert.throws(() => store.endRound(roundState("marker")), inTheMiddle);
  runAtOnce(work);
  tested.put("a", "v");
});

test("a write that fails late reverts its changes in slices, and no read has seen any of them", async () => {
  const tight = { ...limits, responseBytes: 200 };
  await using tested = await TestStore.on(await memoryDisk(), tight);
  for (const key of keys) tested.put(key, "v");
  const { revision } = tested.store;
  const request = txn(
    [],
    [op.delete("k", "l"), ...keys.map((key) => op.put(key, "w")), op.range("k", { rangeEnd: "l" })],
  );
  let count = 0;
  await assert.rejects(
    async () =>
      runInSlices(tested.store.txn(request), async () => {
        count += 1;
        assert.equal((await tested.range("k", { rangeEnd: "l", countOnly: true })).count, keyCount);
      }),
    { code: "too-large" },
  );
  assert.ok(count > (4 * keyCount) / changesPerSlice, `${count} slices: deletes, puts, and both taken back`);
  assert.equal(tested.store.revision, revision);
  assert.deepEqual((await tested.range("k000")).kvs, ["k000=v c2 m2 v1"]);
});

test("the keys of a lease are listed before a revision that ends it, or after it, not in the middle", async () => {
  await using tested = await openFilledStore();
  const { store } = tested;
  const work = store.deleteRange(deleteRange("k", "k050"));
  work.next();
  let listed: readonly string[] | undefined;
  const listing = store.leaseKeys(toLeaseId(7n)).then((found) => (listed = found));
  await runInSlices(work, async () => {
    await turn();
    assert.equal(listed, undefined);
  });
  await listing;
  assert.deepEqual(listed, keys.slice(50));
});

test("a compaction goes on only between revisions, and closing the store ends what waits for one", async () => {
  await using tested = await openFilledStore();
  const { store } = tested;
  for (const key of keys) tested.put(key, "w");
  await tested.save();
  const { whenFinished } = store.compact(store.revision);
  await tested.save();
  const work = store.deleteRange(deleteRange("k", "l"));
  work.next();
  let isFinished = false;
  void whenFinished.then(() => (isFinished = true));
  for (let n = 0; n < 50; n++) await turn();
  assert.equal(isFinished, false);
  runAtOnce(work);
  await whenFinished;

  const abandoned = store.deleteRange(deleteRange("o", "p"));
  const waiting = store.compact(store.revision).whenFinished;
  await tested.save();
  abandoned.next();
  const ended = assert.rejects(waiting.then(() => store.leaseKeys(toLeaseId(7n))));
  await store.close();
  await ended;
});

test("a round of many changes is put into its batch in slices, and written when it is whole", async () => {
  const disk = await memoryDisk();
  let inThisTurn = 0;
  const mostInTurn: number[] = [];
  const writes: number[] = [];
  const openCounting = async (): Promise<Backend> => {
    const backend = await disk.open();
    return new Proxy(backend, {
      get: (target, name) => {
        if (name !== "batch") {
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? (value as (...of: unknown[]) => unknown).bind(target) : value;
        }
        return () => {
          const batch = target.batch();
          let puts = 0;
          return {
            put: (key: Uint8Array, value: Uint8Array) => {
              puts += 1;
              inThisTurn += 1;
              batch.put(key, value);
            },
            delete: (key: Uint8Array) => batch.delete(key),
            write: () => {
              writes.push(puts);
              return batch.write();
            },
          };
        };
      },
    });
  };
  await using tested = await TestStore.on(
    { ...disk, open: openCounting, crash: () => disk.crash(), dispose: () => disk.dispose() },
    { ...limits, blockBytes: 0 },
  );
  for (const key of keys) tested.put(key, "v");
  const ended = (async () => tested.save("whole"))();
  for (let n = 0; n < 20; n++) {
    mostInTurn.push(inThisTurn);
    inThisTurn = 0;
    await turn();
  }
  await ended;
  assert.ok(Math.max(...mostInTurn) <= changesPerSlice + 5, `${mostInTurn.join(" ")} rows in a turn`);
  assert.equal(writes.filter((puts) => puts > 5).length, 1, "one batch");
  assert.equal((await tested.store.hashKv(0)).hashRevision, keyCount + 1);
});

test("a transaction that only reads is answered at one revision, whatever is applied while it runs", async () => {
  await using tested = await openFilledStore();
  const { store } = tested;
  const compare = {
    result: Compare_CompareResult.EQUAL,
    target: Compare_CompareTarget.VERSION,
    key: bytes("k"),
    rangeEnd: bytes("l"),
    targetUnion: { $case: "version" as const, value: 1n },
  };
  const { revision } = store;
  const answer = store.readTxn(
    txn([compare], [op.range("k", { rangeEnd: "l", countOnly: true })], [op.range("other")]),
  );
  assert.ok(answer instanceof Promise, "too much for one turn");
  tested.put("k099", "w");
  tested.delete("k", "k050");
  const { response, revision: at } = await answer;
  assert.deepEqual([response.succeeded, at], [true, revision]);
  const [first] = response.responses;
  assert.equal(first?.response?.$case === "responseRange" && first.response.value.count, BigInt(keyCount));
  assert.equal((await store.range(range("k", { rangeEnd: "l", countOnly: true }))).response.count, 50n);
});
