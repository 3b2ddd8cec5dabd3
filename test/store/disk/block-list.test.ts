import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../../support/fast-check.js";
import { BlockList } from "../../../store/disk/block-list.js";
import { comparePositions, type Position } from "../../../store/disk/rows.js";

const positions = fc
  .uniqueArray(fc.tuple(fc.nat(2 ** 40), fc.nat(5)), { selector: (pair) => pair.join("_"), maxLength: 2_500 })
  .map((pairs) => pairs.map(([main, sub]) => ({ main, sub })).sort(comparePositions));

test("the list finds the last block that begins at or before a position, also after removals", () => {
  fc.assert(
    fc.property(positions, fc.infiniteStream(fc.boolean()), (begins, gone) => {
      const list = new BlockList();
      begins.forEach((begin, n) => list.add(begin, 1 + (n % 250)));
      const check = (expected: readonly Position[]): void => {
        for (const begin of expected.slice(0, 50))
          for (const sub of [begin.sub - 1, begin.sub, begin.sub + 1]) {
            const asked = { main: begin.main, sub };
            const last = expected.findLast((other) => comparePositions(other, asked) <= 0);
            const found = list.find(asked);
            assert.deepEqual(found < 0 ? undefined : list.positionOf(found), last);
          }
      };
      check(begins);
      const left: Position[] = [];
      begins.forEach((begin, block) => {
        assert.equal(list.changeCountOf(block), 1 + (block % 250));
        if (gone.next().value === true) list.setCount(block, 0);
        else left.push(begin);
      });
      list.tidy();
      if (begins.length - left.length >= begins.length / 4) check(left);
      list.add({ main: 2 ** 41, sub: 0 }, 1);
      assert.deepEqual(list.positionOf(list.find({ main: 2 ** 42, sub: 0 })), { main: 2 ** 41, sub: 0 });
    }),
    { numRuns: 30 },
  );
});
