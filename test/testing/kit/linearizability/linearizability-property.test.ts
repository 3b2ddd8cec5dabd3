import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "../../../support/fast-check.js";
import { checkLinearizable, type History, type Operation } from "../../../../testing/kit/index.js";
import { randomHistory } from "./random-history.js";

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

const revisionOf = ({ response }: Operation): number => Number(response?.header?.revision ?? 0n);

const withRevision = (operation: Operation, revision: number): Operation => {
  const { response } = operation;
  if (response?.header === undefined) return operation;
  return {
    ...operation,
    response: { ...response, header: { ...response.header, revision: BigInt(revision) } },
  } as Operation;
};

const replaceOperations = (history: History, changes: ReadonlyMap<Operation, Operation>): History => ({
  ...history,
  operations: history.operations.map((operation) => changes.get(operation) ?? operation),
});

const puts = ({ operations }: History): readonly Operation[] =>
  operations.filter(({ kind, outcome }) => kind === "put" && outcome === "ok");

/** Mistakes of a store, as changes of a history; undefined: the mistake is impossible in this history. */
const mistakes: Readonly<Record<string, (history: History) => History | undefined>> = {
  "a read of a value that was never written": (history) => {
    const read = history.operations.find((each) => each.kind === "get" && (each.response?.kvs.length ?? 0) > 0);
    if (read?.kind !== "get" || read.response === undefined) return undefined;
    const [first, ...others] = read.response.kvs;
    if (first === undefined) return undefined;
    const kvs = [{ ...first, value: Buffer.from("never") }, ...others];
    return replaceOperations(history, new Map([[read, { ...read, response: { ...read.response, kvs } }]]));
  },
  "a read that does not see a put that was answered before": (history) => {
    const reads = history.operations.filter(({ kind, outcome }) => kind === "get" && outcome === "ok");
    for (const read of reads) {
      const before = puts(history).filter(({ returned }) => returned < read.invoked);
      const newest = Math.max(0, ...before.map(revisionOf));
      if (newest > 2) return replaceOperations(history, new Map([[read, withRevision(read, newest - 1)]]));
    }
    return undefined;
  },
  "two puts in the order against their times": (history) => {
    const [one] = puts(history);
    const other = puts(history).find(({ invoked }) => one !== undefined && invoked > one.returned);
    if (one === undefined || other === undefined) return undefined;
    const swapped: [Operation, Operation][] = [
      [one, withRevision(one, revisionOf(other))],
      [other, withRevision(other, revisionOf(one))],
    ];
    return replaceOperations(history, new Map(swapped));
  },
  "a delete that counts one too many": (history) => {
    const found = history.operations.find(({ kind, outcome }) => kind === "delete" && outcome === "ok");
    if (found?.kind !== "delete" || found.response === undefined) return undefined;
    const response = { ...found.response, deleted: found.response.deleted + 1n };
    return replaceOperations(history, new Map([[found, { ...found, response }]]));
  },
  "a revision that is given twice": (history) => {
    const [one, other] = puts(history);
    return one && other && replaceOperations(history, new Map([[other, withRevision(other, revisionOf(one))]]));
  },
  "a put that was done although it failed": (history) => {
    const shown = new Set(
      history.operations.flatMap((each) =>
        each.kind === "get" ? (each.response?.kvs ?? []).map(({ modRevision }) => Number(modRevision)) : [],
      ),
    );
    const put = puts(history).find((each) => shown.has(revisionOf(each)));
    return put && replaceOperations(history, new Map([[put, { ...put, outcome: "failed", response: undefined }]]));
  },
};

describe("checkLinearizable", () => {
  it("accepts every history in which operations happen between call and answer", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { verdict, explanation } = checkLinearizable(randomHistory(seed, { operations: 150 }));
        assert.equal(verdict, "linearizable", explanation);
      }),
      { numRuns: 60 },
    );
  });

  for (const [what, make] of Object.entries(mistakes))
    it(`notices ${what}`, () => {
      fc.assert(
        fc.property(seeds, (seed) => {
          const wrong = make(randomHistory(seed, { operations: 100 }));
          fc.pre(wrong !== undefined);
          const { verdict, conflict, explanation } = checkLinearizable(wrong);
          assert.equal(verdict, "not-linearizable");
          assert.notEqual(conflict.length, 0);
          assert.notEqual(explanation, "");
        }),
        { numRuns: 25 },
      );
    });

  it("gives up after maxSteps", () => {
    const { verdict } = checkLinearizable(randomHistory(1), { maxSteps: 10 });
    assert.equal(verdict, "undecided");
  });

  it("refuses an invalid bound", () => {
    assert.throws(() => checkLinearizable(randomHistory(1), { maxSteps: 0 }), RangeError);
  });
});
