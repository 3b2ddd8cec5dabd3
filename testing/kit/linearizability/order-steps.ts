// The parts of an order of operations: steps at known revisions, and pending changes, which may happen anywhere.

import type { KeyValue } from "../../../proto/index.js";
import type { KeyGroup } from "./key-groups.js";
import {
  hasChanged,
  type History,
  isWrite,
  latin1,
  type Operation,
  putsOf,
  revisionOf,
  keysShownBy,
} from "./operation.js";

/** An operation of unknown outcome, or the end of a lease: happens at a revision after `after`, or never. */
export interface PendingEffect {
  readonly number: number;
  readonly cause: Operation | { readonly kind: "lease-end"; readonly lease: bigint };
  /** The newest revision that was known at the time of the call. */
  readonly after: number;
}

/** A step of the order at a known revision. */
export type Step =
  | { readonly kind: "answered"; readonly operation: Operation; readonly revision: number; readonly isChange: boolean }
  /** A change that an answer shows and that an operation of unknown outcome made: one of `makers`. */
  | {
      readonly kind: "seen";
      readonly revision: number;
      readonly witness: Operation;
      readonly makers: readonly number[];
    };

/** The newest revision that was known at a time, and the answer with this revision. */
interface Known {
  readonly revision: number;
  readonly from: Operation | undefined;
}

/** The revisions of all answers of a history. */
export class Revisions {
  /** Answers in the order of their times; each has a newer revision than all before it. */
  private readonly reported: { readonly at: number; readonly revision: number; readonly from: Operation }[] = [];
  private readonly taken: ReadonlySet<number>;

  constructor(
    private readonly history: History,
    answered: readonly Operation[],
  ) {
    for (const from of [...answered].sort((a, b) => a.returned - b.returned)) {
      const revision = Number(revisionOf(from));
      if (revision > (this.reported.at(-1)?.revision ?? history.startRevision))
        this.reported.push({ at: from.returned, revision, from });
    }
    this.taken = new Set(answered.filter(hasChanged).map((operation) => Number(revisionOf(operation))));
  }

  /** Finds the newest revision that any client had reported before `time`. */
  findKnown(time: number): Known {
    let low = 0;
    let high = this.reported.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (Number(this.reported[middle]?.at) < time) low = middle + 1;
      else high = middle;
    }
    return this.reported[low - 1] ?? { revision: this.history.startRevision, from: undefined };
  }

  /** Whether the answer of an operation shows that the operation made the revision. */
  isTaken(revision: number): boolean {
    return this.taken.has(revision);
  }

  /** Returns the first revision after `revision` that no answered operation has made. */
  nextFree(revision: number): number {
    let next = revision + 1;
    while (this.taken.has(next)) next += 1;
    return next;
  }
}

/** Returns the operations of a group that may or may not have happened, and the ends of its leases. */
export const pendingOf = (
  { operations, has }: KeyGroup,
  history: History,
  revisions: Revisions,
): readonly PendingEffect[] => {
  const unknown = operations.filter((operation) => operation.outcome === "unknown" && isWrite(operation));
  const causes: PendingEffect["cause"][] = [...unknown];
  const leases = new Map<bigint, number>();
  for (const { key, lease } of history.startKeys) if (lease !== 0n && has(latin1(key))) leases.set(lease, -Infinity);
  for (const operation of operations)
    for (const { lease } of putsOf(operation))
      if (lease !== 0n && !leases.has(lease)) leases.set(lease, operation.invoked);
  for (const lease of leases.keys()) causes.push({ kind: "lease-end", lease });
  return causes.map((cause, number) => ({
    number,
    cause,
    after: revisions.findKnown(cause.kind === "lease-end" ? Number(leases.get(cause.lease)) : cause.invoked).revision,
  }));
};

/** Returns the steps of a group in order: by revision, and at one revision the change before the reads. */
export const stepsOf = (
  group: KeyGroup,
  history: History,
  revisions: Revisions,
  pending: readonly PendingEffect[],
): readonly Step[] => {
  const answered = group.operations
    .filter(({ outcome }) => outcome === "ok")
    .map((operation): Step => {
      const { kind, request } = operation;
      const asked = kind === "get" ? Number(request.revision) : 0;
      const revision = asked > 0 ? asked : Number(revisionOf(operation));
      return { kind: "answered", operation, revision, isChange: hasChanged(operation) };
    });
  const steps = [...answered, ...findSeenSteps(group, history, revisions, pending)];
  const since = steps.filter(({ revision }) => revision >= history.startRevision); // a read of an older revision cannot be checked
  return since.sort((a, b) => a.revision - b.revision || Number(isMade(b)) - Number(isMade(a)));
};

/** Whether the step makes its revision. */
const isMade = (step: Step): boolean => step.kind === "seen" || step.isChange;

/** Finds the changes that answers show, but that no answered operation has made. */
const findSeenSteps = (
  group: KeyGroup,
  history: History,
  revisions: Revisions,
  pending: readonly PendingEffect[],
): readonly Step[] => {
  const seen = new Map<number, { witness: Operation; makers: Set<number> }>();
  const note = (revision: number, witness: Operation, isMaker: (each: PendingEffect) => boolean): void => {
    if (revision <= history.startRevision || revisions.isTaken(revision)) return;
    const found = seen.get(revision) ?? { witness, makers: new Set(pending.map(({ number }) => number)) };
    seen.set(revision, found);
    for (const each of pending) if (each.after >= revision || !isMaker(each)) found.makers.delete(each.number);
  };
  for (const witness of group.operations)
    for (const { kv, hasValue } of keysShownBy(witness)) {
      note(Number(kv.modRevision), witness, (each) => mayPut(each, kv, hasValue));
      if (kv.createRevision !== kv.modRevision)
        note(Number(kv.createRevision), witness, (each) => mayPut(each, kv, false));
    }
  return [...seen].map(([revision, { witness, makers }]) => ({
    kind: "seen",
    revision,
    witness,
    makers: [...makers],
  }));
};

const mayPut = ({ cause }: PendingEffect, kv: KeyValue, hasValue: boolean): boolean => {
  if (cause.kind === "lease-end") return false;
  const key = latin1(kv.key);
  return putsOf(cause).some(
    (put) => latin1(put.key) === key && (!hasValue || put.ignoreValue || latin1(put.value) === latin1(kv.value)),
  );
};
