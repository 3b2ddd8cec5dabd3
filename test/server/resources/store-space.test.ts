import assert from "node:assert/strict";
import { setImmediate as settle } from "node:timers/promises";
import { test } from "node:test";
import { StoreSpace } from "../../../server/resources/store-space.js";
import { openMemoryBackend, RetryingBackend } from "../../../store/index.js";
import { recordingLogger } from "../member/member-fixtures.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

const key = Buffer.from("k");

const setUp = async () => {
  const clock = new VirtualClock();
  const { logger, lines } = recordingLogger();
  const disk = { free: 1_000, error: null as Error | null };
  const freeBytes = (_: string, onDone: (error: Error | null, free?: number) => void): void =>
    queueMicrotask(() => (disk.error === null ? onDone(null, disk.free) : onDone(disk.error)));
  const space = new StoreSpace({ disk: { freeBytes }, directory: "/d", reserveBytes: 500, clock, logger });
  const backend = new RetryingBackend(await openMemoryBackend(), { space });
  const write = (value: string): Promise<void> => {
    const batch = backend.batch();
    batch.put(key, Buffer.from(value));
    return batch.write();
  };
  const read = (): string => Buffer.from(backend.get(key) ?? "").toString();
  return { clock, lines, disk, space, write, read };
};

test("a write waits while there is too little space, and goes on by itself", async () => {
  const { clock, lines, disk, write, read } = await setUp();
  await write("one");
  disk.free = 499;
  const waiting = write("two");
  for (let second = 0; second < 3; second++) {
    await settle();
    clock.advance(1_000);
  }
  await settle();
  assert.equal(read(), "one");
  assert.deepEqual(
    lines.map(({ level }) => level),
    ["error"],
  );
  disk.free = 500;
  clock.advance(1_000);
  await waiting;
  assert.equal(read(), "two");
  assert.equal(lines.length, 2);
  assert.equal(clock.pendingTimers, 0);
});

test("a member that stops does not wait for space, because its log has the unwritten rounds", async () => {
  const { clock, disk, space, write, read } = await setUp();
  await write("one");
  disk.free = 0;
  const waiting = write("two");
  await settle();
  space.stop();
  await assert.rejects(waiting, /no space left for the store/);
  assert.equal(read(), "one");
  assert.equal(clock.pendingTimers, 0);
});

test("the last write of a member that stops succeeds if there is space", async () => {
  const { space, write, read } = await setUp();
  await write("one");
  space.stop();
  await write("two");
  assert.equal(read(), "two");
});

test("a disk that does not report its free space accepts writes", async () => {
  const { disk, write, read } = await setUp();
  disk.error = new Error("not supported");
  await write("one");
  assert.equal(read(), "one");
});
