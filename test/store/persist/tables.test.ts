// Rows that the store keeps for the applier: durable with the round that changed them, part of snapshots, checked at start.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DamagedError, type Batch, type KvStore, type RowList, type TableRow } from "../../../store/index.js";
import { formatRow, tableRowCountRow } from "../../../store/disk/meta.js";
import { encodeRow, tableRowKey } from "../../../store/disk/rows.js";
import { StoreVersionError } from "../../../store/index.js";
import { bytes, disks, memoryDisk, roundState, TestStore, text } from "../harness.js";

const rowsOf = (store: KvStore, table: string): string[] =>
  Array.from(store.table(table), ([key, row]) => `${key}=${text(row)}`).sort();

const markerOf = (store: KvStore): string => text(store.marker ?? bytes("none"));

for (const { name, create } of disks)
  describe(`tables ${name}`, () => {
    test("rows are read once they are written, and after a restart", async () => {
      await using tested = await TestStore.on(await create());
      await tested.save("marker", [
        ["users", "root", "admin"],
        ["users", "guest", "reader"],
        ["roles", "\0\xff", ""],
      ]);
      for (const { store } of [tested, await reopen(tested)]) {
        assert.deepEqual(rowsOf(store, "users"), ["guest=reader", "root=admin"]);
        assert.deepEqual(rowsOf(store, "roles"), ["\0\xff="]);
        assert.deepEqual(rowsOf(store, "others"), []);
      }
    });

    test("a row and the marker of its round survive a crash together, or neither", async () => {
      await using tested = await TestStore.on(await create());
      tested.put("k", "1");
      await tested.save("one", [["users", "a", "1"]]);
      tested.endRound("two", [
        ["users", "a", "2"],
        ["users", "b", "2"],
      ]);
      await tested.crash();
      assert.deepEqual([rowsOf(tested.store, "users"), markerOf(tested.store)], [["a=1"], "one"]);
      await tested.save("three", [["users", "b", "3"]]);
      await tested.crash();
      assert.deepEqual([rowsOf(tested.store, "users"), markerOf(tested.store)], [["b=3"], "three"]);
    });

    test("only the state of the last round is encoded and written", async () => {
      await using tested = await TestStore.on(await create());
      const encoded: string[] = [];
      for (let round = 1; round <= 100; round++) {
        const state = roundState(String(round), [["users", round === 99 ? "b" : "a", String(round)]]);
        tested.store.endRound({
          marker: () => (encoded.push(`marker ${round}`), state.marker()),
          rowLists: () => (encoded.push(`rows ${round}`), state.rowLists()),
        });
      }
      assert.deepEqual(encoded, []);
      await tested.store.flush();
      assert.deepEqual(encoded.sort(), ["marker 100", "rows 100"]);
      await tested.crash();
      assert.deepEqual([rowsOf(tested.store, "users"), markerOf(tested.store)], [["a=100"], "100"]);
    });

    test("a list that is the same as in the round before is not read again, and its rows stay", async () => {
      await using tested = await TestStore.on(await create());
      let reads = 0;
      const row = (table: string, key: string, content: string): TableRow => ({
        table,
        key,
        get row() {
          reads += 1;
          return bytes(content);
        },
      });
      const users = [row("users", "a", "1"), row("users", "b", "1")];
      const endRound = async (marker: string, ...lists: readonly RowList[]): Promise<void> => {
        tested.store.endRound({ marker: () => bytes(marker), rowLists: () => lists });
        await tested.store.flush();
      };
      await endRound("one", users, [row("roles", "r", "1")]);
      reads = 0;
      await endRound("two", users, []);
      assert.equal(reads, 0);
      await endRound("three", users, [row("roles", "s", "3")]);
      await tested.crash();
      assert.deepEqual(rowsOf(tested.store, "users"), ["a=1", "b=1"]);
      assert.deepEqual(rowsOf(tested.store, "roles"), ["s=3"]);
      await endRound("four", [row("users", "b", "4")], []); // the first round after a start names no earlier list
      await tested.crash();
      assert.deepEqual([rowsOf(tested.store, "users"), rowsOf(tested.store, "roles")], [["b=4"], []]);
    });

    test("a batch has the state of its own last round, not that of later rounds", async () => {
      await using tested = await TestStore.on(await create(), { changesPerSlice: 2 });
      tested.put("k", "1");
      tested.endRound("one", [["users", "a", "1"]]);
      const first = tested.store.flush();
      for (const key of ["k", "l", "m"]) tested.put(key, "2"); // takes more than one slice
      tested.endRound("two", [
        ["users", "a", "2"],
        ["users", "b", "2"],
      ]);
      await first;
      const snapshot = tested.store.snapshot();
      assert.equal(text(snapshot.marker), "one");
      const written = await snapshot.next(1_000_000);
      const b = tableRowKey({ table: "users", key: "b" });
      assert.equal(
        written.some(([rowKey]) => Buffer.compare(rowKey, b) === 0),
        false,
      );
      await snapshot.close();
      await tested.store.flush();
      await tested.crash();
      assert.deepEqual([rowsOf(tested.store, "users"), markerOf(tested.store)], [["a=2", "b=2"], "two"]);
    });

    test("a snapshot contains the rows, and they replace the former ones", async () => {
      await using from = await TestStore.on(await create());
      await using to = await TestStore.on(await create());
      from.put("k", "v");
      await from.save("marker", [["users", "theirs", "x"]]);
      await to.save("marker", [["users", "ours", "y"]]);
      const { whenReplaced } = await to.install(from.store, await create());
      await whenReplaced;
      assert.deepEqual(rowsOf(to.store, "users"), ["theirs=x"]);
      await to.save("marker", [
        ["users", "theirs", "x"],
        ["users", "more", "z"],
      ]);
      await to.reopen();
      assert.deepEqual(rowsOf(to.store, "users"), ["more=z", "theirs=x"]);
    });
  });

const reopen = async (tested: TestStore): Promise<TestStore> => {
  await tested.reopen();
  return tested;
};

test("an unchanged row is not written", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const row = tableRowKey({ table: "users", key: "a" });
  await tested.save("marker", [["users", "a", "1"]]);
  const backend = await tested.disk.open();
  const batch = backend.batch();
  batch.delete(row); // deletes the row without the store, which would write the row again
  await batch.write();
  await tested.save("marker", [["users", "a", "1"]]);
  assert.equal(backend.get(row), undefined);
  await tested.save("marker", [["users", "a", "2"]]);
  assert.notEqual(backend.get(row), undefined);
});

test("hashes and revisions of keys do not depend on tables", async () => {
  await using one = await TestStore.on(await memoryDisk());
  await using other = await TestStore.on(await memoryDisk());
  for (const each of [one, other]) {
    each.put("k", "v");
    await each.save("marker", each === one ? [["users", "a", "1"]] : []);
  }
  assert.deepEqual(await one.store.hashKv(0), await other.store.hashKv(0));
});

test("a row key of a table without a proper name throws", () => {
  for (const name of ["", "a\0b"]) assert.throws(() => tableRowKey({ table: name, key: "k" }), RangeError);
});

test("a store whose tables are damaged is not opened, and the error names the damage", async () => {
  const a = tableRowKey({ table: "users", key: "a" });
  const cases: readonly [string, RegExp, (batch: Batch) => void][] = [
    ["one is missing", /memory: it has 1 rows in tables, expected 2/, (batch) => batch.delete(a)],
    ["the count is wrong", /it has 2 rows in tables, expected 3/, (batch) => tableRowCountRow.put(batch, 3)],
    ["one is altered", /row "tusers\\u0000a" of memory: checksum/, (batch) => batch.put(a, bytes("other"))],
    ["one is cut", /only 2 bytes/, (batch) => batch.put(a, bytes("xx"))],
    [
      "one is of no table",
      /row "tusers" of memory: not the row of a table/,
      (batch) => batch.put(bytes("tusers"), encodeRow(bytes("tusers"), bytes("x"))),
    ],
  ];
  for (const [name, message, change] of cases) {
    const tested = await TestStore.on(await memoryDisk());
    await tested.save("marker", [
      ["users", "a", "row"],
      ["users", "b", "row"],
    ]);
    await tested.store.close();
    const backend = await tested.disk.open();
    const batch = backend.batch();
    change(batch);
    await batch.write();
    await assert.rejects(tested.open(), (error) => error instanceof DamagedError && message.test(error.message), name);
    await tested.disk.dispose();
  }
});

test("a store of a format from before the first release is refused", async () => {
  const tested = await TestStore.on(await memoryDisk());
  await tested.save();
  await tested.store.close();
  const backend = await tested.disk.open();
  const batch = backend.batch();
  formatRow.put(batch, 1);
  await batch.write();
  await assert.rejects(
    tested.open(),
    (error) => error instanceof StoreVersionError && error.message.includes("before the first"),
  );
  await tested.disk.dispose();
});
