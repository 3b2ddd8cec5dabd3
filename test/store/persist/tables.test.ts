// Rows that the store keeps for the applier: durable with the round that changed them, part of snapshots, checked at start.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DamagedError, type Batch, type KvStore } from "../../../store/index.js";
import { formatRow, tableRowCountRow } from "../../../store/disk/meta.js";
import { sealedRow, tableRowKey } from "../../../store/disk/rows.js";
import { StoreVersionError } from "../../../store/index.js";
import { bytes, disks, memoryDisk, TestStore, text } from "../harness.js";

const rowsOf = (store: KvStore, table: string): string[] =>
  Array.from(store.table(table), ([key, row]) => `${key}=${text(row)}`).sort();

for (const { name, create } of disks)
  describe(`tables ${name}`, () => {
    test("rows are read at once, and after a restart", async () => {
      await using tested = await TestStore.on(await create());
      tested.store.setRow("users", "root", bytes("admin"));
      tested.store.setRow("users", "guest", bytes("reader"));
      tested.store.setRow("roles", "\0\xff", bytes(""));
      assert.deepEqual(rowsOf(tested.store, "users"), ["guest=reader", "root=admin"]);
      await tested.save();
      await tested.reopen();
      assert.deepEqual(rowsOf(tested.store, "users"), ["guest=reader", "root=admin"]);
      assert.deepEqual(rowsOf(tested.store, "roles"), ["\0\xff="]);
      assert.deepEqual(rowsOf(tested.store, "others"), []);
    });

    test("a row and the marker of its round survive a crash together, or neither", async () => {
      await using tested = await TestStore.on(await create());
      tested.store.setRow("users", "a", bytes("1"));
      tested.put("k", "1");
      await tested.save("one");
      tested.store.setRow("users", "a", bytes("2"));
      tested.store.setRow("users", "b", bytes("2"));
      tested.store.endRound(bytes("two"));
      await tested.crash();
      assert.deepEqual([rowsOf(tested.store, "users"), text(tested.store.marker ?? bytes(""))], [["a=1"], "one"]);
      tested.store.setRow("users", "a", undefined);
      tested.store.setRow("users", "b", bytes("3"));
      await tested.save("three");
      await tested.crash();
      assert.deepEqual([rowsOf(tested.store, "users"), text(tested.store.marker ?? bytes(""))], [["b=3"], "three"]);
    });

    test("a row that many rounds change is written once, with its last content", async () => {
      await using tested = await TestStore.on(await create(), { unflushedBytes: 100_000 });
      for (let round = 1; round <= 1_000; round++) {
        tested.store.setRow("users", "a", Buffer.alloc(100, round));
        if (round === 999) tested.store.setRow("users", "b", bytes("gone again"));
        if (round === 1_000) tested.store.setRow("users", "b", undefined);
        tested.store.endRound(bytes(String(round)));
      }
      assert.equal(tested.store.full, false);
      await tested.store.flush();
      await tested.crash();
      assert.deepEqual([...tested.store.table("users").keys()], ["a"]);
      assert.deepEqual(tested.store.table("users").get("a"), Uint8Array.from(Buffer.alloc(100, 1_000)));
      assert.equal(text(tested.store.marker ?? bytes("")), "1000");
    });

    test("a snapshot contains the rows, and they take the place of those that were there", async () => {
      await using from = await TestStore.on(await create());
      await using to = await TestStore.on(await create());
      from.store.setRow("users", "theirs", bytes("x"));
      from.put("k", "v");
      await from.save();
      to.store.setRow("users", "ours", bytes("y"));
      await to.save();
      const { replaced } = await to.install(from.store, await create());
      await replaced;
      assert.deepEqual(rowsOf(to.store, "users"), ["theirs=x"]);
      to.store.setRow("users", "more", bytes("z"));
      await to.save();
      await to.reopen();
      assert.deepEqual(rowsOf(to.store, "users"), ["more=z", "theirs=x"]);
    });
  });

test("a row that stays as it was is not written", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const row = tableRowKey({ table: "users", key: "a" });
  tested.store.setRow("users", "a", bytes("1"));
  await tested.save();
  const backend = await tested.disk.open();
  const batch = backend.batch();
  batch.delete(row); // behind the store's back: written again, it would be there again
  await batch.write();
  tested.store.setRow("users", "a", bytes("1"));
  tested.store.setRow("users", "none", undefined);
  await tested.save();
  assert.equal(backend.get(row), undefined);
  tested.store.setRow("users", "a", bytes("2"));
  await tested.save();
  assert.notEqual(backend.get(row), undefined);
});

test("hashes and revisions of keys do not depend on tables", async () => {
  await using one = await TestStore.on(await memoryDisk());
  await using other = await TestStore.on(await memoryDisk());
  one.store.setRow("users", "a", bytes("1"));
  for (const each of [one, other]) {
    each.put("k", "v");
    await each.save();
  }
  assert.deepEqual(await one.store.hashKv(0), await other.store.hashKv(0));
});

test("a row key of a table without a proper name throws", () => {
  for (const name of ["", "a\0b"]) assert.throws(() => tableRowKey({ table: name, key: "k" }), RangeError);
});

test("a store whose tables are damaged is not opened, and the message says what is wrong", async () => {
  const a = tableRowKey({ table: "users", key: "a" });
  const cases: readonly [string, RegExp, (batch: Batch) => void][] = [
    ["one is missing", /memory: it has 1 rows in tables, should have 2/, (batch) => batch.delete(a)],
    ["the count is wrong", /it has 2 rows in tables, should have 3/, (batch) => tableRowCountRow.put(batch, 3)],
    ["one is altered", /row "tusers\\u0000a" of memory: checksum/, (batch) => batch.put(a, bytes("other"))],
    ["one is cut", /only 2 bytes/, (batch) => batch.put(a, bytes("xx"))],
    [
      "one is of no table",
      /row "tusers" of memory: not the row of a table/,
      (batch) => batch.put(bytes("tusers"), sealedRow(bytes("tusers"), bytes("x"))),
    ],
  ];
  for (const [name, message, change] of cases) {
    const tested = await TestStore.on(await memoryDisk());
    for (const key of ["a", "b"]) tested.store.setRow("users", key, bytes("row"));
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
