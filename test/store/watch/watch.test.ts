// Watches at the store: the events, the times and the cost.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Event } from "../../../proto/index.js";
import { DamagedError, runAtOnce, type Watch, type WatchReceiver } from "../../../store/index.js";
import { showEvent } from "../../support/watch-stream.js";
import { HaltingDisk } from "../disk/faulty-disks.js";
import { roundState, TestStore, bytes, deleteRange, disks, memoryDisk, op, turn, txn } from "../harness.js";
import { Recorder } from "../recorder.js";
import { toLeaseId } from "../../../testing/ids.js";

for (const { name, create } of disks) {
  describe(`on ${name}`, () => {
    test("a watch from the past gets whole revisions in few batches, then each new revision", async () => {
      await using tested = await TestStore.on(await create(), { revisionsPerWatchBatch: 3 });
      for (const value of ["2", "3"]) tested.put("k", value);
      await tested.save();
      runAtOnce(tested.store.txn(txn([], [op.put("k", "4"), op.put("j", "4"), op.delete("l")])));
      for (const value of ["5", "6"]) tested.put("k", value);
      const recorder = new Recorder(tested, ["a", "z"], { startRevision: 1 });
      assert.deepEqual(recorder.batches, [], "nothing before the answer that there is a watch");
      await recorder.waitUntilLive();
      tested.put("k", "7");
      tested.endRound();
      assert.deepEqual(recorder.batches, [
        "rev 6: PUT k=2 2, PUT k=3 3, PUT k=4 4, PUT j=4 4",
        "rev 6: PUT k=5 5, PUT k=6 6",
        "rev 7: PUT k=7 7",
      ]);
    });

    test("prevKv is the key's value one revision before, unless that is compacted", async () => {
      await using tested = await TestStore.on(await create());
      tested.put("k", "2");
      tested.put("k", "3");
      tested.delete("k");
      tested.put("k", "5");
      // Two changes in one revision: the key's previous value is from neither.
      runAtOnce(tested.store.txn(txn([], [op.put("k", "6"), op.txn(txn([], [op.delete("k")]))])));
      tested.put("k", "7");
      // A creation, although the key existed one revision before.
      runAtOnce(tested.store.txn(txn([], [op.delete("k"), op.put("k", "8")])));
      await tested.save();
      const all = new Recorder(tested, ["k"], { startRevision: 1, prevKv: true });
      await all.waitUntilLive();
      const received = [
        "PUT k=2 2",
        "PUT k=3 3 was 2",
        "DELETE k 4 was 3",
        "PUT k=5 5",
        "PUT k=6 6 was 5",
        "DELETE k 6 was 5",
        "PUT k=7 7",
        "DELETE k 8 was 7",
        "PUT k=8 8",
      ];
      assert.deepEqual(all.batches, [`rev 8: ${received.join(", ")}`]);

      tested.store.compact(3);
      const rest = new Recorder(tested, ["k"], { startRevision: 3, prevKv: true });
      await rest.waitUntilLive();
      assert.deepEqual(rest.batches, [`rev 8: ${["PUT k=3 3", ...received.slice(2)].join(", ")}`]);
    });
  });
}

test("watches of a key, a range, all keys from a key on, and all keys get exactly their events", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const asked = { key: ["b"], range: ["b", "c"], from: ["b", "\0"], everything: ["\0", "\0"] } as const;
  const recorders = Object.entries(asked).map(([name, keys]) => ({ name, recorder: new Recorder(tested, keys) }));
  for (const key of ["a", "b", "b\0", "bz", "c", "\xff"]) {
    tested.put(key, "");
    tested.endRound();
  }
  const seen = recorders.map(({ name, recorder }) => [
    name,
    recorder.batches.map((b) => b.split(/PUT |=/)[1]).join(" "),
  ]);
  assert.deepEqual(Object.fromEntries(seen), {
    key: "b",
    range: "b b\0 bz",
    from: "b b\0 bz c \xff",
    everything: "a b b\0 bz c \xff",
  });
});

test("a revision without a watched change is not sent", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const puts = new Recorder(tested, ["k"], { deletes: false });
  const deletes = new Recorder(tested, ["k"], { puts: false });
  const neither = new Recorder(tested, ["k"], { puts: false, deletes: false });
  tested.put("k", "v");
  tested.endRound();
  tested.delete("k");
  tested.endRound();
  assert.deepEqual(puts.batches, ["rev 2: PUT k=v 2"]);
  assert.deepEqual(deletes.batches, ["rev 3: DELETE k 3"]);
  assert.deepEqual(neither.batches, []);
});

test("the keys of a revoked lease are sent as deletions, in key order, in one batch", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  tested.store.grantLease({ id: toLeaseId(7n), ttlSeconds: 5, generation: 1 });
  for (const key of ["b", "a", "c"]) tested.put(key, "v", { lease: 7n });
  const recorder = new Recorder(tested, ["a", "z"]);
  runAtOnce(tested.store.revokeLease(toLeaseId(7n)));
  tested.endRound();
  assert.deepEqual(recorder.batches, ["rev 5: DELETE a 5, DELETE b 5, DELETE c 5"]);
});

test("a round's revisions are sent in one batch when it ends, or before a progress request is answered", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const recorder = new Recorder(tested, ["k"]);
  tested.put("k", "2");
  tested.put("other", "3");
  tested.put("k", "4");
  assert.deepEqual(recorder.batches, []);
  tested.endRound();
  assert.deepEqual(recorder.batches, ["rev 4: PUT k=2 2, PUT k=4 4"]);
  tested.put("k", "5");
  assert.equal(recorder.watch.sendPending(), 5);
  assert.deepEqual(recorder.batches.slice(1), ["rev 5: PUT k=5 5"]);
  tested.endRound();
  assert.equal(recorder.batches.length, 2);
});

test("a round of many bytes is sent in several batches", async () => {
  await using tested = await TestStore.on(await memoryDisk(), { bytesPerWatchBatch: 100 });
  const recorder = new Recorder(tested, ["k"]);
  for (const letter of ["a", "b", "c"]) tested.put("k", letter.repeat(40));
  const shortBatches = (): string[] => recorder.batches.map((batch) => batch.replaceAll(/(.)\1{39}/g, "$1"));
  assert.deepEqual(shortBatches(), ["rev 3: PUT k=a 2, PUT k=b 3"]);
  tested.endRound();
  assert.deepEqual(shortBatches().slice(1), ["rev 4: PUT k=c 4"]);
});

test("a watch that begins within a round gets later changes, and no earlier ones", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const early = new Recorder(tested, ["k"]);
  const future = new Recorder(tested, ["k"], { startRevision: 4 });
  const beyond = new Recorder(tested, ["k"], { startRevision: 9 });
  tested.put("k", "2");
  const within = new Recorder(tested, ["k"]);
  for (const value of ["3", "4", "5"]) tested.put("k", value);
  tested.endRound();
  assert.deepEqual(early.batches, ["rev 2: PUT k=2 2", "rev 5: PUT k=3 3, PUT k=4 4, PUT k=5 5"]);
  assert.deepEqual(within.batches, ["rev 5: PUT k=3 3, PUT k=4 4, PUT k=5 5"]);
  await future.waitUntilLive();
  assert.deepEqual([future.batches, beyond.batches], [["rev 5: PUT k=4 4, PUT k=5 5"], []]);
});

test("changes before a write of several turns are sent before other work runs", async () => {
  await using tested = await TestStore.on(await memoryDisk(), { changesPerSlice: 2 });
  for (const key of ["a", "b", "c", "d", "e"]) tested.put(key, "v");
  tested.endRound();
  const recorder = new Recorder(tested, ["k"]);
  tested.put("k", "v");
  const work = tested.store.deleteRange(deleteRange("a", "f"));
  assert.equal(work.next().done, false);
  assert.deepEqual(recorder.batches, ["rev 7: PUT k=v 7"]);
  runAtOnce(work);
});

test("watches of one receiver with the same events get them in one call, as many as it has room for", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const calls: string[] = [];
  let room = 3;
  const receiver: WatchReceiver<string> = {
    onChanged: (tags, from, to, { events }) => {
      const received = tags.slice(from, Math.min(to, from + room));
      calls.push(`${received.join("")}: ${events.map((event) => showEvent(Event.decode(event))).join(", ")}`);
      return received.length;
    },
    onCompacted: () => assert.fail("compacted"),
    onFailed: () => assert.fail("failed"),
  };
  const options = { key: bytes("k"), rangeEnd: bytes(""), startRevision: 0, prevKv: false, puts: true, deletes: true };
  const watches = ["a", "b", "c", "d", "e"].map((tag) => tested.store.watch(options, receiver, tag));
  const another = tested.store.watch({ ...options, prevKv: true }, receiver, "p");
  watches[1]?.close(); // the last watch takes its place
  tested.put("k", "2");
  tested.endRound();
  assert.deepEqual(calls.splice(0), ["aec: PUT k=2 2", "p: PUT k=2 2"]);
  another.close();
  watches[0]?.close();
  tested.put("k", "3");
  tested.endRound();
  assert.deepEqual(calls.splice(0), ["ce: PUT k=3 3"]);
  room = 1;
  for (const watch of watches) watch.resume();
  for (let n = 0; n < 5; n++) await turn();
  assert.deepEqual(calls.splice(0), ["d: PUT k=2 2, PUT k=3 3"]);
  assert.deepEqual(
    watches.map((watch) => watch.sendPending()),
    [undefined, undefined, 3, 3, 3],
  );
});

test("a watch of a future revision waits for it, and gets no progress notice before", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const recorder = new Recorder(tested, ["k"], { startRevision: 4 });
  for (const value of ["2", "3"]) tested.put("k", value);
  assert.equal(recorder.watch.sendPending(), undefined);
  tested.put("k", "4");
  assert.equal(recorder.watch.sendPending(), 4);
  assert.deepEqual(recorder.batches, ["rev 4: PUT k=4 4"]);
});

test("a receiver without room is called once, and then catches up from history", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const recorder = new Recorder(tested, ["k"]);
  recorder.hasRoom = false;
  for (let n = 2; n <= 500; n++) {
    tested.put("k", `${n}`);
    tested.endRound();
  }
  assert.equal(recorder.refusals, 1);
  assert.equal(recorder.watch.sendPending(), undefined, "no progress while events are missing");
  recorder.hasRoom = true;
  recorder.watch.resume();
  await recorder.waitUntilLive();
  assert.equal(recorder.batches.length, 1);
  assert.match(recorder.batches[0] ?? "", /^rev 500: PUT k=2 2, PUT k=3 3, .*PUT k=500 500$/);
});

test("a watch whose next revision is compacted ends with CompactedError, also if it was compacted after the watch fell behind", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const slow = new Recorder(tested, ["k"]);
  slow.hasRoom = false;
  for (let n = 2; n <= 10; n++) tested.put("k", `${n}`);
  tested.endRound();
  tested.store.compact(5);
  const late = new Recorder(tested, ["k"], { startRevision: 4 });
  const justInTime = new Recorder(tested, ["k"], { startRevision: 5 });
  slow.hasRoom = true;
  slow.watch.resume();
  await justInTime.waitUntilLive();
  assert.deepEqual([slow.compacted, late.compacted, justInTime.compacted], [5, 5, undefined]);
  assert.match(justInTime.batches[0] ?? "", /^rev 10: PUT k=5 5, /);
  tested.put("k", "11");
  assert.deepEqual([slow.batches, late.batches], [[], []]);
});

test("a watcher that is far behind does not delay watchers that are nearly live", async () => {
  await using tested = await TestStore.on(await memoryDisk(), { revisionsPerWatchBatch: 1 });
  for (let n = 2; n <= 200; n++) tested.put("k", `${n}`);
  const far = new Recorder(tested, ["k"], { startRevision: 1 });
  const near = new Recorder(tested, ["k"], { startRevision: 200 });
  await near.waitUntilLive();
  assert.ok(far.batches.length < 5, `${far.batches.length} batches before`);
});

test("an event is encoded once for all watchers, and once more for those with prevKv", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  tested.put("k", "2");
  const live = [new Recorder(tested, ["k"]), new Recorder(tested, ["a", "z"])];
  const livePrevious = [true, true].map((prevKv) => new Recorder(tested, ["k"], { prevKv }));
  tested.put("k", "3");
  tested.endRound();
  const past = [1, 2].map((startRevision) => new Recorder(tested, ["k"], { startRevision }));
  for (const recorder of past) await recorder.waitUntilLive();
  const [a, b] = live.map(({ encoded }) => encoded[0]);
  assert.equal(a, b);
  const [c, d] = livePrevious.map(({ encoded }) => encoded[0]);
  assert.equal(c, d);
  assert.notEqual(a, c);
  const [e, f] = past.map(({ encoded }) => encoded.at(-1));
  assert.equal(e, f);
});

test("a round with many watchers is sent to a bounded number at once, and to the rest between requests", async () => {
  await using tested = await TestStore.on(await memoryDisk(), { watchBatchesPerSlice: 3 });
  const recorders = Array.from({ length: 7 }, () => new Recorder(tested, ["k"]));
  const countBatches = (): number => recorders.flatMap(({ batches }) => batches).length;
  for (const value of ["2", "3"]) tested.put("k", value);
  assert.equal(countBatches(), 0, "the round is not over");
  tested.endRound();
  assert.equal(countBatches(), 3);
  let most = 0;
  for (
    let before = countBatches();
    recorders.some(({ watch }) => watch.sendPending() === undefined);
    before = countBatches()
  ) {
    await turn();
    most = Math.max(most, countBatches() - before);
  }
  assert.equal(most, 3);
  assert.equal(countBatches(), 7, "all receive both in one batch");
  tested.put("k", "4");
  tested.endRound();
  assert.equal(countBatches(), 10);
  for (const recorder of recorders) await recorder.waitUntilLive();
  const events = recorders.map(({ encoded }) => encoded.map((event) => showEvent(Event.decode(event))));
  for (const some of events) assert.deepEqual(some, ["PUT k=2 2", "PUT k=3 3", "PUT k=4 4"]);
});

test("no event is sent or kept after close; closing again, and resuming then, has no effect", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  tested.put("k", "2");
  const live = new Recorder(tested, ["k"]);
  const behind = new Recorder(tested, ["k"], { startRevision: 1 });
  for (const { watch } of [live, behind]) {
    watch.close();
    watch.close();
    watch.resume();
  }
  tested.put("k", "3");
  tested.endRound();
  for (let n = 0; n < 5; n++) await turn();
  assert.deepEqual([live.batches, behind.batches], [[], []]);
  assert.equal(live.watch.sendPending(), undefined);
});

test("a watch that is closed while others get the same change does not get it", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const watches: Watch[] = [];
  let received = 0;
  for (const key of ["k", "k"])
    watches.push(
      tested.store.watch(
        { key: bytes(key), rangeEnd: bytes(""), startRevision: 0, prevKv: false, puts: true, deletes: true },
        {
          onChanged: () => {
            received += 1;
            for (const watch of watches) watch.close();
            return 0;
          },
          onCompacted: () => assert.fail("compacted"),
          onFailed: () => assert.fail("failed"),
        },
        undefined,
      ),
    );
  for (const value of ["2", "3"]) {
    tested.put("k", value);
    tested.endRound();
  }
  assert.equal(received, 1);
  const another = new Recorder(tested, ["k"]);
  tested.put("k", "4");
  tested.endRound();
  assert.deepEqual(another.batches, ["rev 4: PUT k=4 4"]);
});

test("a damaged row ends the watches that need it, and no others; writes continue", async () => {
  const disk = new HaltingDisk(await memoryDisk());
  await using tested = await TestStore.on(disk, { cacheBytes: 0, blockBytes: 0 });
  for (const key of ["a", "b", "c"]) tested.put(key, "v");
  await tested.save();
  const rows = disk.opened!.iterate(Buffer.of(0x6b), Buffer.of(0x6c));
  const [[rowKey, row] = []] = await rows.next(1);
  await rows.close();
  const batch = disk.opened!.batch();
  batch.put(rowKey!, row!.with(5, 0xff));
  await batch.write();

  const fromStart = new Recorder(tested, ["c"], { startRevision: 1 });
  const later = new Recorder(tested, ["a", "z"], { startRevision: 3 });
  const asksForBefore = new Recorder(tested, ["a"], { prevKv: true });
  await later.waitUntilLive();
  await fromStart.waitUntil(() => fromStart.failure !== undefined);
  tested.put("a", "w");
  tested.endRound();
  assert.ok(fromStart.failure instanceof DamagedError);
  assert.ok(asksForBefore.failure instanceof DamagedError);
  assert.equal(tested.store.revision, 5);
  assert.deepEqual(later.batches, ["rev 4: PUT b=v 3, PUT c=v 4", "rev 5: PUT a=w 5"]);

  const history = [false, true].map((prevKv) => new Recorder(tested, ["a"], { startRevision: 5, prevKv }));
  const [plain, withPrevious] = history as [Recorder, Recorder];
  await plain.waitUntilLive();
  assert.deepEqual(plain.batches, ["rev 5: PUT a=w 5"]);
  assert.ok(withPrevious.failure instanceof DamagedError);
});

test("prevKv for live watchers is not read from disk", async () => {
  const disk = new HaltingDisk(await memoryDisk());
  await using tested = await TestStore.on(disk);
  tested.store.grantLease({ id: toLeaseId(7n), ttlSeconds: 5, generation: 1 });
  for (const key of ["a", "b"]) tested.put(key, "v", { lease: 7n });
  await tested.save();
  let reads = 0;
  const get = disk.opened!.get.bind(disk.opened);
  disk.opened!.get = (key) => {
    reads += 1;
    return get(key);
  };
  const recorder = new Recorder(tested, ["a", "z"], { prevKv: true });
  tested.put("a", "w", { lease: 7n });
  tested.endRound();
  runAtOnce(tested.store.revokeLease(toLeaseId(7n)));
  tested.endRound();
  assert.deepEqual(recorder.batches, ["rev 4: PUT a=w 4 was v", "rev 5: DELETE a 5 was w, DELETE b 5 was v"]);
  assert.equal(reads, 0);
});

test("events flushed to disk while history is read are delivered once", async () => {
  const disk = new HaltingDisk(await memoryDisk());
  await using tested = await TestStore.on(disk);
  tested.put("k", "2");
  await tested.save();
  tested.put("k", "3");
  tested.store.endRound(roundState("to be flushed"));
  tested.put("k", "4");
  disk.arm();
  const recorder = new Recorder(tested, ["k"], { startRevision: 1 });
  await disk.halted;
  await tested.store.flush();
  tested.put("k", "5");
  disk.letGo();
  await recorder.waitUntilLive();
  tested.put("k", "6");
  tested.endRound();
  const events = recorder.encoded.map((event) => showEvent(Event.decode(event)));
  assert.deepEqual(events, ["PUT k=2 2", "PUT k=3 3", "PUT k=4 4", "PUT k=5 5", "PUT k=6 6"]);
});

test("a compaction during a read of history lets the read part be sent, then ends the watch with CompactedError", async () => {
  const disk = new HaltingDisk(await memoryDisk());
  await using tested = await TestStore.on(disk, { revisionsPerWatchBatch: 2 });
  for (const value of ["2", "3", "4", "5", "6"]) tested.put("k", value);
  await tested.save();
  disk.arm();
  const recorder = new Recorder(tested, ["k"], { startRevision: 2, prevKv: true });
  await disk.halted;
  const { whenFinished } = tested.store.compact(6);
  tested.store.endRound(roundState("compacted"));
  await whenFinished;
  disk.letGo();
  await recorder.waitUntil(() => recorder.compacted !== undefined);
  assert.deepEqual(recorder.batches, ["rev 6: PUT k=2 2, PUT k=3 3"]);
  assert.equal(recorder.compacted, 6);
});

test("a store that closes during a read of history waits for it, and sends no more events", async () => {
  const disk = new HaltingDisk(await memoryDisk());
  await using tested = await TestStore.on(disk);
  tested.put("k", "2");
  await tested.save();
  disk.arm();
  const recorder = new Recorder(tested, ["k"], { startRevision: 1 });
  await disk.halted;
  const closed = tested.store.close();
  disk.letGo();
  await closed;
  assert.deepEqual(recorder.batches, []);
});
