import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../../support/fast-check.js";
import { DamagedError } from "../../../store/index.js";
import { type Block, type BlockChange, BlockDraft, BlockReader } from "../../../store/disk/change-block.js";
import { changeRowKey, comparePositions, removedRowKey, encodeRow } from "../../../store/disk/rows.js";
import { bytes, text } from "../harness.js";

/** A change in a short form: its place, `t` for a delete, and its content. */
interface Shown extends BlockChange {
  readonly keyValue: string;
}

const numbers = fc.oneof(fc.nat(3), fc.nat(300), fc.maxSafeNat());

/** Changes in the order of their revisions; most are consecutive, as puts and transactions make them. */
const history: fc.Arbitrary<readonly Shown[]> = fc
  .tuple(
    fc.nat(2 ** 40),
    fc.array(
      fc.record({
        step: fc.oneof(fc.constantFrom("next", "same"), numbers),
        sub: numbers,
        tombstone: fc.boolean(),
        length: fc.oneof(fc.nat(3), fc.nat(300)),
      }),
      { maxLength: 600 },
    ),
  )
  .map(([start, steps]) => {
    let [main, last] = [start, -1];
    const changes: Shown[] = [];
    for (const { step, sub, tombstone, length } of steps) {
      if (step === "same") last += 1;
      else if (step === "next") [main, last] = [main + 1, 0];
      else [main, last] = [main + 1 + (step % 2 ** 20), sub % 2 ** 32];
      changes.push({ main, sub: last < 0 ? (last = 0) : last, tombstone, keyValue: "x".repeat(length) });
    }
    return changes;
  });

/** Divides changes into blocks, as a batch does. */
function blocksOf(changes: readonly Shown[], blockBytes: number): Block[] {
  const draft = new BlockDraft(blockBytes);
  const blocks: Block[] = [];
  for (const change of changes) {
    if (!draft.hasRoomFor(change.keyValue.length)) blocks.push(draft.seal());
    draft.add(change, bytes(change.keyValue));
  }
  if (!draft.isEmpty) blocks.push(draft.seal());
  return blocks;
}

function changesIn({ rowKey, row }: Pick<Block, "rowKey" | "row">): Shown[] {
  const reader = new BlockReader("here", rowKey, row);
  const changes: Shown[] = [];
  while (reader.next()) {
    const { main, sub, tombstone, keyValue } = reader;
    changes.push({ main, sub, tombstone, keyValue: text(keyValue) });
  }
  return changes;
}

test("blocks hold the added changes, in order, and begin with their first change", () => {
  fc.assert(
    fc.property(history, fc.constantFrom(0, 100, 1_000, 16_384), (changes, blockBytes) => {
      const blocks = blocksOf(changes, blockBytes);
      assert.deepEqual(blocks.flatMap(changesIn), changes);
      for (const block of blocks) {
        const [first, ...more] = changesIn(block);
        assert.equal(comparePositions(block.begin, first!), 0);
        assert.equal(block.count, 1 + more.length);
        assert.ok(block.count <= 250);
        assert.ok(more.length === 0 || block.row.length <= blockBytes + 4, `${block.row.length} bytes`);
      }
    }),
  );
});

test("a change is found in its block in any order of lookups, and a missing one is not", () => {
  fc.assert(
    fc.property(history, fc.array(fc.nat(600), { maxLength: 20 }), (changes, asked) => {
      const [block] = blocksOf(changes.slice(0, 200), 1_000_000);
      if (block === undefined) return;
      const reader = new BlockReader("here", block.rowKey, block.row);
      for (const at of asked) {
        const change = changes[at % changes.length]!;
        const isThere = changes.indexOf(change) < 200;
        assert.equal(reader.find(change), isThere);
        if (isThere) assert.equal(text(reader.keyValue), change.keyValue);
        const next = { main: change.main, sub: change.sub + 1 };
        const isNextThere = changes.slice(0, 200).some((other) => comparePositions(other, next) === 0);
        assert.equal(reader.find(next), isNextThere);
      }
    }),
  );
});

test("a block replaces another one whose first changes were removed", () => {
  fc.assert(
    fc.property(history, fc.nat(10), (changes, gone) => {
      const left = changes.slice(gone, gone + 100);
      if (left.length === 0) return;
      const draft = new BlockDraft(1_000);
      draft.add(changes[0]!, bytes("given up"));
      draft.beginAt(changes[0]!);
      for (const change of left) draft.add(change, bytes(change.keyValue));
      const block = draft.seal(removedRowKey);
      assert.deepEqual(Buffer.from(block.rowKey), removedRowKey(changes[0]!));
      assert.deepEqual(changesIn(block), left);
    }),
  );
});

test("a change that is large compared with a block has its own block", () => {
  const change = (main: number, length: number): Shown => ({
    main,
    sub: 0,
    tombstone: false,
    keyValue: "x".repeat(length),
  });
  const changes = [change(2, 10), change(3, 10), change(4, 200), change(5, 10), change(6, 5_000), change(7, 10)];
  const counts = blocksOf(changes, 1_000).map(({ count }) => count);
  assert.deepEqual(counts, [2, 1, 1, 1, 1]);
});

test("any flipped bit of a block or of its row key is noticed and named", () => {
  const changes = [2, 3, 4].map((main) => ({ main, sub: 0, tombstone: false, keyValue: `k${main}` }));
  const [block] = blocksOf(changes, 1_000);
  const { rowKey, row } = block!;
  for (const flipped of [rowKey, row])
    for (let bit = 0; bit < 8 * flipped.length; bit++) {
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => changesIn({ rowKey, row }), DamagedError);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
    }
  assert.throws(() => new BlockReader("here", rowKey, row.subarray(3)), /row 2_0 of here: checksum/);
});

test("a row that is not a block is refused", () => {
  const rowKey = changeRowKey({ main: 2, sub: 0 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (content) => {
      try {
        changesIn({ rowKey, row: encodeRow(rowKey, content) });
      } catch (error) {
        assert.ok(error instanceof DamagedError && error.message.includes("row 2_0 of here"));
      }
    }),
  );
  const strange = bytes("m2_0");
  assert.throws(() => new BlockReader("here", strange, encodeRow(strange, bytes(""))), /not the key of changes/);
});
