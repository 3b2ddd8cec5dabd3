// LevelDB encounters a shortage in its own background work and accepts no further write. The store opens it again.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { type Backend, openDiskBackend, RetryingBackend } from "../../store/index.js";
import { SmallDisk } from "./small-disk.js";

const always = { whenAvailable: () => Promise.resolve(), lend: () => false };

/** Writes rows that do not compress, a mebibyte in each batch: after four batches LevelDB writes a table. */
const writeBatches = async (backend: Backend, from: number, to: number): Promise<void> => {
  for (let n = from; n < to; n++) {
    const batch = backend.batch();
    for (let row = 0; row < 16; row++) batch.put(keyOf(n, row), valueOf(n, row));
    await batch.write();
  }
};

const keyOf = (batch: number, row: number): Uint8Array => Buffer.from(`${String(batch).padStart(4, "0")}/${row}`);

const valueOf = (batch: number, row: number): Uint8Array => {
  const value = Buffer.alloc(64 * 1024);
  let word = batch * 100 + row + 1;
  for (let at = 0; at < value.length; at += 4)
    value.writeUInt32LE((word = (Math.imul(word, 1664525) + 1013904223) >>> 0), at);
  return value;
};

const assertAllThere = (backend: Backend, batches: number): void => {
  for (let n = 0; n < batches; n++)
    for (const row of [0, 15]) assert.deepEqual(Buffer.from(backend.get(keyOf(n, row))!), valueOf(n, row), `row ${n}`);
};

test("a store continues after a disk that was full in the middle of a batch has space", async () => {
  await using disk = await SmallDisk.mount(64);
  const root = join(disk.path, "store-1");
  let waits = 0;
  const space = {
    ...always,
    whenAvailableAgain: async () => {
      waits += 1;
      await disk.removeBallast();
    },
  };
  const backend = new RetryingBackend(await openDiskBackend(root), { space });
  await writeBatches(backend, 0, 6);
  await disk.fillUpTo(1);
  await writeBatches(backend, 6, 16);
  assert.ok(waits > 0, "the disk was full");
  assertAllThere(backend, 16);
  await backend.close();
  assert.deepEqual(
    (await readdir(root)).map((name) => name.replace(/\d+$/, "")),
    ["reopened-"],
  );
  const restarted = await openDiskBackend(root);
  assertAllThere(restarted, 16);
  await restarted.close();
});

test("a store continues after LevelDB lacked descriptors for a table", async () => {
  const directory = await mkdtemp(join(tmpdir(), "minietcd-descriptors-"));
  const root = join(directory, "store-1");
  let waits = 0;
  const descriptors = {
    ...always,
    whenAvailableAgain: async () => {
      waits += 1;
      if (waits === 3) await limits.restore(); // LevelDB repeats the error of its compaction by then
    },
  };
  const backend = new RetryingBackend(await openDiskBackend(root), { descriptors });
  await writeBatches(backend, 0, 2);
  const limits = await DescriptorLimit.lower();
  try {
    await writeBatches(backend, 2, 12);
  } finally {
    await limits.restore();
  }
  assert.ok(waits >= 3, "there were no descriptors");
  assertAllThere(backend, 12);
  await backend.close();
  assert.deepEqual(await readdir(root), ["reopened-1"]);
  await rm(directory, { recursive: true });
});

/** Leaves this process no free file descriptors, until a program that was started before raises its limit again. */
class DescriptorLimit {
  private isLowered = true;

  private constructor(private readonly helper: ReturnType<typeof spawn>) {}

  static async lower(): Promise<DescriptorLimit> {
    const pid = String(process.pid);
    const script = `prlimit --pid ${pid} --nofile=8: && echo lowered && read line; prlimit --pid ${pid} --nofile=1024: && echo restored`;
    const helper = spawn("sh", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] });
    await once(helper.stdout, "data");
    return new DescriptorLimit(helper);
  }

  async restore(): Promise<void> {
    if (!this.isLowered) return;
    this.isLowered = false;
    const exited = once(this.helper, "exit");
    this.helper.stdin?.end("\n");
    await exited;
  }
}
