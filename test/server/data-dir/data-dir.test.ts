import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { DataDirectory } from "../../../server/data-dir/data-dir.js";
import { readText, replaceFile } from "../../../platform/durable-file.js";
import { StartError } from "../../../server/base/errors.js";
import { machineDisk } from "../../../platform/member-disk.js";
import { temporaryDirectory } from "../member/member-fixtures.js";
import { toClusterId, toMemberId } from "../../../testing/ids.js";

const owner = { clusterId: toClusterId(0xcdf8_1819_4e3a_8c32n), memberId: toMemberId(0x8e9e_05c5_2164_694dn) };

const assertRefused = (promise: Promise<unknown>, reason: RegExp): Promise<void> =>
  assert.rejects(promise, (error) => error instanceof StartError && reason.test(error.message));

test("a new directory has no owner until a member starts in it", async (t) => {
  const path = join(await temporaryDirectory(t), "a", "b");
  const fresh = await DataDirectory.open(path, machineDisk);
  assert.equal(fresh.owner, undefined);
  const store = fresh.firstStorePath;
  await mkdir(store);
  await fresh.useStore(store, undefined);
  await fresh.recordOwner(owner);
  await fresh.close();

  const again = await DataDirectory.open(path, machineDisk);
  assert.deepEqual(again.owner, owner);
  assert.deepEqual(await again.readStoreInUse(), { path: store, installed: undefined });
  assert.equal(store, join(path, "member", "store-1"));
  await again.close();
  assert.equal((await stat(join(path, "member"))).mode & 0o777, 0o700);
});

test("a directory is held by one process at a time, and free after it was closed", async (t) => {
  const path = await temporaryDirectory(t);
  const first = await DataDirectory.open(path, machineDisk);
  await assertRefused(
    DataDirectory.open(path, machineDisk),
    /is in use by another process: stop it, or choose another --data-dir/,
  );
  await first.close();
  await first.close();
  await (await DataDirectory.open(path, machineDisk)).close();
});

test("incarnations only grow, over restarts", async (t) => {
  const path = await temporaryDirectory(t);
  for (let start = 1; start <= 3; start++) {
    const directory = await DataDirectory.open(path, machineDisk);
    if (start === 1) await directory.recordOwner(owner);
    assert.equal(await directory.nextIncarnation(), start);
    await directory.close();
  }
});

test("a directory that has lost its identity or the count of its starts is refused and not changed", async (t) => {
  const path = await temporaryDirectory(t);
  const member = join(path, "member");
  const directory = await DataDirectory.open(path, machineDisk);
  await directory.recordOwner(owner);
  await mkdir(directory.walPath);
  await writeFile(join(directory.walPath, "0000000000000001-0000000000000001.wal"), "a segment");
  await assertRefused(
    directory.nextIncarnation(),
    /incarnation is missing, although this member has been started before/,
  );
  await directory.close();

  await rm(join(member, "format.json"));
  const names = await readdir(member);
  await assertRefused(
    DataDirectory.open(path, machineDisk),
    /format\.json is missing, although a member has been started here/,
  );
  assert.deepEqual(await readdir(member), names);
  await rm(directory.walPath, { recursive: true });
  await writeFile(join(member, "incarnation"), "3\n");
  await assertRefused(DataDirectory.open(path, machineDisk), /format\.json is missing/);
});

test("an incarnation that cannot be read is refused: to begin at 1 again would lose every write silently", async (t) => {
  for (const text of ["", "7", "-1\n", "x\n", "99999999999999999999\n"]) {
    const path = await mkdtemp(join(await temporaryDirectory(t), "d"));
    const directory = await DataDirectory.open(path, machineDisk);
    await writeFile(join(path, "member", "incarnation"), text);
    await assertRefused(directory.nextIncarnation(), /incarnation is damaged/);
    await directory.close();
  }
});

test("a bootstrap that ended between any two steps starts over", async (t) => {
  const steps: ((directory: DataDirectory, member: string) => Promise<unknown>)[] = [
    (directory) => mkdir(directory.firstStorePath),
    (directory) => writeFile(join(directory.firstStorePath, "000003.log"), "half a batch"),
    (_, member) => writeFile(join(member, "store-current.tmp"), "sto"),
    (directory) => directory.useStore(directory.firstStorePath, undefined),
    (_, member) => writeFile(join(member, "format.json.tmp"), '{"formatVersion":1'),
  ];
  for (let done = 1; done <= steps.length; done++) {
    const path = await mkdtemp(join(await temporaryDirectory(t), "d"));
    const member = join(path, "member");
    const first = await DataDirectory.open(path, machineDisk);
    for (const step of steps.slice(0, done)) await step(first, member);
    await first.close();
    const second = await DataDirectory.open(path, machineDisk);
    assert.equal(second.owner, undefined);
    assert.deepEqual(await readdir(member), ["lock"]);
    await second.recordOwner(owner);
    await second.close();
    const third = await DataDirectory.open(path, machineDisk);
    assert.deepEqual(third.owner, owner);
    await third.close();
  }
});

test("a foreign directory is refused and stays untouched", async (t) => {
  const foreign: [file: string, reason: RegExp][] = [
    ["snap", /holds the data of a real etcd/],
    ["notes.txt", /notes\.txt is not a file of minietcd/],
  ];
  for (const [name, reason] of foreign) {
    const path = await mkdtemp(join(await temporaryDirectory(t), "d"));
    await mkdir(join(path, "member", "wal"), { recursive: true });
    await writeFile(join(path, "member", name), "theirs");
    await assertRefused(DataDirectory.open(path, machineDisk), reason);
    assert.deepEqual((await readdir(join(path, "member"))).sort(), [name, "wal"].sort());
    assert.equal(await readFile(join(path, "member", name), "utf8"), "theirs");
  }
});

test("a format that is newer, or damaged, is refused", async (t) => {
  const ids = '"clusterId":"1","memberId":"2"';
  const formats: [text: string, reason: RegExp][] = [
    [`{"formatVersion":2,${ids}}`, /format version 2, this minietcd supports versions up to 1: use a newer minietcd/],
    [`{"formatVersion":1,"clusterId":"1"}`, /format\.json is damaged/],
    [`{"formatVersion":1,"clusterId":"xyz","memberId":"2"}`, /format\.json is damaged/],
    [`{"formatVersion":"1",${ids}}`, /format\.json is damaged/],
    ["", /format\.json is damaged/],
    ["[", /format\.json is damaged/],
    ["null", /format\.json is damaged/],
  ];
  for (const [text, reason] of formats) {
    const path = await mkdtemp(join(await temporaryDirectory(t), "d"));
    await mkdir(join(path, "member"));
    await writeFile(join(path, "member", "format.json"), text);
    await assertRefused(DataDirectory.open(path, machineDisk), reason);
    await assertRefused(DataDirectory.open(path, machineDisk), reason); // not "in use": the lock was released
  }
});

test("a store-current with a wrong name is refused, and no store is created", async (t) => {
  const path = await temporaryDirectory(t);
  const directory = await DataDirectory.open(path, machineDisk);
  for (const name of ["../elsewhere", "store-", "", "store-1/x"]) {
    await writeFile(join(path, "member", "store-current"), name);
    await assertRefused(directory.readStoreInUse(), /store-current is damaged/);
  }
  await directory.close();
});

test("a path that is a file, or below one, is refused with the reason", async (t) => {
  const file = join(await temporaryDirectory(t), "file");
  await writeFile(file, "");
  await assertRefused(DataDirectory.open(file, machineDisk), /cannot use data directory .*: choose another --data-dir/);
  await assertRefused(
    DataDirectory.open(join(file, "below"), machineDisk),
    /cannot use data directory .*: choose another --data-dir/,
  );
});

test("a small file is replaced as a whole, also after an interrupted attempt, and only its owner can read it", async (t) => {
  const path = join(await temporaryDirectory(t), "file");
  await writeFile(`${path}.tmp`, "a longer text that was never finished");
  await replaceFile(machineDisk, path, "one\n");
  await replaceFile(machineDisk, path, "two\n");
  assert.equal(await readText(machineDisk, path), "two\n");
  assert.equal(await readFile(path, "utf8"), "two\n");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await assert.rejects(stat(`${path}.tmp`), { code: "ENOENT" });
});
