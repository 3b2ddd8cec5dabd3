import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ClosedError,
  ReadOnlyError,
  openMemoryBackend,
  openStore,
  type KvStore,
  runAtOnce,
} from "../../../store/index.js";
import { SlowDisk } from "../disk/faulty-disks.js";
import { ManualClock, roundState, TestStore, bytes, disks, memoryDisk, op, put, range, turn, txn } from "../harness.js";

async function openSlowStore(
  limits = {},
): Promise<{ disk: SlowDisk; store: KvStore; clock: ManualClock; failures: Error[] }> {
  const disk = new SlowDisk(await openMemoryBackend());
  const clock = new ManualClock();
  const failures: Error[] = [];
  const opening = openStore({ backend: disk.backend, clock, onFailure: (error) => void failures.push(error), limits });
  await (await disk.whenWritten()).finish(); // the format row
  return { disk, store: await opening, clock, failures };
}

describe("rounds reach the disk whole, in order, with their marker", () => {
  for (const { name, create } of disks) {
    test(`a restart finds the last round that was saved, and nothing after it (${name})`, async () => {
      await using tested = await TestStore.on(await create());
      assert.equal(tested.store.marker, undefined);
      tested.put("a", "1");
      await tested.save("first");
      tested.put("b", "2");
      tested.store.endRound(roundState("second, not written yet"));
      tested.put("c", "3");
      await tested.crash();
      assert.deepEqual(tested.store.marker, Uint8Array.from(bytes("first")));
      assert.deepEqual((await tested.range("a", { rangeEnd: "\0" })).kvs, ["a=1 c2 m2 v1"]);
      assert.equal(tested.store.revision, 2);
    });

    test(`close saves rounds that were ended, and no others (${name})`, async () => {
      await using tested = await TestStore.on(await create());
      tested.put("a", "1");
      tested.store.endRound(roundState("first"));
      tested.put("b", "2");
      await tested.reopen();
      assert.deepEqual(tested.store.marker, Uint8Array.from(bytes("first")));
      assert.equal(tested.store.revision, 2);
    });

    test(`a round without changes moves the marker (${name})`, async () => {
      await using tested = await TestStore.on(await create());
      await tested.save("one");
      await tested.save("two");
      await tested.crash();
      assert.deepEqual(tested.store.marker, Uint8Array.from(bytes("two")));
    });
  }

  test("a batch is written 100 ms after its first round, with all rounds until then", async () => {
    const { disk, store, clock } = await openSlowStore({ blockBytes: 0 });
    store.put(put("a", "1"));
    assert.equal(clock.pendingTimers, 0); // no round has ended
    store.endRound(roundState("m"));
    assert.equal(clock.pendingTimers, 0); // nothing is prepared for the disk before the answers are sent
    await turn();
    clock.advance(99);
    store.put(put("b", "2"));
    store.endRound(roundState("m"));
    await turn();
    assert.equal(disk.writes.length, 0);
    clock.advance(1);
    const write = disk.next();
    assert.equal(write.keys.filter((key) => key.startsWith("k")).length, 2);
    await write.finish();
    assert.equal(clock.pendingTimers, 0);
    await store.close();
  });

  test("a batch of 1 MiB does not wait for the time", async () => {
    const { disk, store } = await openSlowStore();
    store.put(put("a", "x".repeat(1024 * 1024)));
    assert.equal(disk.writes.length, 0); // the round may still grow
    store.endRound(roundState("m"));
    await turn();
    await disk.next().finish();
    await store.close();
  });

  test("one batch is written at a time; rounds that end meanwhile go into the next", async () => {
    const { disk, store, clock } = await openSlowStore();
    store.put(put("a", "1"));
    store.endRound(roundState("m"));
    const first = store.flush();
    store.put(put("b", "2"));
    store.endRound(roundState("m"));
    await turn();
    clock.advance(100);
    assert.equal(disk.writes.length, 1);
    await disk.next().finish();
    await first;
    assert.equal(disk.writes.length, 1);
    const second = store.flush();
    await disk.next().finish();
    await second;
    assert.equal(disk.writes.length, 0);
    await store.close();
  });

  test("reads see applied changes whether they are waiting, being written or saved", async () => {
    const { disk, store } = await openSlowStore({ cacheBytes: 0 });
    const read = async (revision: number): Promise<number> =>
      (await store.range(range("a", { revision }))).response.kvs.length;
    store.put(put("a", "1"));
    assert.equal(await read(2), 1);
    store.endRound(roundState("m"));
    const saved = store.flush();
    store.put(put("a", "2"));
    assert.equal(await read(2), 1);
    await disk.next().finish();
    await saved;
    assert.equal(await read(2), 1);
    assert.equal(await read(3), 1);
    await store.close();
  });
});

describe("bounds and failures", () => {
  test("a full store calls back once a write has made room", async () => {
    const { disk, store } = await openSlowStore({ unflushedBytes: 1_000 });
    const called: string[] = [];
    store.callWhenDrained(() => called.push("at once"));
    store.put(put("a", "x".repeat(500)));
    assert.equal(store.isFull, false);
    store.put(put("b", "x".repeat(500)));
    assert.equal(store.isFull, true);
    store.callWhenDrained(() => called.push("later"));
    store.endRound(roundState("m"));
    const saved = store.flush();
    assert.deepEqual(called, ["at once"]);
    await disk.next().finish();
    await saved;
    assert.equal(store.isFull, false);
    assert.deepEqual(called, ["at once", "later"]);
    await store.close();
  });

  test("a failed write ends all writing, and everything can still be read", async () => {
    const { disk, store, clock, failures } = await openSlowStore();
    store.put(put("a", "1"));
    store.put(put("a", "2"));
    store.endRound(roundState("m"));
    const saved = store.flush();
    const compaction = store.compact(2);
    store.put(put("b", "3"));
    store.endRound(roundState("m"));
    disk.next().fail(new Error("EIO"));
    await assert.rejects(saved, ReadOnlyError);
    await assert.rejects(compaction.whenFinished, ReadOnlyError);
    assert.deepEqual(
      failures.map(({ message }) => message),
      ["EIO"],
    );
    assert.throws(() => store.put(put("a", "4")), ReadOnlyError);
    assert.throws(() => runAtOnce(store.txn(txn([], [op.put("a", "4")]))), ReadOnlyError);
    assert.throws(() => store.compact(3), ReadOnlyError);
    await assert.rejects(store.flush(), ReadOnlyError);
    store.endRound(roundState("m"));
    clock.advance(1_000);
    assert.equal(disk.writes.length, 0);
    assert.equal(failures.length, 1);
    const { response } = await store.range(range("a", { rangeEnd: "\0", revision: 3 }));
    assert.equal(response.count, 1n);
    assert.equal(runAtOnce(store.txn(txn([], [op.range("a", { rangeEnd: "\0" })]))).revision, 4);
    await store.close();
  });

  test("a closed store refuses calls, may be closed again, and leaves no timer", async () => {
    const tested = await TestStore.on(await memoryDisk());
    const { store } = tested;
    store.put(put("a", "1"));
    const compaction = store.compact(2); // its round never ends
    const hash = store.hashKv(0);
    await store.close();
    await store.close();
    await assert.rejects(compaction.whenFinished, ClosedError);
    await hash.catch((error: unknown) => assert.ok(error instanceof ClosedError));
    assert.throws(() => store.put(put("a", "1")), ClosedError);
    assert.throws(() => store.range(range("a")), ClosedError);
    await assert.rejects(store.hashKv(0), ClosedError);
    await assert.rejects(store.flush(), ClosedError);
    assert.equal(tested.clock.pendingTimers, 0);
    await tested[Symbol.asyncDispose]();
  });
});
