// A snapshot of one store, and the store that another member builds from it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ClosedError,
  DamagedError,
  StoreVersionError,
  ReadOnlyError,
  buildStore,
  openMemoryBackend,
  openStore,
  type Backend,
  type Row,
  type View,
} from "../../../store/index.js";
import { formatRow, changeCountRow } from "../../../store/disk/meta.js";
import { changeRowKey } from "../../../store/disk/rows.js";
import { SlowDisk } from "../disk/faulty-disks.js";
import {
  ManualClock,
  roundState,
  TestStore,
  bytes,
  copyOf,
  disks,
  memoryDisk,
  put,
  text,
  type TestDisk,
} from "../harness.js";
import { toLeaseId } from "../../../testing/ids.js";

const bytesOf = (rows: readonly Row[]): number =>
  rows.reduce((sum, [key, value]) => sum + key.length + value.length, 0);

async function allOf(store: TestStore["store"], maxBytes = 1_000): Promise<Row[]> {
  const snapshot = store.snapshot();
  const all: Row[] = [];
  for (let rows = await snapshot.next(maxBytes); rows.length > 0; rows = await snapshot.next(maxBytes))
    all.push(...rows);
  await snapshot.close();
  return all;
}

/** Opens a store on a disk, as a restart does. */
const openStoreOn = async (disk: TestDisk): Promise<TestStore> => TestStore.on(disk);

for (const { name, create } of disks) {
  describe(`on ${name}`, () => {
    test("a store built from a snapshot has the same rows as on disk, byte for byte", async () => {
      await using original = await TestStore.on(await create());
      original.store.grantLease({ id: toLeaseId(7n), ttlSeconds: 60, generation: 3 });
      for (let n = 0; n < 50; n++) original.put(`key ${n}`, `value ${n}`, { lease: n % 2 === 0 ? 7n : 0n });
      original.delete("key 3");
      await original.save("saved");
      original.put("not on disk", "yet");
      const disk = await create();
      const backend = await copyOf(original.store, await disk.open());
      await backend.close();
      await using copy = await openStoreOn(disk);
      assert.equal(text(copy.store.marker!), "saved");
      assert.equal(copy.store.revision, 52);
      assert.deepEqual(
        Array.from(copy.store.leases(), ({ id, generation }) => [id, generation]),
        [[7n, 3]],
      );
      assert.equal(copy.store.leaseKeyCount(toLeaseId(7n)), 25);
      assert.deepEqual(await copy.store.hashKv(0), await original.store.hashKv(52));
      assert.deepEqual(await allOf(copy.store), await allOf(original.store));
    });

    test("a snapshot contains no later writes, and all rows that a compaction removes meanwhile", async () => {
      await using original = await TestStore.on(await create(), { removalsPerBatch: 1 });
      for (let n = 0; n < 30; n++) original.put(`key ${n % 3}`, `${n}`.padEnd(100));
      await original.save("31");
      const snapshot = original.store.snapshot();
      const rows: Row[] = [...(await snapshot.next(500))];
      const { whenFinished } = original.store.compact(20);
      original.put("key 0", "later");
      await original.save("32");
      await whenFinished;
      for (let some = await snapshot.next(500); some.length > 0; some = await snapshot.next(500)) {
        rows.push(...some);
        original.put("key 1", "later still");
        await original.save("33");
      }
      await snapshot.close();
      const disk = await create();
      const builder = await buildStore({ backend: await disk.open(), clock: new ManualClock() });
      await builder.add(rows);
      const { revision, marker } = await builder.finishStore();
      assert.deepEqual([revision, text(marker), text(snapshot.marker)], [31, "31", "31"]);
      await disk.crash();
      await using copy = await openStoreOn(disk);
      assert.equal(copy.store.compactRevision, -1);
      assert.deepEqual((await copy.range("key 0", { revision: 2 })).kvs, [`key 0=${"0".padEnd(100)} c2 m2 v1`]);
    });

    test("rows and marker are of the same instant, whenever a batch arrives", async () => {
      await using original = await TestStore.on(await create(), { blockBytes: 0 });
      const flushes: Promise<void>[] = [];
      for (let n = 2; n < 150; n++) {
        original.put("key", `${n}`);
        original.store.endRound(roundState(`${n}`));
        flushes.push(original.store.flush());
        if (n === 2) await flushes[0];
        const snapshot = original.store.snapshot();
        const rows = await snapshot.next(1_000_000);
        const changes = rows.filter(([key]) => key[0] === 0x6b).length;
        assert.equal(text(snapshot.marker), `${changes + 1}`);
        await snapshot.close();
      }
      await Promise.all(flushes);
    });

    test("a slice of a snapshot exceeds the requested bytes by one row at most, and is never empty before the end", async () => {
      await using original = await TestStore.on(await create());
      const sizes = [1, 10_000, 5, 300_000, 1, 1, 70_000, 2_000];
      for (const size of sizes) original.put(`key ${size}`, "x".repeat(size));
      await original.save();
      const expected = await allOf(original.store);
      for (const maxBytes of [0, 1, 100, 5_000, 100_000, 10_000_000]) {
        const snapshot = original.store.snapshot();
        const all: Row[] = [];
        for (let rows = await snapshot.next(maxBytes); rows.length > 0; rows = await snapshot.next(maxBytes)) {
          assert.ok(bytesOf(rows.slice(0, -1)) < Math.max(1, maxBytes), `${maxBytes} bytes and one row`);
          all.push(...rows);
        }
        assert.deepEqual(await snapshot.next(maxBytes), []);
        assert.deepEqual(all, expected);
        await snapshot.close();
      }
    });

    test("a snapshot ends when the store is closed, and may be closed again", async () => {
      await using original = await TestStore.on(await create());
      for (let n = 0; n < 10; n++) original.put("key", `${n}`);
      await original.save();
      const [first, second] = [original.store.snapshot(), original.store.snapshot()];
      await first.next(1);
      const reading = second
        .next(1_000_000)
        .catch((error: unknown) => assert.ok(error instanceof ClosedError, String(error)));
      await original.store.close();
      await reading;
      await assert.rejects(first.next(1), ClosedError);
      await assert.rejects(second.next(1), ClosedError);
      await first.close();
      await first.close();
      assert.throws(() => original.store.snapshot(), ClosedError);
    });
  });
}

test("a snapshot that begins while a batch becomes visible has the whole batch or none of it", async () => {
  const inner = await openMemoryBackend();
  let isViewed = false;
  const backend: Backend = {
    name: inner.name,
    get: (key) => (isViewed ? assert.fail("read beside the view") : inner.get(key)),
    iterate: (from, to) => (isViewed ? assert.fail("read beside the view") : inner.iterate(from, to)),
    view: () => {
      isViewed = true;
      return inner.view();
    },
    batch: () => inner.batch(),
    size: () => inner.size(),
    close: () => inner.close(),
  };
  const store = await openStore({ backend, clock: new ManualClock(), onFailure: () => undefined });
  store.put(put("key", "value"));
  store.endRound(roundState("2"));
  await store.flush();
  assert.equal((await allOf(store)).length, 4, "format, count, state and a change");
  await store.close();
});

test("a snapshot whose iterator cannot be closed still releases its view", async () => {
  const inner = await openMemoryBackend();
  let [opened, closed] = [0, 0];
  const view = (): View => {
    opened += 1;
    const rows = inner.view();
    return {
      name: rows.name,
      get: (key) => rows.get(key),
      iterate: (...range) => ({ ...rows.iterate(...range), close: () => Promise.reject(new Error("EIO")) }),
      close: () => Promise.resolve(void (closed += 1)),
    };
  };
  const backend: Backend = {
    name: inner.name,
    get: (key) => inner.get(key),
    iterate: (from, to) => inner.iterate(from, to),
    view,
    batch: () => inner.batch(),
    size: () => inner.size(),
    close: () => inner.close(),
  };
  const store = await openStore({ backend, clock: new ManualClock(), onFailure: () => undefined });
  store.endRound(roundState("1"));
  await store.flush();
  await assert.rejects(store.snapshot().close(), /EIO/);
  assert.deepEqual([opened, closed], [1, 1]);
  await store.close();
});

test("a store without a marker gives no snapshot", async () => {
  await using fresh = await TestStore.on(await memoryDisk());
  fresh.put("key", "value");
  assert.throws(() => fresh.store.snapshot(), /Cannot take a snapshot of memory: it has no round yet/);

  const disk = new SlowDisk(await openMemoryBackend());
  const opening = openStore({ backend: disk.backend, clock: new ManualClock(), onFailure: () => undefined });
  await (await disk.whenWritten()).finish(); // the format row
  const store = await opening;
  store.put(put("key", "value"));
  store.endRound(roundState("marker"));
  const flushed = store.flush();
  disk.next().fail(new Error("EIO"));
  await assert.rejects(flushed, ReadOnlyError);
  assert.throws(() => store.snapshot(), ReadOnlyError);
  await store.close();
});

/** Returns the rows of a store with three keys, one of which has a lease. */
async function rowsOfThreeKeys(): Promise<Row[]> {
  await using original = await TestStore.on(await memoryDisk(), { blockBytes: 0 });
  original.store.grantLease({ id: toLeaseId(7n), ttlSeconds: 60, generation: 1 });
  for (const key of ["a", "b", "c"]) original.put(key, "value", { lease: key === "a" ? 7n : 0n });
  await original.save();
  return await allOf(original.store);
}

async function buildFrom(rows: readonly Row[], change?: (backend: Backend) => Promise<void>): Promise<void> {
  const backend = await openMemoryBackend();
  try {
    const builder = await buildStore({ backend, clock: new ManualClock() });
    await builder.add(rows);
    await change?.(backend);
    await builder.finishStore();
  } finally {
    await backend.close();
  }
}

test("a store that differs from the sent one is not completed, and the error names the difference", async () => {
  const rows = await rowsOfThreeKeys();
  const rowsWithout = (isMeant: (key: string) => boolean): Row[] => rows.filter(([key]) => !isMeant(text(key)));
  const withMeta = (row: typeof changeCountRow, value: number): Row[] => {
    const changed = new Map(rows.map(([key, held]) => [text(key), [key, held] as const]));
    const put = (key: Uint8Array, held: Uint8Array): unknown => changed.set(text(key), [key, held]);
    row.put({ put, delete: () => undefined, write: () => Promise.resolve() }, value);
    return [...changed.values()];
  };
  const third = text(changeRowKey({ main: 3, sub: 0 }));
  const cases: readonly [string, RegExp, Row[]][] = [
    ["a row lost", /row 4_0 of memory: the change after 2_0 is missing/, rowsWithout((key) => key === third)],
    [
      "the end lost",
      /its rows end at revision 3, expected 4/,
      rowsWithout((key) => key.startsWith("k") && key[8] === "\x04"),
    ],
    ["a lease lost", /it has 0 leases, expected 1/, rowsWithout((key) => key.startsWith("l"))],
    ["the marker lost", /memory: its rows end at revision 4, expected 1/, rowsWithout((key) => key === "mstate")],
    ["nothing at all", /memory: its marker is missing/, []],
    [
      "a flipped bit",
      /row 3_0 of memory: checksum/,
      rows.map(([key, value]) => [key, text(key) === third ? value.map((byte, i) => byte ^ (i === 3 ? 8 : 0)) : value]),
    ],
    ["a wrong count", /it has 3 changes, expected 9/, withMeta(changeCountRow, 9)],
  ];
  for (const [name, message, sent] of cases)
    await assert.rejects(
      buildFrom(sent),
      (error) => error instanceof DamagedError && message.test(error.message),
      name,
    );
  await assert.rejects(buildFrom(withMeta(formatRow, 4)), StoreVersionError);
  await buildFrom(rows);
});

test("rows that change on the way to the disk are detected", async () => {
  const rows = await rowsOfThreeKeys();
  await assert.rejects(
    buildFrom(rows, async (backend) => {
      const builder = backend.batch();
      builder.put(changeRowKey({ main: 9, sub: 0 }), rows[0]![1]);
      await builder.write();
    }),
    DamagedError,
  );
});

test("a store is not built in a backend that is not empty", async () => {
  const backend = await openMemoryBackend();
  await using original = await TestStore.on(await memoryDisk());
  await original.save();
  await copyOf(original.store, backend);
  await assert.rejects(buildStore({ backend, clock: new ManualClock() }), /it is not empty/);
  await backend.close();
});

test("rows wait in memory up to a bound, beyond which adding rows waits for the disk", async () => {
  const disk = new SlowDisk(await openMemoryBackend());
  const builder = await buildStore({ backend: disk.backend, clock: new ManualClock() });
  const half: Row = [bytes("k1"), new Uint8Array(512 * 1024)];
  await builder.add([half]);
  assert.equal(disk.writes.length, 0);
  let isAdded = false;
  const adding = builder.add([half, half, half, half]).then(() => (isAdded = true));
  for (const expected of [2, 2]) {
    const write = await disk.whenWritten();
    assert.equal(isAdded, false);
    assert.equal(write.keys.length, expected);
    await write.finish();
  }
  await adding;
  assert.equal(disk.writes.length, 0, "one row is still to be written");
  await disk.inner.close();
});
