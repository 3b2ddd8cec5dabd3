// Damage in LevelDB's files is found before LevelDB opens them, with file and offset, and no file is changed.
import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Level } from "level";
import { openDiskBackend } from "../../../store/disk/disk-backend.js";
import { DamagedError } from "../../../store/base/errors.js";
import { decompressSnappy } from "../../../store/disk/snappy.js";
import { checkTable } from "../../../store/disk/tables.js";
import { seededRandom } from "../../../testing/random.js";

const temporary = await mkdtemp(join(tmpdir(), "minietcd-tables-"));
after(() => rm(temporary, { recursive: true }));

/** Writes rows, and reopens the database, so that they are in a table. */
const tableOf = async (
  name: string,
  rows: Iterable<[string, Uint8Array]>,
): Promise<{ directory: string; file: string }> => {
  const directory = join(temporary, name);
  const bytes = { keyEncoding: "utf8", valueEncoding: "view" } as const;
  const level = new Level<string, Uint8Array>(directory, bytes);
  for (const [key, value] of rows) await level.put(key, value);
  await level.close();
  const again = new Level<string, Uint8Array>(directory, bytes);
  await again.open();
  await again.close();
  const [table = ""] = (await readdir(directory)).filter((each) => each.endsWith(".ldb"));
  return { directory, file: join(directory, table) };
};

const isNamed =
  (file: string) =>
  (error: unknown): boolean =>
    error instanceof DamagedError && error.message.startsWith(`Cannot read ${file}: at byte `);

test("every flipped bit of a table is detected, except two kinds that LevelDB detects itself or that change nothing", async () => {
  const rows = Array.from({ length: 40 }, (_, n): [string, Uint8Array] => [`k/${n}`, Buffer.from("abc".repeat(n % 7))]);
  const { file } = await tableOf("small", rows);
  const table = await readFile(file);
  checkTable(file, table);
  const magic = table.length - 8;
  const missed: number[] = [];
  for (let bit = 0; bit < magic * 8; bit++) {
    table[bit >> 3]! ^= 1 << (bit & 7);
    try {
      checkTable(file, table);
      missed.push(bit);
    } catch (error) {
      assert.ok(isNamed(file)(error), `bit ${bit}`);
    }
    table[bit >> 3]! ^= 1 << (bit & 7);
  }
  // The last byte of the footer's numbers may indicate a further byte, which is a zero of the padding.
  assert.ok(missed.length <= 1 && missed.every((bit) => bit % 8 === 7 && bit >= (magic - 40) * 8), missed.join());
});

test("a table of many blocks is read to its end, its index compressed or not", async () => {
  const random = seededRandom(1);
  const noise = (): Uint8Array => Uint8Array.from({ length: 700 }, () => random.between(0, 255));
  const rows = Array.from({ length: 400 }, (_, n): [string, Uint8Array] => [
    `a long key that repeats itself/${n}`,
    noise(),
  ]);
  const { file } = await tableOf("large", rows);
  const table = await readFile(file);
  checkTable(file, table);
  for (let at = 100; at < table.length - 48; at += 2_000) {
    table[at]! ^= 1;
    assert.throws(() => checkTable(file, table), isNamed(file), `byte ${at}`);
    table[at]! ^= 1;
  }
});

test("a damaged table is refused by name when the store is opened, and is not changed", async () => {
  const { directory, file } = await tableOf("refused", [["k", Buffer.from("v".repeat(100))]]);
  const table = await readFile(file);
  table[10]! ^= 1;
  await writeFile(file, table);
  const names = (await readdir(directory)).sort();
  await assert.rejects(openDiskBackend(directory), isNamed(file));
  assert.deepEqual((await readdir(directory)).sort(), names);
  assert.deepEqual(await readFile(file), table);
});

test("an unfinished table is left to LevelDB, which does not need it", async () => {
  const { directory, file } = await tableOf("unfinished", [["k", Buffer.from("v".repeat(100))]]);
  const unfinished = join(directory, "000099.ldb");
  await cp(file, unfinished);
  await truncate(unfinished, 60);
  const backend = await openDiskBackend(directory);
  assert.equal(Buffer.from(backend.get(Buffer.from("k")) ?? "").toString(), "v".repeat(100));
  await backend.close();
});

test("a directory that has lost its CURRENT is refused: LevelDB would empty it", async () => {
  const { directory } = await tableOf("current", [["k", Buffer.from("v")]]);
  await rm(join(directory, "CURRENT"));
  const names = (await readdir(directory)).sort();
  await assert.rejects(openDiskBackend(directory), (error) => {
    assert.ok(error instanceof DamagedError);
    assert.equal(error.message, `Cannot read ${join(directory, "CURRENT")}: it is missing`);
    return true;
  });
  assert.deepEqual((await readdir(directory)).sort(), names);
});

const compressed: [what: string, bytes: string, text: string][] = [
  ["a literal", "05 10 68 65 6c 6c 6f", "hello"],
  ["a literal of a length of its own", `40 f0 3f ${"61".repeat(64)}`, "a".repeat(64)],
  ["a copy that reaches into itself", "0b 00 61 19 01", "a".repeat(11)],
  ["a copy from far", "0c 10 6162636465 12 0500 00 66 00 67", "abcdeabcdefg"],
];
for (const [what, bytes, text] of compressed)
  test(`Snappy: ${what}`, () => {
    assert.equal(decompressSnappy(Buffer.from(bytes.replaceAll(" ", ""), "hex")).toString(), text);
  });

test("Snappy: invalid compressed data is refused", () => {
  for (const bytes of [
    "",
    "05",
    "05 10 68",
    "05 00 61",
    "05 00 61 1d 02",
    "05 00 61 1d 00",
    "ff ff ff ff 7f 00 61",
    "01 04 61 62",
  ])
    assert.throws(() => decompressSnappy(Buffer.from(bytes.replaceAll(" ", ""), "hex")), RangeError, bytes);
});
