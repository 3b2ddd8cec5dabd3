// Leases in the store: attached keys, revocations, and restarts.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Event } from "../../../proto/index.js";
import {
  DamagedError,
  KeyNotFoundError,
  LeaseExistsError,
  LeaseNotFoundError,
  type Batch,
  type KvStore,
  runAtOnce,
  type WatchReceiver,
} from "../../../store/index.js";
import { leaseRowKey } from "../../../store/persist/lease-rows.js";
import { leaseCountRow } from "../../../store/disk/meta.js";
import { bytes, disks, memoryDisk, op, put, roundState, TestStore, text, txn } from "../harness.js";
import { toLeaseId } from "../../../testing/ids.js";

const grant = (store: KvStore, id: bigint, { ttlSeconds = 10, generation = 1 } = {}): void =>
  void store.grantLease({ id: toLeaseId(id), ttlSeconds, generation });
const keysOf = (store: KvStore, id: bigint): Promise<readonly string[]> => store.leaseKeys(toLeaseId(id));

test("a key is attached to the lease of its last put, and to no other", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const { store } = tested;
  grant(store, 1n);
  grant(store, -2n);
  const steps: readonly [name: string, step: () => void, first: string[], second: string[]][] = [
    ["a put attaches", () => tested.put("k", "v", { lease: 1n }), ["k"], []],
    ["another key too", () => tested.put("a", "v", { lease: 1n }), ["a", "k"], []],
    ["a put with another lease moves", () => tested.put("k", "v", { lease: -2n }), ["a"], ["k"]],
    ["ignore_lease keeps it", () => tested.put("k", "w", { ignoreLease: true }), ["a"], ["k"]],
    ["ignore_value does not", () => tested.put("k", "", { ignoreValue: true, lease: 1n }), ["a", "k"], []],
    ["a put without a lease detaches", () => tested.put("k", "v"), ["a"], []],
    ["a delete detaches", () => tested.delete("a"), [], []],
    ["a transaction's last put counts", () => runAtOnce(store.txn(moves)), ["x"], ["y"]],
  ];
  const moves = txn(
    [],
    [
      op.put("x", "1", { lease: 1n }),
      op.put("y", "1", { lease: 1n }),
      op.txn(txn([], [op.put("y", "2", { lease: -2n })])),
    ],
  );
  for (const [name, step, first, second] of steps) {
    step();
    assert.deepEqual([await keysOf(store, 1n), await keysOf(store, -2n)], [first, second], name);
    assert.deepEqual(
      [store.leaseKeyCount(toLeaseId(1n)), store.leaseKeyCount(toLeaseId(-2n))],
      [first.length, second.length],
      name,
    );
  }
});

test("a revoke deletes the keys in ascending order, all in one revision", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const { store } = tested;
  grant(store, 1n);
  for (const key of ["b", "\xff", "a\0", "a", "c"]) tested.put(key, "v", { lease: 1n });
  tested.put("stays", "v");
  const before = store.revision;
  const received: string[] = [];
  const receiver: WatchReceiver = {
    onChanged: (_tags, _from, _to, { events }) => {
      for (const event of events) received.push(text(Event.decode(event).kv?.key ?? bytes("none")));
      return 1;
    },
    onCompacted: () => assert.fail("nothing was compacted"),
    onFailed: (_tag, error) => assert.fail(String(error)),
  };
  const all = { key: bytes("\0"), rangeEnd: bytes("\0"), startRevision: 0, prevKv: false, puts: true, deletes: true };
  store.watch(all, receiver, undefined);
  assert.equal(runAtOnce(store.revokeLease(toLeaseId(1n))), before + 1);
  tested.endRound();
  assert.deepEqual(received, ["a", "a\0", "b", "c", "\xff"]);
  assert.equal(store.lease(toLeaseId(1n)), undefined);
  assert.deepEqual(
    (await tested.range("\0", { rangeEnd: "\0" })).kvs.map((kv) => kv.split("=")[0]),
    ["stays"],
  );
});

test("granting and revoking a lease without keys takes no revision", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const { store } = tested;
  const { revision } = store;
  assert.equal(store.grantLease({ id: toLeaseId(1n), ttlSeconds: 5, generation: 3 }), revision);
  assert.deepEqual(
    { ...store.lease(toLeaseId(1n)), keys: undefined },
    { id: 1n, ttlSeconds: 5, generation: 3, remainingSeconds: undefined, keys: undefined },
  );
  assert.equal(store.firstAttachedKey(toLeaseId(1n), ""), undefined);
  assert.equal(runAtOnce(store.revokeLease(toLeaseId(1n))), revision);
  assert.equal(store.revision, revision);
});

test("a refused operation changes nothing", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const { store } = tested;
  grant(store, 1n);
  tested.put("a", "v", { lease: 1n });
  const { revision } = store;
  const late = txn([], [op.put("a", "w"), op.put("b", "w", { lease: 1n }), op.put("c", "w", { ignoreValue: true })]);
  const cases: readonly [name: string, attempt: () => unknown, error: unknown][] = [
    ["grant an id that is taken", () => grant(store, 1n), LeaseExistsError],
    ["revoke one that is not there", () => runAtOnce(store.revokeLease(toLeaseId(2n))), LeaseNotFoundError],
    ["revoke none", () => runAtOnce(store.revokeLease(toLeaseId(0n))), LeaseNotFoundError],
    ["put with one that is not there", () => store.put(put("a", "w", { lease: 2n })), LeaseNotFoundError],
    [
      "the same in a transaction",
      () => runAtOnce(store.txn(txn([], [op.put("a", "w"), op.put("b", "w", { lease: 2n })]))),
      LeaseNotFoundError,
    ],
    ["a transaction that fails late", () => runAtOnce(store.txn(late)), KeyNotFoundError],
  ];
  for (const [name, attempt, error] of cases) {
    assert.throws(attempt, error as new () => Error, name);
    assert.deepEqual([store.revision, await keysOf(store, 1n)], [revision, ["a"]], name);
  }
});

test("a failed transaction also reverts the leases that it attached and moved", async () => {
  // The value of `k` is not in memory and damaged on disk, so the transaction fails in the middle.
  await using tested = await TestStore.on(await memoryDisk(), { cacheBytes: 0 });
  grant(tested.store, 1n);
  grant(tested.store, 2n);
  tested.put("a", "v", { lease: 1n });
  tested.put("gone", "v", { lease: 1n });
  tested.put("k", "v");
  await tested.save();
  const backend = await tested.disk.open();
  const batch = backend.batch();
  for await (const row of rowsOf(tested)) batch.put(row, bytes("damaged"));
  await batch.write();
  const request = txn(
    [],
    [
      op.put("a", "w", { lease: 2n }),
      op.delete("gone"),
      op.put("new", "v", { lease: 2n }),
      op.put("k", "", { ignoreValue: true }),
    ],
  );
  assert.throws(() => runAtOnce(tested.store.txn(request)), DamagedError);
  assert.deepEqual([await keysOf(tested.store, 1n), await keysOf(tested.store, 2n)], [["a", "gone"], []]);
});

/** The rows of changes on disk. */
async function* rowsOf(tested: TestStore): AsyncGenerator<Uint8Array> {
  const rows = (await tested.disk.open()).iterate(bytes("k"), bytes("l"));
  for (const [key] of await rows.next(100)) yield key;
  await rows.close();
}

test("leases that wait for the disk count: beyond the bound the store is full until they are written", async () => {
  await using tested = await TestStore.on(await memoryDisk(), { unflushedBytes: 1_000 });
  for (let id = 1n; !tested.store.isFull; id++) {
    assert.ok(id < 100n);
    grant(tested.store, id);
  }
  await tested.save();
  assert.equal(tested.store.isFull, false);
});

for (const { name, create } of disks)
  describe(`after a restart (${name})`, () => {
    test("leases and their keys are restored", async () => {
      await using tested = await TestStore.on(await create());
      grant(tested.store, 2n ** 63n - 1n, { ttlSeconds: 9_000_000_000, generation: 2 ** 40 });
      grant(tested.store, -(2n ** 63n), { ttlSeconds: 2, generation: 7 });
      grant(tested.store, 5n);
      tested.put("moved", "v", { lease: 5n });
      tested.put("moved", "w", { lease: -(2n ** 63n) });
      tested.put("again", "v", { lease: 5n });
      tested.delete("again");
      tested.put("again", "v", { lease: 2n ** 63n - 1n });
      tested.put("detached", "v", { lease: 5n });
      tested.put("detached", "w");
      await tested.save();
      runAtOnce(tested.store.revokeLease(toLeaseId(5n)));
      await tested.save();
      await tested.reopen();
      const { store } = tested;
      const shown = await Promise.all(
        Array.from(store.leases(), async ({ id, ttlSeconds, generation }) => [
          id,
          ttlSeconds,
          generation,
          await keysOf(store, id),
        ]),
      );
      assert.deepEqual(
        shown.sort(([, a], [, b]) => Number(a) - Number(b)),
        [
          [-(2n ** 63n), 2, 7, ["moved"]],
          [2n ** 63n - 1n, 9_000_000_000, 2 ** 40, ["again"]],
        ],
      );
    });

    test("a round is restored with its leases, or not at all", async () => {
      await using tested = await TestStore.on(await create());
      grant(tested.store, 1n);
      tested.put("a", "v", { lease: 1n });
      await tested.save("first");
      grant(tested.store, 2n);
      tested.put("b", "v", { lease: 2n });
      runAtOnce(tested.store.revokeLease(toLeaseId(1n)));
      tested.store.endRound(roundState("second")); // not yet on disk
      await tested.crash();
      assert.equal(text(tested.store.marker ?? bytes("none")), "first");
      assert.deepEqual(
        Array.from(tested.store.leases(), ({ id }) => id),
        [1n],
      );
      assert.deepEqual(await keysOf(tested.store, 1n), ["a"]);
    });

    test("a lease keeps its key if a compaction has left only the key's last put", async () => {
      await using tested = await TestStore.on(await create());
      grant(tested.store, 1n);
      tested.put("k", "1");
      tested.put("k", "2", { lease: 1n });
      const { whenFinished } = tested.store.compact(tested.store.revision);
      await tested.save();
      await whenFinished;
      await tested.reopen();
      assert.deepEqual(await keysOf(tested.store, 1n), ["k"]);
    });
  });

test("a store whose leases are damaged is not opened, and the error names the damage", async () => {
  const cases: readonly [string, RegExp, (batch: Batch) => void][] = [
    ["one is missing", /memory: it has 1 leases, expected 2/, (batch) => batch.delete(leaseRowKey(toLeaseId(2n)))],
    [
      "one is missing that a key has",
      /memory: key "k" has lease 1, which is missing/,
      (batch) => {
        batch.delete(leaseRowKey(toLeaseId(1n)));
        leaseCountRow.put(batch, 1);
      },
    ],
    ["one is altered", /memory: checksum/, (batch) => batch.put(leaseRowKey(toLeaseId(1n)), Buffer.alloc(20, 1))],
    ["one is cut", /memory: it has only 3 bytes/, (batch) => batch.put(leaseRowKey(toLeaseId(1n)), Buffer.alloc(3))],
  ];
  for (const [name, message, change] of cases) {
    const tested = await TestStore.on(await memoryDisk());
    grant(tested.store, 1n);
    grant(tested.store, 2n);
    tested.put("k", "v", { lease: 1n });
    await tested.save();
    await tested.store.close();
    const backend = await tested.disk.open();
    const batch = backend.batch();
    change(batch);
    await batch.write();
    await assert.rejects(tested.open(), (error) => error instanceof DamagedError && message.test(error.message), name);
    await tested.disk.dispose();
  }
});
