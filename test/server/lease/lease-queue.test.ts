// The queue of leases, compared with a list that is sorted each time.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../../support/fast-check.js";
import { LeaseQueue } from "../../../server/lease/lease-queue.js";

const step = fc.record({
  kind: fc.constantFrom("add", "add", "remove", "move", "take"),
  which: fc.nat(30),
  at: fc.nat(20),
});

test("the item due first is first after any additions, moves and removals", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 20 }), fc.array(step, { maxLength: 80 }), (first, steps) => {
      const items = [...first, ...steps.map(() => 0)].map((dueAt) => ({ dueAt, position: -1 }));
      const queued = new Set(items.slice(0, first.length));
      const queue = new LeaseQueue([...queued]);
      const earliestOf = (): number | undefined => [...queued].map(({ dueAt }) => dueAt).sort((a, b) => a - b)[0];
      for (const { kind, which, at } of steps) {
        const item = kind === "take" ? queue.first : items[which % Math.max(1, items.length)];
        if (item === undefined) continue;
        if (kind === "remove" || kind === "take") {
          queue.remove(item);
          queued.delete(item);
        } else if (kind === "add" && !queued.has(item)) {
          item.dueAt = at;
          queue.add(item);
          queued.add(item);
        } else if (kind === "move" && queued.has(item)) {
          item.dueAt = at;
          queue.onMoved(item);
        }
        assert.equal(queue.first?.dueAt, earliestOf());
        assert.equal(item.position >= 0, queued.has(item));
      }
    }),
  );
});
