// A process that ends at any step of an installation restarts with the whole old state or the whole new one.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Backend, Batch, RowIterator } from "../../store/index.js";
import { roundState, TestStore, bytes, copyOf, disks, text, turn, type TestDisk } from "./harness.js";

const waitForever = (): Promise<never> => new Promise(() => undefined);

/** A process that ends after a number of steps; later steps never resolve. */
class MortalProcess {
  private left = Infinity;
  isCommitted = false;
  writesAfterCommit = 0;

  get isOver(): boolean {
    return this.left <= 0;
  }

  endAfter(steps: number): void {
    this.left = steps;
  }

  /** Runs `action` in two steps: one before it begins, and one after it has ended as a whole. */
  async step<T>(action: () => Promise<T>): Promise<T> {
    if (this.isOver || --this.left <= 0) return waitForever();
    const result = await action();
    return --this.left <= 0 ? waitForever() : result;
  }
}

/** Returns a backend whose every operation takes steps. */
function mortalBackend(inner: Backend, process: MortalProcess, onWrite: () => void): Backend {
  const iterate: Backend["iterate"] = (from, to): RowIterator => {
    const rows = inner.iterate(from, to);
    return { next: (count) => process.step(() => rows.next(count)), close: () => process.step(() => rows.close()) };
  };
  const batch = (): Batch => {
    const inside = inner.batch();
    const write = (): Promise<void> => {
      onWrite();
      return process.step(() => inside.write());
    };
    return { put: (key, value) => inside.put(key, value), delete: (key) => inside.delete(key), write };
  };
  return {
    name: inner.name,
    get: (key) => inner.get(key),
    iterate,
    view: () => inner.view(),
    batch,
    size: () => inner.size(),
    close: () => process.step(() => inner.close()),
  };
}

/** Returns the disk of a process that will end; the next start opens the disk as it is. */
const mortalDisk = (inner: TestDisk, process: MortalProcess, onWrite: () => void): TestDisk => ({
  directory: inner.directory,
  open: async () => mortalBackend(await inner.open(), process, onWrite),
  crash: () => inner.crash(),
  dispose: () => Promise.resolve(),
});

function fill({ store }: TestStore, to: number): void {
  const request = { key: bytes("k"), lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
  for (let revision = store.revision + 1; revision <= to; revision++)
    store.put({ ...request, value: bytes(`${revision}`) });
}

/** Begins two rounds: one that is being written, with a compaction behind it, and one to be written next. */
function goOn(member: TestStore): void {
  fill(member, 5);
  member.store.compact(3);
  member.store.endRound(roundState("5"));
  fill(member, 6);
  member.store.endRound(roundState("6"));
  member.store.flush().catch(() => undefined); // rejected when the installation drops it or the process ends
}

interface Found {
  readonly state: "old" | "new";
  readonly marker: string;
  readonly hash: unknown;
}

/**
 * Returns the state that the next start finds if the installing process ends after `steps` steps, and whether the installation had ended.
 */
async function stateAfterCrash(
  steps: number,
  create: () => Promise<TestDisk>,
): Promise<Found & { readonly isWhole: boolean }> {
  const process = new MortalProcess();
  const [oldDisk, newDisk] = [await create(), await create()];
  const countWrite = (): void => void (process.writesAfterCommit += process.isCommitted ? 1 : 0);
  const limits = { blockBytes: 0, removalsPerBatch: 1, entriesPerSlice: 1 };
  const dying = await TestStore.on(mortalDisk(oldDisk, process, countWrite), limits);
  await using leader = await TestStore.on(await create());
  fill(leader, 9);
  leader.store.compact(7);
  await leader.save("9");
  const copy = await copyOf(leader.store, await newDisk.open());

  fill(dying, 4);
  await dying.save("4");
  process.endAfter(steps);
  goOn(dying);
  let isWhole = false;
  const next = mortalBackend(copy, process, () => undefined);
  const commit = (): Promise<void> => process.step(() => Promise.resolve(void (process.isCommitted = true)));
  void dying.store.install(next, commit).then(async ({ whenReplaced }) => {
    await whenReplaced;
    isWhole = true;
  });
  const isDone = (): boolean => process.isOver || isWhole;
  while (!isDone()) await turn();
  for (let n = 0; n < 5; n++) await turn();
  for (const disk of [oldDisk, newDisk]) await disk.crash();
  assert.equal(process.writesAfterCommit, 0);

  await using reborn = await TestStore.on(process.isCommitted ? newDisk : oldDisk, limits);
  const hash = await reborn.store.hashKv(0);
  const marker = text(reborn.store.marker!);
  assert.equal(marker, `${reborn.store.revision}`);
  fill(reborn, 12);
  const { whenFinished } = reborn.store.compact(11);
  await reborn.save("12");
  await whenFinished;
  await reborn.reopen();
  await (process.isCommitted ? oldDisk : newDisk).dispose();
  return { state: process.isCommitted ? "new" : "old", marker, hash, isWhole };
}

for (const { name, create } of disks)
  test(`a member that dies during an install has the old contents or the new ones (${name})`, async () => {
    const expected = new Map<string, unknown>();
    for (const [marker, compacted] of [["4"], ["5", 3], ["6", 3], ["9", 7]] as const) {
      await using reference = await TestStore.on(await create());
      fill(reference, Number(marker));
      if (compacted !== undefined) reference.store.compact(compacted);
      expected.set(marker, await reference.store.hashKv(0));
    }
    const outcomes = new Set<string>();
    for (let steps = 1; ; steps++) {
      assert.ok(steps < 200, "it comes to its end");
      const { state, marker, hash, isWhole } = await stateAfterCrash(steps, create);
      assert.deepEqual(hash, expected.get(marker), `${marker} after ${steps} steps`);
      assert.equal(state === "new", marker === "9");
      outcomes.add(marker);
      if (isWhole) break;
    }
    assert.deepEqual([...outcomes].sort(), ["4", "5", "6", "9"]);
  });
