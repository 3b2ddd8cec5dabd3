// Searches an order of the operations of one group of keys in which a model gives the same answers.

import { messageText } from "../../index.js";
import { type KeySpan, type Operation, haveCommonKey, spansOf } from "./operation.js";
import { answerText, operationText } from "./operation-text.js";
import { type ModelKeys, runOn, runPending } from "./order-model.js";
import type { PendingEffect, Revisions, Step } from "./order-steps.js";
import type { Linearizability } from "./verdict.js";

/** The parts of a search. */
export interface SearchParts {
  /** The keys before the first step. */
  readonly keys: ModelKeys;
  /** Steps at known revisions, in their order. */
  readonly steps: readonly Step[];
  /** Changes that may happen before any step, or never. */
  readonly pending: readonly PendingEffect[];
  readonly revisions: Revisions;
  /** The number of remaining steps of the search; shared with the searches of other groups. */
  readonly budget: { steps: number };
}

/** A position in the order, with the options to continue from it. */
interface Frame {
  /** Number of the next step. */
  readonly at: number;
  readonly keys: ModelKeys;
  /** Pending changes before this position, by number, with the revisions that they made. */
  readonly used: ReadonlyMap<number, number>;
  /** Options to take the next step, followed by the pending changes that may happen before it. */
  options: readonly Option[];
  next: number;
}

/** An option to continue. */
interface Option {
  /** True: takes the next step. */
  readonly isStep: boolean;
  /** The pending change that happens, or the maker of a seen change. */
  readonly pending: PendingEffect | undefined;
}

type AnsweredStep = Step & { readonly kind: "answered" };

/** A pending change at a position. */
interface Insertion {
  readonly step: Step;
  /** True: it makes the change of the step; false: it happens before the step. */
  readonly isStep: boolean;
  readonly pending: PendingEffect;
}

/** The furthest step that no order could pass. */
interface Obstacle {
  readonly at: number;
  /** The answer that the model gives. */
  readonly expected: string;
}

const nobody = "no pending operation can have made this revision";

/**
 * A depth-first search of an order. Each position continues with the next step, or with a pending change before it. A pending
 * change happens as late as possible: directly before a step of the same keys, because it could be exchanged with any other step.
 */
export class OrderSearch {
  /** Pending changes that are known to have made a certain revision. */
  private readonly reserved: ReadonlySet<number>;
  private readonly seen: ReadonlySet<number>;
  private readonly spans: readonly (readonly KeySpan[])[];
  /** Positions from which no order was found. */
  private readonly failed = new Set<string>();
  private obstacle: Obstacle = { at: -1, expected: "" };

  constructor(private readonly parts: SearchParts) {
    const seen = parts.steps.filter((step) => step.kind === "seen");
    this.seen = new Set(seen.map(({ revision }) => revision));
    this.reserved = new Set(seen.flatMap(({ makers }) => (makers.length === 1 ? makers : [])));
    const spansOfMaker = (number: number): readonly KeySpan[] => {
      const cause = parts.pending[number]?.cause;
      return cause === undefined || cause.kind === "lease-end" ? [] : spansOf(cause);
    };
    this.spans = parts.steps.map((step) => {
      const makers = step.kind === "seen" ? step.makers.flatMap(spansOfMaker) : [];
      return [...spansOf(operationOf(step)), ...makers];
    });
  }

  /** Runs the search. @returns undefined if there is an order */
  run(): Linearizability | undefined {
    const { steps, budget, keys } = this.parts;
    if (steps.length === 0) return undefined;
    const frames: Frame[] = [this.frame(0, keys, new Map())];
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const option = this.nextOption(frame);
      if (option === undefined) {
        if (this.parts.pending.length > 0) this.failed.add(placeOf(frame));
        frames.pop();
        continue;
      }
      if (budget.steps-- <= 0) return this.verdict("undecided");
      const next = this.goOn(frame, option);
      if (next?.at === steps.length) return undefined;
      if (next !== undefined && !(this.failed.size > 0 && this.failed.has(placeOf(next)))) frames.push(next);
    }
    return this.verdict("not-linearizable");
  }

  private frame(at: number, keys: ModelKeys, used: Frame["used"]): Frame {
    const step = this.parts.steps[at];
    if (step?.kind !== "seen") return { at, keys, used, options: [{ isStep: true, pending: undefined }], next: 0 };
    this.noteObstacle(at, nobody);
    const makers = this.parts.pending.filter(({ number }) => step.makers.includes(number) && !used.has(number));
    return { at, keys, used, options: makers.map((pending) => ({ isStep: true, pending })), next: 0 };
  }

  /** Returns the next option; pending changes before the step are considered only when the step itself has failed. */
  private nextOption(frame: Frame): Option | undefined {
    const { options } = frame;
    if (frame.next === options.length && (options.at(-1)?.isStep ?? true))
      frame.options = [...options, ...this.findRelevant(frame).map((pending) => ({ isStep: false, pending }))];
    return frame.options[frame.next++];
  }

  /** Takes a step, or a pending change. @returns the position after it; undefined if the answer differs */
  private goOn(frame: Frame, { isStep, pending }: Option): Frame | undefined {
    const step = this.parts.steps[frame.at];
    if (step === undefined) return undefined;
    if (step.kind === "answered" && isStep) return this.takeStep(frame, step);
    return pending && this.insert(frame, { step, isStep, pending });
  }

  private takeStep({ at, keys, used }: Frame, { operation, revision, isChange }: AnsweredStep): Frame | undefined {
    const result = runOn(keys, operation, isChange ? revision : revision + 1);
    const isSame = messageText(result.answer?.response, "header") === messageText(operation.response, "header");
    if (isSame && result.isChange === isChange) return this.frame(at + 1, result.keys, used);
    this.noteObstacle(at, result.answer === undefined ? "an error" : answerText(result.answer));
    return undefined;
  }

  private insert({ at, keys, used }: Frame, { step, isStep, pending }: Insertion): Frame | undefined {
    const isMade = step.kind === "seen" || step.isChange;
    const revision = isStep ? step.revision : this.findFreeRevision(pending, at, used);
    if (!isStep && revision > (isMade ? step.revision - 1 : step.revision)) return undefined;
    const changed = runPending(keys, pending, revision);
    if (changed === undefined) return undefined;
    // The end of a lease stays unused: the lease may be granted again under the same id, and end again.
    const after = pending.cause.kind === "lease-end" ? used : new Map([...used, [pending.number, revision]]);
    return this.frame(isStep ? at + 1 : at, changed, after);
  }

  /** Returns the first revision that a pending change may have made: after all earlier steps of the same keys. */
  private findFreeRevision(pending: PendingEffect, at: number, used: Frame["used"]): number {
    const { steps, revisions } = this.parts;
    let last = at - 1;
    while (last >= 0 && !mayTouch(pending, this.spans[last] ?? [])) last -= 1;
    const taken = [...used.values()];
    let revision = revisions.nextFree(Math.max(pending.after, steps[last]?.revision ?? 0));
    while (this.seen.has(revision) || taken.includes(revision)) revision = revisions.nextFree(revision);
    return revision;
  }

  /** Returns the unused pending changes of the next step's keys, and, transitively, of the keys of these changes. */
  private findRelevant({ at, used }: Frame): readonly PendingEffect[] {
    const free = this.parts.pending.filter(({ number }) => !used.has(number) && !this.reserved.has(number));
    const found = new Set<PendingEffect>();
    const reach = (spans: readonly KeySpan[]): void => {
      for (const each of free) {
        if (found.has(each) || !mayTouch(each, spans)) continue;
        found.add(each);
        if (each.cause.kind !== "lease-end") reach(spansOf(each.cause));
      }
    };
    reach(this.spans[at] ?? []);
    return [...found];
  }

  private noteObstacle(at: number, expected: string): void {
    if (at > this.obstacle.at) this.obstacle = { at, expected };
  }

  private verdict(verdict: "undecided" | "not-linearizable"): Linearizability {
    const { at, expected } = this.obstacle;
    const step = this.parts.steps[at];
    if (step === undefined) return { verdict, conflict: [], explanation: "No step was tried" };
    const before = this.lastChangeBefore(at);
    const what =
      step.kind === "seen" ? `shows a change of revision ${step.revision}: ${expected}` : `should be: ${expected}`;
    const after = before === undefined ? "" : `\n  after ${operationText(before)}`;
    const explanation = `${operationText(operationOf(step))}\n  ${what}${after}`;
    if (verdict === "not-linearizable")
      return { verdict, conflict: [operationOf(step), ...(before === undefined ? [] : [before])], explanation };
    return { verdict, conflict: [], explanation: `Not all orders were tried. The hardest to place: ${explanation}` };
  }

  /** Returns the last change of the keys of the next step. */
  private lastChangeBefore(at: number): Operation | undefined {
    const { steps } = this.parts;
    for (let n = at - 1; n >= 0; n--) {
      const step = steps[n];
      const isMeant = step?.kind === "answered" && step.isChange;
      if (isMeant && haveCommonKey(this.spans[n] ?? [], this.spans[at] ?? [])) return step.operation;
    }
    return undefined;
  }
}

const operationOf = (step: Step): Operation => (step.kind === "seen" ? step.witness : step.operation);

/** Returns a text that is equal for positions from which the search would be the same. */
const placeOf = ({ at, keys, used }: Frame): string =>
  `${at} ${[...used.keys()].sort((a, b) => a - b).join()} ${messageText([...keys.values()])}`;

const mayTouch = ({ cause }: PendingEffect, spans: readonly KeySpan[]): boolean =>
  cause.kind === "lease-end" || haveCommonKey(spans, spansOf(cause));
