import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "../../support/fast-check.js";
import { type Backend, MemoryBackend } from "../../../store/index.js";

const bytesOf = (numbers: readonly number[]): Uint8Array => Uint8Array.from(numbers);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

const write = async (backend: Backend, changes: readonly (readonly [Uint8Array, Uint8Array | undefined])[]) => {
  const batch = backend.batch();
  for (const [key, value] of changes)
    if (value === undefined) batch.delete(key);
    else batch.put(key, value);
  await batch.write();
};

const rowsOf = async (rows: Pick<Backend, "iterate">, from: Uint8Array, to: Uint8Array) => {
  const iterator = rows.iterate(from, to);
  const all: (readonly [string, string])[] = [];
  for (let some = await iterator.next(7); some.length > 0; some = await iterator.next(7))
    all.push(...some.map(([key, value]) => [text(key), text(value)] as const));
  return all;
};

const key = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 2 }).map(bytesOf);
const value = fc.option(fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 3 }).map(bytesOf), { nil: undefined });
const changes = fc.array(fc.tuple(key, value), { minLength: 300, maxLength: 900 });

describe("a backend in memory", () => {
  it("has the rows of a map in byte order, and views and copies keep their rows", async () => {
    await fc.assert(
      fc.asyncProperty(changes, changes, key, key, async (first, second, from, to) => {
        const backend = new MemoryBackend();
        const naive = new Map<string, string>();
        const apply = (map: Map<string, string>, some: typeof first): void => {
          for (const [k, v] of some)
            if (v === undefined) map.delete(text(k));
            else map.set(text(k), text(v));
        };
        const expectedRows = (map: Map<string, string>) =>
          [...map].filter(([k]) => k >= text(from) && k < text(to)).sort(([a], [b]) => (a < b ? -1 : 1));
        await write(backend, first);
        apply(naive, first);
        const before = new Map(naive);
        const view = backend.view();
        const copy = backend.copy();
        await write(backend, second);
        apply(naive, second);
        assert.deepEqual(await rowsOf(backend, from, to), expectedRows(naive));
        assert.deepEqual(await rowsOf(view, from, to), expectedRows(before));
        await write(copy, second.slice(0, 10));
        apply(before, second.slice(0, 10));
        assert.deepEqual(await rowsOf(copy, from, to), expectedRows(before));
        assert.deepEqual(await rowsOf(backend, from, to), expectedRows(naive));
        for (const [k] of first) assert.equal(backend.get(k) && text(backend.get(k)!), naive.get(text(k)));
      }),
      { numRuns: 30 },
    );
  });

  it("keeps its own copy of a put row", async () => {
    const backend = new MemoryBackend();
    const given = Uint8Array.of(1);
    const batch = backend.batch();
    batch.put(Uint8Array.of(1), given);
    given[0] = 2;
    await batch.write();
    assert.deepEqual(backend.get(Uint8Array.of(1)), Uint8Array.of(1));
  });

  it("reports the bytes of its keys and values", async () => {
    const backend = new MemoryBackend();
    await write(backend, [
      [Uint8Array.of(1), new Uint8Array(10)],
      [Uint8Array.of(1), new Uint8Array(5)],
      [Uint8Array.of(2), new Uint8Array(5)],
      [Uint8Array.of(2), undefined],
    ]);
    assert.equal((await backend.size()).inUseBytes, 6);
  });
});
