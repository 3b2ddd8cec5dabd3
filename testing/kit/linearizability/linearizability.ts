// Checks a history: whether its operations can have been executed one after the other, each between its call and its answer.

import { checkCount } from "../base/index.js";
import { keyGroups } from "./key-groups.js";
import { type History, hasChanged, latin1, type Operation, isReadOfPast, revisionOf } from "./operation.js";
import { operationText } from "./operation-text.js";
import { pendingOf, Revisions, stepsOf } from "./order-steps.js";
import { OrderSearch } from "./order-search.js";
import type { Linearizability } from "./verdict.js";

/** Options of `checkLinearizable`. */
export interface LinearizabilityOptions {
  /** Steps after which the check gives up, undecided. Default: 1 000 000. */
  readonly maxSteps?: number | undefined;
}

/** Default of `maxSteps`. */
const defaultMaxSteps = 1_000_000;

const linearizable: Linearizability = { verdict: "linearizable", conflict: [], explanation: "" };

/**
 * Checks that a history is linearizable: that its operations can be ordered one after the other, each between its call and its
 * answer, so that each answer is the answer of etcd in that order. The revisions of the answers determine most of the order, and
 * each answer is compared as a whole with the answer of a model. An operation of unknown outcome may be executed at any time
 * after its call, or never; a failed operation, never. Serializable reads may be stale.
 *
 * The history must contain all changes of the keys, except deletions by the end of leases. The check takes one step for each
 * operation, and more for each operation of unknown outcome, up to `maxSteps`.
 *
 * @throws TypeError if an operation is `ok` without the revision of its answer, or a read in a transaction sets a revision
 */
export const checkLinearizable = (history: History, options: LinearizabilityOptions = {}): Linearizability => {
  const { maxSteps = defaultMaxSteps } = options;
  checkCount("check a history within", maxSteps, 1);
  const answered = history.operations.filter(({ outcome }) => outcome === "ok");
  const missing = answered.find((operation) => revisionOf(operation) === undefined);
  if (missing !== undefined) throw new TypeError(`Cannot check a history: no revision in ${operationText(missing)}`);
  const past = history.operations.find(isReadOfPast);
  if (past !== undefined)
    throw new TypeError(`Cannot check a history: a transaction reads an old revision: ${operationText(past)}`);
  const revisions = new Revisions(history, answered);
  const conflict = findStaleAnswer(answered, revisions) ?? findSharedRevision(answered);
  return conflict ?? searchGroups(history, revisions, maxSteps);
};

/** Finds an answer that is older than an answer that was received before the call: it violates the order of real time. */
const findStaleAnswer = (answered: readonly Operation[], revisions: Revisions): Linearizability | undefined => {
  for (const operation of answered) {
    const known = revisions.findKnown(operation.invoked);
    const revision = Number(revisionOf(operation));
    const isChange = hasChanged(operation);
    if (operation.kind === "get" && operation.request.serializable) continue;
    if (isChange ? revision > known.revision : revision >= known.revision) continue;
    const before = known.from === undefined ? "before the history" : `by ${operationText(known.from)}`;
    const what = isChange ? "makes" : "is of";
    return {
      verdict: "not-linearizable",
      conflict: known.from === undefined ? [operation] : [operation, known.from],
      explanation: `${operationText(operation)}\n  ${what} revision ${revision}, although ${known.revision} was known ${before}`,
    };
  }
  return undefined;
};

/** Finds two operations whose answers both claim to have made the same revision. */
const findSharedRevision = (answered: readonly Operation[]): Linearizability | undefined => {
  const makers = new Map<number, Operation>();
  for (const operation of answered) {
    if (!hasChanged(operation)) continue;
    const revision = Number(revisionOf(operation));
    const other = makers.get(revision);
    if (other !== undefined)
      return {
        verdict: "not-linearizable",
        conflict: [operation, other],
        explanation: `Revision ${revision} was made twice:\n  ${operationText(other)}\n  ${operationText(operation)}`,
      };
    makers.set(revision, operation);
  }
  return undefined;
};

/** Searches an order of all operations, separately for each group of keys without common operations. */
const searchGroups = (history: History, revisions: Revisions, maxSteps: number): Linearizability => {
  const budget = { steps: maxSteps };
  let undecided: Linearizability | undefined;
  for (const group of keyGroups(history)) {
    const pending = pendingOf(group, history, revisions);
    const steps = stepsOf(group, history, revisions, pending);
    const startKeys = history.startKeys.map((kv) => [latin1(kv.key), kv] as const);
    const keys = new Map(startKeys.filter(([key]) => group.has(key)));
    const found = new OrderSearch({ keys, steps, pending, revisions, budget }).run();
    if (found?.verdict === "not-linearizable") return found;
    undecided ??= found;
  }
  return undecided ?? linearizable;
};
