import assert from "node:assert/strict";
import { test } from "node:test";
import { IdleCollection, type ProcessUse } from "../../../cli/server/idle-collection.js";

const mebibyte = 1024 * 1024;
const idle = { cpuShare: 0.02, bufferBytes: 10 * mebibyte, heapBytes: 16 * mebibyte };

/** Returns the number of collections after each observation. */
const collections = (looks: readonly Partial<ProcessUse>[]): number[] => {
  let count = 0;
  const collection = new IdleCollection(() => (count += 1));
  return looks.map((use) => {
    collection.look({ ...idle, ...use });
    return count;
  });
};

const large: Partial<ProcessUse> = { bufferBytes: 300 * mebibyte };

test("an idle process with many new buffers collects garbage; a busy one later", () => {
  assert.deepEqual(collections([{}, large]), [0, 1]);
  assert.deepEqual(collections([{ ...large, cpuShare: 0.5 }, large]), [0, 1]);
});

test("a process with few buffers, or with a large heap, leaves the collection to V8", () => {
  assert.deepEqual(collections([{}, { bufferBytes: 31 * mebibyte }]), [0, 0]);
  assert.deepEqual(collections([{ ...large, heapBytes: 200 * mebibyte }]), [0]);
});

test("garbage that is known is collected once, as soon as the process is idle, however few the buffers are", () => {
  let count = 0;
  const collection = new IdleCollection(() => (count += 1));
  const after = (use: Partial<ProcessUse>): number => {
    collection.look({ ...idle, ...use });
    return count;
  };
  assert.equal(after({}), 0);
  collection.expectGarbage();
  assert.deepEqual([after({ cpuShare: 0.5 }), after({}), after({})], [0, 1, 1]);
  for (let look = 0; look < 20; look++) after({});
  assert.equal(count, 1);
});

test("collections are at least six checks apart", () => {
  const more: Partial<ProcessUse> = { bufferBytes: 600 * mebibyte };
  assert.deepEqual(collections([large, more, more, more, more, more, more]), [1, 1, 1, 1, 1, 1, 2]);
});

test("buffers that stay in use after a collection cause no further one soon; the next counts from the remaining buffers", () => {
  const observations = (bufferBytes: number): Partial<ProcessUse>[] =>
    Array.from({ length: 6 }, () => ({ bufferBytes }));
  const left = 50 * mebibyte;
  const counts = collections([
    large,
    ...observations(left),
    ...observations(left + 31 * mebibyte),
    ...observations(left + 32 * mebibyte),
  ]);
  assert.deepEqual([counts[6], counts[12], counts[13]], [1, 1, 2]);
});

test("a collection is repeated after two minutes, then four, while buffers stay in use", () => {
  const counts = collections(Array.from({ length: 74 }, () => large));
  assert.deepEqual([counts[0], counts[23], counts[24], counts[71], counts[72]], [1, 1, 2, 2, 3]);
  const few = collections([large, ...Array.from({ length: 74 }, () => ({ bufferBytes: 31 * mebibyte }))]);
  assert.equal(few[74], 1);
});
