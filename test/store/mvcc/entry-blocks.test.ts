import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../../support/fast-check.js";
import { EntryBlocks } from "../../../store/mvcc/entry-blocks.js";
import { keyAfter } from "../../../store/base/interval.js";

class Named {
  constructor(
    readonly key: string,
    public isLive: boolean,
  ) {}

  copy(): Named {
    return new Named(this.key, this.isLive);
  }
}

/** Visits at most `most` entries in each step. */
const walkBySteps = (blocks: EntryBlocks<Named>, from: string, to: string | undefined, most: number): string[] => {
  const keys: string[] = [];
  for (let next: string | undefined = from; next !== undefined;) {
    let left = most;
    const last = blocks.walk(next, to, ({ key }) => {
      keys.push(key);
      return --left > 0;
    });
    next = last && keyAfter(last.key);
  }
  return keys;
};

const number = fc.nat(700);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("add"), first: number, count: fc.integer({ min: 1, max: 300 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("delete"), first: number, count: fc.integer({ min: 1, max: 300 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("change"), first: number, count: fc.integer({ min: 1, max: 300 }) }),
  },
);
const keyOf = (n: number): string => (n === 0 ? "" : `k${String(n).padStart(3, "0")}`);

test("blocks of entries hold what a sorted list holds, through splits and merges", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.integer({ min: 1, max: 500 }), (steps, stride) => {
      const blocks = new EntryBlocks<Named>();
      const model = new Map<string, Named>();
      for (const { kind, first, count } of steps)
        for (let n = 0; n < count; n++) {
          const key = keyOf((first + n * stride) % 701);
          if (kind === "add" && !model.has(key)) {
            model.set(key, new Named(key, n % 3 > 0));
            blocks.add(model.get(key)!);
          } else if (kind === "delete" && model.delete(key)) blocks.delete(key);
          else if (kind === "change" && model.has(key)) {
            const entry = model.get(key)!;
            entry.isLive = !entry.isLive;
            blocks.updateLives(entry);
          }
        }
      const keys = [...model.keys()].sort();
      assert.equal(blocks.size, keys.length);
      assert.deepEqual(walkBySteps(blocks, "", undefined, 97), keys);
      const [from, to] = [keyOf(stride), keyOf(stride + 200)];
      assert.deepEqual(
        walkBySteps(blocks, from, to, 1_000),
        keys.filter((key) => key >= from && key < to),
      );
      const live = [...model.values()].filter(({ isLive }) => isLive).map(({ key }) => key);
      for (const [low, high] of [
        ["", undefined],
        [from, to],
        [from, undefined],
        ["", from],
        [to, from],
      ] as const)
        assert.equal(
          blocks.countLive(low, high),
          live.filter((key) => key >= low && (high === undefined || key < high)).length,
        );
      for (let n = 0; n < 701; n++) assert.equal(blocks.get(keyOf(n)), model.get(keyOf(n)));
    }),
  );
});

test("a walk of blocks ends at the given key", () => {
  const blocks = new EntryBlocks<Named>();
  for (let n = 0; n < 1_000; n++) blocks.add(new Named(keyOf(n), true));
  assert.equal(blocks.walk("", undefined, ({ key }) => key !== keyOf(400))?.key, keyOf(400));
  assert.deepEqual(walkBySteps(blocks, "k500", "k500", 10), []);
  assert.deepEqual(walkBySteps(blocks, "k600", "k500", 10), []);
  assert.deepEqual(walkBySteps(blocks, "z", undefined, 10), []);
});

test("a change of one copy of blocks does not affect the other", () => {
  const change = fc.record({
    copy: fc.nat(2),
    kind: fc.constantFrom("add", "delete", "change", "copy"),
    first: number,
    count: fc.integer({ min: 1, max: 120 }),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 10, maxLength: 30 }), (changes) => {
      const copies = [{ blocks: new EntryBlocks<Named>(), model: new Map<string, boolean>() }];
      for (let n = 0; n < 701; n += 2) {
        copies[0]!.blocks.add(new Named(keyOf(n), true));
        copies[0]!.model.set(keyOf(n), true);
      }
      for (const { copy: chosen, kind, first, count } of changes) {
        const { blocks, model } = copies[chosen % copies.length]!;
        if (kind === "copy") copies.splice(chosen + 1, 1, { blocks: blocks.copy(), model: new Map(model) });
        else
          for (let n = 0; n < count; n++) {
            const key = keyOf((first + n) % 701);
            const entry = blocks.get(key);
            if (kind === "add" && entry === undefined) {
              blocks.add(new Named(key, n % 3 > 0));
              model.set(key, n % 3 > 0);
            } else if (kind === "delete" && model.delete(key)) blocks.delete(key);
            else if (kind === "change" && entry !== undefined) {
              const own = blocks.unshare(entry);
              own.isLive = !own.isLive;
              blocks.updateLives(own);
              model.set(key, own.isLive);
            }
          }
      }
      for (const { blocks, model } of copies) {
        const keys = [...model.keys()].sort();
        assert.deepEqual(walkBySteps(blocks, "", undefined, 97), keys);
        assert.equal(blocks.countLive("", undefined), keys.filter((key) => model.get(key)).length);
        for (const key of keys) assert.equal(blocks.get(key)?.isLive, model.get(key));
      }
    }),
  );
});
