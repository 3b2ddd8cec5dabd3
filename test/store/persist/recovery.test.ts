import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  DamagedError,
  runAtOnce,
  StoreVersionError,
  openDiskBackend,
  openStore,
  type Batch,
} from "../../../store/index.js";
import { formatRow, changeCountRow } from "../../../store/disk/meta.js";
import { BlockDraft } from "../../../store/disk/change-block.js";
import { changeRowKey, removedRowKey } from "../../../store/disk/rows.js";
import { ManualClock, roundState, TestStore, bytes, memoryDisk, put, range, text, type TestDisk } from "../harness.js";

/** Changes the rows on a disk without the store. */
async function tamper(disk: TestDisk, change: (batch: Batch, row: Uint8Array) => void): Promise<void> {
  const backend = await disk.open();
  const batch = backend.batch();
  change(batch, Uint8Array.from(backend.get(changeRowKey({ main: 3, sub: 0 })) ?? []));
  await batch.write();
  await backend.close();
}

/** Opens a store with three puts of revisions 2, 3 and 4, each in a row of its own, and closes it. */
async function storeWithThreePuts(): Promise<TestStore> {
  const tested = await TestStore.on(await memoryDisk(), { cacheBytes: 0, blockBytes: 0 });
  for (const key of ["a", "b", "c"]) tested.put(key, "value");
  await tested.save();
  await tested.store.close();
  return tested;
}

test("a store on disk that is damaged is not opened, and the error names the place", async () => {
  const cases: readonly [string, RegExp, (batch: Batch, row: Uint8Array) => void][] = [
    [
      "a flipped bit",
      /row 3_0 of memory: checksum/,
      (batch, row) => batch.put(changeRowKey({ main: 3, sub: 0 }), flip(row)),
    ],
    ["a moved row", /row 5_0 of memory: checksum/, (batch, row) => batch.put(changeRowKey({ main: 5, sub: 0 }), row)],
    [
      "a missing row",
      /row 4_0 of memory: the change after 2_0 is missing/,
      (batch) => batch.delete(changeRowKey({ main: 3, sub: 0 })),
    ],
    [
      "a missing end",
      /memory: its rows end at revision 3, expected 4/,
      (batch) => batch.delete(changeRowKey({ main: 4, sub: 0 })),
    ],
    ["a wrong count", /memory: it has 3 changes, expected 4/, (batch) => changeCountRow.put(batch, 4)],
    [
      "a cut row",
      /row 3_0 of memory: it has only 2 bytes/,
      (batch) => batch.put(changeRowKey({ main: 3, sub: 0 }), bytes("xx")),
    ],
    ["a strange row", /"k\?" of memory/, (batch) => batch.put(bytes("k?"), bytes("xxxx"))],
    [
      "a damaged marker",
      /row "mstate" of memory: checksum/,
      (batch) => batch.put(bytes("mstate"), bytes("12345678901234")),
    ],
    ["no format", /memory: it has rows, but no row with its format version/, (batch) => batch.delete(bytes("mformat"))],
  ];
  for (const [name, message, change] of cases) {
    const tested = await storeWithThreePuts();
    await tamper(tested.disk, change);
    await assert.rejects(tested.open(), (error) => error instanceof DamagedError && message.test(error.message), name);
    await tested.disk.dispose();
  }
});

test("a store that lost a row below the compact revision is refused as well", async () => {
  await using tested = await TestStore.on(await memoryDisk(), { blockBytes: 0 });
  for (const key of ["a", "b", "c"]) tested.put(key, "value");
  const { whenFinished } = tested.store.compact(4);
  await tested.save();
  await whenFinished;
  await tested.store.close();
  await tamper(tested.disk, (batch) => batch.delete(changeRowKey({ main: 3, sub: 0 })));
  await assert.rejects(tested.open(), /it has 2 changes, expected 3/);
});

test("damage in a block, or in its list of removals, is reported with the block's first change", async () => {
  const [block, removals] = [changeRowKey({ main: 2, sub: 0 }), removedRowKey({ main: 2, sub: 0 })];
  const cases: readonly [string, RegExp, (batch: Batch, row: Uint8Array) => void][] = [
    ["a flipped bit", /row 2_0 of memory: checksum/, (batch, row) => batch.put(block, flip(row))],
    ["a lost block", /removals from row 2_0 of memory: there is no such row/, (batch) => batch.delete(block)],
    ["lost removals", /memory: it has 8 changes, expected 7/, (batch) => batch.delete(removals)],
    [
      "damaged removals",
      /removals from row 2_0 of memory: it has only 2 bytes/,
      (batch) => batch.put(removals, bytes("xx")),
    ],
    [
      "removals of nothing",
      /row 2_0 of memory: the change 2_7 is missing, which was removed from it/,
      (batch) => {
        const draft = new BlockDraft(100);
        draft.beginAt({ main: 2, sub: 0 });
        draft.add({ main: 2, sub: 7, tombstone: false }, bytes(""));
        batch.put(removals, draft.seal(removedRowKey).row);
      },
    ],
  ];
  for (const [name, message, change] of cases) {
    const tested = await TestStore.on(await memoryDisk());
    for (const key of ["a", "a", "b", "c", "d", "e", "f", "g"]) tested.put(key, "value");
    const { whenFinished } = tested.store.compact(3);
    await tested.save();
    await whenFinished;
    await tested.store.close();
    const backend = await tested.disk.open();
    const batch = backend.batch();
    change(batch, Uint8Array.from(backend.get(block) ?? []));
    await batch.write();
    await assert.rejects(tested.open(), (error) => error instanceof DamagedError && message.test(error.message), name);
    await tested.disk.dispose();
  }
});

test("a store of a newer version is refused and left alone", async () => {
  const tested = await storeWithThreePuts();
  await tamper(tested.disk, (batch) => formatRow.put(batch, 4));
  await assert.rejects(tested.open(), StoreVersionError);
  await tested.disk.dispose();
});

test("damage that happens while the store is open is detected by the next read of the row", async () => {
  const tested = await storeWithThreePuts();
  await tested.open();
  await tamper(tested.disk, (batch, row) => batch.put(changeRowKey({ main: 3, sub: 0 }), flip(row)));
  assert.throws(() => tested.store.range(range("b")), /row 3_0 of memory/);
  assert.throws(() => tested.store.put(put("b", "", { ignoreValue: true })), DamagedError);
  assert.equal(tested.store.revision, 4);
  await assert.rejects(tested.store.hashKv(0), DamagedError);
  assert.deepEqual((await tested.range("c")).kvs, ["c=value c4 m4 v1"]);
  await tamper(tested.disk, (batch) => batch.delete(changeRowKey({ main: 3, sub: 0 })));
  assert.throws(() => tested.store.range(range("b")), /row 3_0 of memory: the row is missing/);
  await tested[Symbol.asyncDispose]();
});

const flip = (row: Uint8Array): Uint8Array => row.map((byte, i) => (i === 5 ? byte ^ 1 : byte));

test("a flipped bit in LevelDB's log is refused, or costs whole rounds at the end with their marker", async () => {
  const directory = await mkdtemp(join(tmpdir(), "minietcd-store-"));
  const original = join(directory, "original");
  const copy = join(directory, "copy");
  const options = { clock: new ManualClock(), onFailure: (error: Error) => assert.ifError(error) };
  const store = await openStore({ ...options, backend: await openDiskBackend(original) });
  for (let round = 1; round <= 5; round++) {
    store.put(put(`key ${round}`, "x".repeat(10_000))); // LevelDB drops damaged parts of its log in blocks of 32 KiB
    store.endRound(roundState(String(round)));
    await store.flush();
  }
  await store.close();
  const log = (await readdir(original)).find((name) => name.endsWith(".log"));
  assert.ok(log !== undefined);
  const whole = await readFile(join(original, log));
  const outcomes = { refused: 0, shortened: 0 };
  for (let at = 0; at < whole.length; at += 1_499) {
    await rm(copy, { recursive: true, force: true });
    await cp(original, copy, { recursive: true });
    await writeFile(
      join(copy, log),
      whole.map((byte, i) => (i === at ? byte ^ 0x10 : byte)),
    );
    try {
      const reopened = await openStore({ ...options, backend: await openDiskBackend(copy) });
      const rounds = Number(reopened.marker === undefined ? 0 : text(reopened.marker));
      assert.equal(reopened.revision, 1 + rounds);
      assert.equal(runAtOnce(reopened.txn({ compare: [], success: [], failure: [] })).revision, 1 + rounds);
      outcomes.shortened += 1;
      await reopened.close();
    } catch (error) {
      assert.ok(error instanceof DamagedError, String(error));
      outcomes.refused += 1;
    }
  }
  assert.ok(outcomes.refused > 0 && outcomes.shortened > 0, JSON.stringify(outcomes));
  await rm(directory, { recursive: true });
});
