import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../../../support/fast-check.js";
import { maxPendingProposals } from "../../../../server/base/limits.js";
import { SeenProposals, type Envelope, type SeenRecord } from "../../../../server/replication/apply/seen-proposals.js";
import { toMemberId } from "../../../../testing/ids.js";

const recordsOf = (seen: SeenProposals): SeenRecord[] =>
  seen
    .copy()
    .map((copy) => copy.record())
    .sort((a, b) => (a.member < b.member ? -1 : 1));

/** A model that is obviously right: it keeps all proposals. */
class NaiveSeen {
  private readonly newest = new Map<bigint, { incarnation: number; floor: number; seen: Set<number> }>();

  admit({ member, incarnation, sequence, floor }: Envelope): boolean {
    let known = this.newest.get(member);
    if (known === undefined || incarnation > known.incarnation) {
      known = { incarnation, floor, seen: new Set() };
      this.newest.set(member, known);
    }
    if (incarnation < known.incarnation) return false;
    known.floor = Math.max(known.floor, floor);
    if (sequence < known.floor || sequence >= known.floor + maxPendingProposals) return false;
    if (known.seen.has(sequence)) return false;
    known.seen.add(sequence);
    return true;
  }

  isOver({ member, incarnation, sequence }: Envelope): boolean {
    const known = this.newest.get(member);
    if (known?.incarnation !== incarnation) return known !== undefined && incarnation < known.incarnation;
    return sequence < known.floor || known.seen.has(sequence);
  }
}

const numbersAround = (bound: number): fc.Arbitrary<number> =>
  fc.integer({ min: Math.max(1, bound - 20), max: bound + 20 });
const sequence = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  numbersAround(maxPendingProposals),
  numbersAround(2 * maxPendingProposals),
  fc.integer({ min: 1, max: 5 * maxPendingProposals }),
);
const envelope: fc.Arbitrary<Envelope> = fc
  .record({
    member: fc.constantFrom(toMemberId(1n), toMemberId(2n), toMemberId(0xffff_ffff_ffff_ffffn)),
    incarnation: fc.integer({ min: 1, max: 3 }),
    sequence,
    floor: sequence,
  })
  .map((each) => ({ ...each, floor: Math.min(each.floor, each.sequence) }));
const envelopes = fc.array(envelope, { maxLength: 80 });

test("seen proposals admit and skip like an unbounded set, in any order, with repeats and restarts of the proposer", () => {
  fc.assert(
    fc.property(envelopes, (log) => {
      const seen = new SeenProposals();
      const naive = new NaiveSeen();
      for (const each of log) assert.equal(seen.admit(each), naive.admit(each));
    }),
  );
});

test("a jump of the sequence reports the proposals that will no longer be admitted", () => {
  fc.assert(
    fc.property(envelopes, fc.array(envelope, { maxLength: 20 }), (log, waiting) => {
      const seen = new SeenProposals();
      const naive = new NaiveSeen();
      for (const each of log) assert.equal(seen.admit(each), naive.admit(each));
      const restored = new SeenProposals(recordsOf(seen));
      for (const each of waiting) assert.equal(restored.isOver(each), naive.isOver(each));
    }),
  );
});

test("a restart from the stored rows, after any entry, gives the same state and the same bytes", () => {
  fc.assert(
    fc.property(envelopes, fc.nat(80), (log, restartAt) => {
      const through = new SeenProposals();
      let restarted = new SeenProposals();
      log.forEach((each, n) => {
        if (n === restartAt) restarted = new SeenProposals(recordsOf(restarted));
        assert.equal(restarted.admit(each), through.admit(each));
        assert.deepEqual(recordsOf(restarted), recordsOf(through));
      });
    }),
  );
});

test("a proposal is admitted once, whoever sends it again, until it is answered and forgotten", () => {
  const seen = new SeenProposals();
  const first = { member: toMemberId(1n), incarnation: 1, sequence: 1, floor: 1 };
  assert.equal(seen.admit(first), true);
  assert.equal(seen.admit(first), false);
  assert.equal(seen.admit({ ...first, sequence: 2, floor: 2 }), true); // proposal 1 has been answered
  assert.equal(seen.admit(first), false);
});

test("a new incarnation of a member begins with sequence 1, and proposals of its former ones are skipped", () => {
  const seen = new SeenProposals();
  assert.equal(seen.admit({ member: toMemberId(1n), incarnation: 1, sequence: 9, floor: 9 }), true);
  assert.equal(seen.admit({ member: toMemberId(1n), incarnation: 2, sequence: 1, floor: 1 }), true);
  assert.equal(seen.admit({ member: toMemberId(1n), incarnation: 1, sequence: 10, floor: 9 }), false);
  assert.equal(seen.admit({ member: toMemberId(2n), incarnation: 1, sequence: 1, floor: 1 }), true);
});

test("the record of seen proposals is bounded", () => {
  const seen = new SeenProposals();
  for (let sequence = 1; sequence <= 3 * maxPendingProposals; sequence++)
    seen.admit({
      member: toMemberId(1n),
      incarnation: 1,
      sequence,
      floor: Math.max(1, sequence - maxPendingProposals + 1),
    });
  assert.ok((recordsOf(seen)[0]?.bitmap.length ?? 0) <= Math.ceil(maxPendingProposals / 8));
});

test("a record is complete wherever its window is in the ring", () => {
  const seen = new SeenProposals();
  const member = toMemberId(1n);
  const floor = 2 * maxPendingProposals - 3;
  for (const ahead of [0, 2, 3, 5, 9]) seen.admit({ member, incarnation: 1, sequence: floor + ahead, floor });
  assert.deepEqual(recordsOf(seen), [{ member, incarnation: 1, floor, bitmap: Uint8Array.of(0b00101101, 0b10) }]);
});

test("a copy does not change when further proposals are admitted", () => {
  const seen = new SeenProposals();
  const first = { member: toMemberId(1n), incarnation: 1, sequence: 1, floor: 1 };
  seen.admit(first);
  const copies = seen.copy();
  const records = recordsOf(seen);
  seen.admit({ ...first, sequence: 2 });
  seen.admit({ ...first, sequence: 3, floor: 3 });
  seen.admit({ ...first, incarnation: 2, sequence: 1 });
  assert.deepEqual(
    copies.map((copy) => copy.record()),
    records,
  );
});
