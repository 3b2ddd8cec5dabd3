// Properties of a disk that the log relies on, for the real, the in-memory and the simulated disk.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { ensureDirectory, toPromise, type Disk, type DiskFile } from "../../../platform/disk.js";
import { machineDisk, unsyncedMachineDisk, type MemberDisk } from "../../../platform/member-disk.js";
import { MemoryDisk } from "../../../platform/memory-disk.js";
import { seededRandom } from "../../../testing/random.js";
import { diskError, SimDisk } from "../../../testing/sim-disk.js";

const temporary = await mkdtemp(path.join(tmpdir(), "minietcd-disk-"));
const unsynced = await mkdtemp(path.join(tmpdir(), "minietcd-disk-"));
after(() => Promise.all([temporary, unsynced].map((directory) => rm(directory, { recursive: true }))));

const disks: [string, MemberDisk, string][] = [
  ["the real disk", machineDisk, temporary],
  ["the real disk without syncs", unsyncedMachineDisk, unsynced],
  ["the disk in memory", new MemoryDisk(), "/"],
  ["the simulated disk", new SimDisk({ random: seededRandom(1) }).boot(), "/"],
];

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (read: Uint8Array): string => new TextDecoder().decode(read);
const openFile = (disk: Disk, file: string, how: "new" | "existing"): Promise<DiskFile> =>
  toPromise((done) => disk.open(file, how, done));
const list = async (disk: Disk, directory: string): Promise<string[]> =>
  [...(await toPromise<readonly string[]>((done) => disk.list(directory, done)))].sort();

for (const [name, disk, root] of disks)
  describe(name, () => {
    const directory = path.join(root, "a", "b");
    const pathOf = (file: string): string => path.join(directory, file);

    test("creates directories, and accepts existing ones", async () => {
      await assert.rejects(
        toPromise((done) => disk.makeDirectory(directory, done)),
        { code: "ENOENT" },
      );
      await assert.rejects(list(disk, directory), { code: "ENOENT" });
      await ensureDirectory(disk, directory);
      await ensureDirectory(disk, directory);
      await toPromise((done) => disk.makeDirectory(directory, done));
      assert.deepEqual(await list(disk, directory), []);
      assert.deepEqual(await list(disk, root), ["a"]);
    });

    test("reads the bytes that were written at an offset, and fewer at the end of the file", async () => {
      const file = await openFile(disk, pathOf("one"), "new");
      await toPromise((done) => file.write(bytes("hello world"), 0, done));
      await toPromise((done) => file.write(bytes("W"), 6, done));
      assert.equal(await toPromise<number>((done) => file.size(done)), 11);
      assert.equal(text(await toPromise((done) => file.read(4, 3, done))), "o W");
      assert.equal(text(await toPromise((done) => file.read(6, 100, done))), "World");
      await toPromise((done) => file.close(done));
    });

    test("reads zeros where zeros or no bytes were written", async () => {
      const file = await openFile(disk, pathOf("zeros"), "new");
      const long = 3 * 16 * 1024;
      await toPromise((done) => file.write(new Uint8Array(long), 0, done));
      await toPromise((done) => file.write(bytes("middle"), 16 * 1024 - 3, done));
      await toPromise((done) => file.write(bytes("end"), long + 5, done));
      const read = await toPromise<Uint8Array>((done) => file.read(0, 2 * long, done));
      const expected = new Uint8Array(long + 8);
      expected.set(bytes("middle"), 16 * 1024 - 3);
      expected.set(bytes("end"), long + 5);
      assert.deepEqual(Buffer.from(read), Buffer.from(expected));
      await toPromise((done) => file.write(new Uint8Array(6), 16 * 1024 - 3, done));
      assert.equal(text(await toPromise((done) => file.read(16 * 1024 - 3, 6, done))), "\0".repeat(6));
      await toPromise((done) => file.close(done));
      await toPromise((done) => disk.remove(pathOf("zeros"), done));
    });

    test("opens an existing file as it is, and a new one empty", async () => {
      const existing = await openFile(disk, pathOf("one"), "existing");
      assert.equal(await toPromise<number>((done) => existing.size(done)), 11);
      await toPromise((done) => existing.close(done));
      const emptied = await openFile(disk, pathOf("one"), "new");
      assert.equal(await toPromise<number>((done) => emptied.size(done)), 0);
      await toPromise((done) => emptied.close(done));
      await assert.rejects(openFile(disk, pathOf("none"), "existing"), { code: "ENOENT" });
    });

    test("renames open files and removes", async () => {
      const file = await openFile(disk, pathOf("two"), "new");
      await toPromise((done) => disk.rename(pathOf("two"), pathOf("three"), done));
      await toPromise((done) => file.write(bytes("x"), 0, done));
      await toPromise((done) => file.close(done));
      await toPromise((done) => disk.syncDirectory(directory, done));
      assert.deepEqual(await list(disk, directory), ["one", "three"]);
      await toPromise((done) => disk.remove(pathOf("one"), done));
      assert.deepEqual(await list(disk, directory), ["three"]);
      await assert.rejects(
        toPromise((done) => disk.remove(pathOf("one"), done)),
        { code: "ENOENT" },
      );
    });

    test("removes a directory with its contents, and accepts a missing one", async () => {
      const tree = path.join(root, "a", "tree");
      await ensureDirectory(disk, path.join(tree, "below"));
      const file = await openFile(disk, path.join(tree, "below", "file"), "new");
      await toPromise((done) => file.close(done));
      for (const each of [tree, tree, pathOf("three")]) await toPromise((done) => disk.removeTree(each, done));
      assert.deepEqual(await list(disk, path.join(root, "a")), ["b"]);
      assert.deepEqual(await list(disk, directory), []);
    });

    test("a file in place of a directory is distinguished from a missing directory", async () => {
      const file = await openFile(disk, pathOf("three"), "new");
      await toPromise((done) => file.close(done));
      await assert.rejects(list(disk, pathOf("three")), { code: "ENOTDIR" });
      await assert.rejects(ensureDirectory(disk, path.join(pathOf("three"), "below")), { code: "ENOTDIR" });
      await assert.rejects(openFile(disk, directory, "new"), { code: "EISDIR" });
      await assert.rejects(openFile(disk, path.join(root, "none", "file"), "new"), { code: "ENOENT" });
    });

    test("is locked by one process at a time", async () => {
      const held = await disk.lock(path.join(directory, "lock"));
      await assert.rejects(disk.lock(path.join(directory, "lock")), { code: "ELOCKED" });
      await held.close();
      await held.close();
      await (await disk.lock(path.join(directory, "lock"))).close();
      await toPromise((done) => disk.removeTree(path.join(directory, "lock"), done));
    });

    test("reports the free space", async () => {
      assert.ok((await toPromise<number>((done) => disk.freeBytes!(directory, done))) > 0);
    });

    test("never calls back before it returns", async () => {
      let returned = false;
      await toPromise((done) => {
        disk.list(directory, (error) => {
          assert.ok(returned);
          done(error);
        });
        returned = true;
      });
    });
  });

test("the disk in memory is full at its capacity, takes no space for zeros, and has space again", async () => {
  const disk = new MemoryDisk({ capacityBytes: 40 * 1024 });
  const countFreeBytes = (): Promise<number> => toPromise((done) => disk.freeBytes("/", done));
  const [one, two] = [await openFile(disk, "/one", "new"), await openFile(disk, "/two", "new")];
  await toPromise((done) => one.write(new Uint8Array(1024 * 1024), 0, done));
  assert.equal(disk.usedBytes, 0);
  await toPromise((done) => one.write(new Uint8Array(32 * 1024).fill(1), 0, done));
  assert.equal(await countFreeBytes(), 8 * 1024);
  await assert.rejects(
    toPromise((done) => two.write(bytes("x"), 0, done)),
    { code: "ENOSPC" },
  );
  assert.equal(await toPromise<number>((done) => two.size(done)), 0);
  await toPromise((done) => one.write(bytes("again"), 0, done));
  await toPromise((done) => disk.remove("/one", done));
  await toPromise((done) => two.write(bytes("x"), 0, done));
  assert.equal(await countFreeBytes(), 24 * 1024);
});

test("only the owner can read files and directories", async () => {
  assert.deepEqual(await readdir(path.join(temporary, "a", "b")), ["three"]);
  const mode = async (...names: string[]): Promise<number> => (await stat(path.join(temporary, ...names))).mode & 0o777;
  assert.equal(await mode("a"), 0o700);
  assert.equal(await mode("a", "b"), 0o700);
  assert.equal(await mode("a", "b", "three"), 0o600);
});

test("an existing directory is used although its parent is unreadable; one that must be created or synced there is refused", async () => {
  const sim = new SimDisk({ random: seededRandom(1) });
  const disk = sim.boot();
  await ensureDirectory(disk, "/srv/etcd");
  let code = "EACCES";
  sim.onOperation = (operation) => (operation.kind === "syncDirectory" ? diskError(code, operation) : undefined);
  await ensureDirectory(disk, "/srv/etcd");
  await assert.rejects(ensureDirectory(disk, "/srv/new"), { code });
  code = "EIO";
  await assert.rejects(ensureDirectory(disk, "/srv/etcd"), { code });
});
