import { asError } from "../../platform/index.js";
import type { StoreClock } from "./clock.js";
import type { Sliced } from "./slices.js";

/** Long work that goes on in a later turn. */
interface Waiting {
  readonly goOn: () => void;
  /** Whether the work has been done when `goOn` returns. */
  readonly isAtOnce: boolean;
}

/** Bounds of the work in one turn of the event loop. */
export interface TurnLimits {
  readonly entriesPerSlice: number;
  readonly diskReadsPerSlice: number;
}

/** A turn's budget ends early once its work has taken so long: code that is not compiled yet takes ten times as long as later. */
const maxTurnMs = 2;
/** The time is looked at whenever this part of the budget is used up. */
const partOfLook = 1 / 64;

/**
 * Shares out turns of the event loop. All long reads of a store, its compaction and its watchers' past draw on one budget
 * for each turn, so that many of them at once hold up nobody for longer than one does. With a budget of 1000 entries:
 *
 *   spend(700)   false: 300 are left for this turn
 *   spend(400)   true: it is time to pause
 *   pause()      resolves in the next turn, which has 1000 again; those that wait go on in the order in which they came
 */
export class Turns {
  /** The part of this turn's budget that is used up; 1 is all of it. */
  private spent = 0;
  private beganAt = 0;
  /** The part of the budget after which the time is looked at next. */
  private nextLook = partOfLook;
  private isRenewalAhead = false;
  private readonly waiting: Waiting[] = [];

  constructor(
    private readonly clock: StoreClock,
    private readonly limits: TurnLimits,
  ) {}

  /** Whether nothing is left of this turn's budget. */
  get isOver(): boolean {
    return this.spent >= 1;
  }

  /**
   * Takes work that was done off the budget.
   *
   * @param entries index entries, or what costs as much: some hundred bytes that are encoded or hashed
   * @returns whether it is time to pause
   */
  spend(entries: number, diskReads = 0): boolean {
    if (this.spent === 0) this.beganAt = this.clock.now();
    this.spent += entries / this.limits.entriesPerSlice + diskReads / this.limits.diskReadsPerSlice;
    this.renewSoon();
    if (this.spent >= this.nextLook) this.lookAtTime();
    return this.isOver;
  }

  /** Lets others run before long work goes on. */
  pause(): Promise<void> {
    return new Promise((resolve) => {
      this.wait({ goOn: resolve, isAtOnce: false });
    });
  }

  /** Runs work that need not begin at once, pausing where it yields. `check` throws if it is to end. */
  run<T>(work: Sliced<T>, check: () => void = () => undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const goOn = (): void => {
        try {
          check();
          const step = work.next();
          if (step.done === true) resolve(step.value);
          else this.wait({ goOn, isAtOnce: true });
        } catch (error) {
          reject(asError(error));
        }
      };
      this.wait({ goOn, isAtOnce: true });
    });
  }

  private lookAtTime(): void {
    this.nextLook = this.spent + partOfLook;
    if (this.clock.now() - this.beganAt >= maxTurnMs) this.spent = Math.max(1, this.spent);
  }

  private wait(waiting: Waiting): void {
    this.waiting.push(waiting);
    this.renewSoon();
  }

  private renewSoon(): void {
    if (this.isRenewalAhead) return;
    this.isRenewalAhead = true;
    this.clock.soon(() => this.renew());
  }

  private renew(): void {
    this.isRenewalAhead = false;
    this.spent = 0;
    this.nextLook = partOfLook;
    while (!this.isOver) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      next.goOn();
      if (!next.isAtOnce) break; // its work is still to come in this turn, and may take all of the budget
    }
    if (this.waiting.length > 0) this.renewSoon();
  }
}
