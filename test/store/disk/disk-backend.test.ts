// A store on disk whose LevelDB is reopened while it is read: no data is lost, and no file is left over.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openDiskBackend } from "../../../store/disk/disk-backend.js";
import type { Backend, Rows } from "../../../store/disk/backend.js";
import { levelDirectory } from "../../../store/disk/level-directory.js";

const temporary = await mkdtemp(join(tmpdir(), "minietcd-reopen-"));
after(() => rm(temporary, { recursive: true }));

const bytes = (text: string): Uint8Array => Buffer.from(text);

const put = async (backend: Backend, ...keys: string[]): Promise<void> => {
  const batch = backend.batch();
  for (const key of keys) batch.put(bytes(key), bytes(`value of ${key}`));
  await batch.write();
};

const keysOf = async (rows: Rows): Promise<string> => {
  const iterator = rows.iterate(bytes("a"), bytes("z"));
  const keys = (await iterator.next(1_000)).map(([key]) => Buffer.from(key).toString());
  await iterator.close();
  return keys.join("");
};

test("a reopened store has all rows, accepts more, and is found by the next start", async () => {
  const root = join(temporary, "again");
  const backend = await openDiskBackend(root);
  await put(backend, "a", "b");
  await backend.reopen?.();
  await put(backend, "c");
  await backend.reopen?.();
  await put(backend, "d");
  assert.equal(await keysOf(backend), "abcd");
  await backend.close();
  assert.deepEqual(await readdir(root), ["reopened-2"], "what LevelDB had before is gone");
  const restarted = await openDiskBackend(root);
  assert.equal(await keysOf(restarted), "abcd");
  assert.ok((await restarted.size()).allocatedBytes > 0);
  await restarted.close();
});

test("earlier views and iterators keep their state, and their files are removed after them", async () => {
  const root = join(temporary, "views");
  const backend = await openDiskBackend(root);
  await put(backend, "a", "b");
  const view = backend.view();
  const rows = backend.iterate(bytes("a"), bytes("z"));
  await backend.reopen?.();
  await put(backend, "c");
  assert.equal(await keysOf(view), "ab");
  assert.equal((await rows.next(10)).length, 2);
  assert.ok((await readdir(root)).includes("CURRENT"));
  await rows.close();
  await view.close();
  await backend.close();
  assert.deepEqual(await readdir(root), ["reopened-1"]);
});

test("an iterator or a view that is closed twice leaves the others open", async () => {
  const root = join(temporary, "twice");
  const backend = await openDiskBackend(root);
  await put(backend, "a", "b");
  const view = backend.view();
  const rows = backend.iterate(bytes("a"), bytes("z"));
  const others = [backend.view(), backend.view()];
  await backend.reopen?.();
  for (const reader of [rows, rows, view, view]) await reader.close();
  for (const other of others) {
    assert.equal(await keysOf(other), "ab");
    await other.close();
  }
  await backend.close();
  assert.deepEqual(await readdir(root), ["reopened-1"]);
});

test("an interrupted reopening is discarded, and the next one starts over", async () => {
  const root = join(temporary, "partial");
  const first = await openDiskBackend(root);
  await put(first, "a");
  await mkdir(join(root, "partial"));
  await writeFile(join(root, "partial", "CURRENT"), "MANIFEST-000099\n");
  await first.reopen?.();
  await first.close();
  await mkdir(join(root, "partial"));
  const second = await openDiskBackend(root);
  assert.equal(await keysOf(second), "a");
  await second.close();
  assert.deepEqual(await readdir(root), ["reopened-1"]);
});

test("a store that cannot be reopened stays unchanged for the next attempt", async () => {
  const root = join(temporary, "refused");
  const backend = await openDiskBackend(root);
  await put(backend, "a");
  await mkdir(join(root, "000999.ldb")); // a directory, of which no hard link can be made
  await assert.rejects(backend.reopen?.() ?? Promise.resolve());
  assert.equal(await levelDirectory(root), root);
  await put(backend, "b");
  await rm(join(root, "000999.ldb"), { recursive: true });
  await backend.reopen?.();
  assert.equal(await keysOf(backend), "ab");
  await backend.close();
});
