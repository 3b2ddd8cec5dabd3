import { asError } from "../../platform/index.js";
import type { StoreClock } from "./clock.js";
import type { Sliced } from "./slices.js";

/** Long work that continues in a later turn. */
interface WaitingWork {
  readonly goOn: () => void;
  /** Tells whether the work of the turn is done when `goOn` returns. */
  readonly isAtOnce: boolean;
}

/** Bounds of the work in one turn of the event loop. */
export interface TurnLimits {
  readonly entriesPerSlice: number;
  readonly diskReadsPerSlice: number;
}

/** The time after which a turn's budget ends early: code that V8 has not compiled yet takes ten times as long. */
const maxTurnMs = 2;
/** The part of the budget after which the clock is read again. */
const partOfLook = 1 / 64;

/**
 * Divides the turns of the event loop among the long work of a store. All long reads, the compaction and the catch-up of watchers share
 * one budget per turn, so many of them at once delay other work no longer than one does. Example, a budget of 1000 entries:
 *
 *   spend(700)   false: 300 are left for this turn
 *   spend(400)   true: the caller must pause
 *   pause()      resolves in a later turn, which has 1000 again; waiting work continues first come, first served
 */
export class Turns {
  /** The used part of this turn's budget, from 0; all of it is 1. */
  private spent = 0;
  private beganAt = 0;
  /** The used part of the budget at which the clock is read next. */
  private nextLook = partOfLook;
  private isRenewalAhead = false;
  private readonly waiting: WaitingWork[] = [];

  constructor(
    private readonly clock: StoreClock,
    private readonly limits: TurnLimits,
  ) {}

  /** Tells whether this turn's budget is used up. */
  get isOver(): boolean {
    return this.spent >= 1;
  }

  /**
   * Subtracts finished work from the budget.
   *
   * @param entries visited index entries, or work of the same cost: some hundred bytes that are encoded or hashed
   * @returns true if the caller must pause
   */
  spend(entries: number, diskReads = 0): boolean {
    if (this.spent === 0) this.beganAt = this.clock.now();
    this.spent += entries / this.limits.entriesPerSlice + diskReads / this.limits.diskReadsPerSlice;
    this.renewSoon();
    if (this.spent >= this.nextLook) this.lookAtTime();
    return this.isOver;
  }

  /** Resolves in a later turn, so that other work runs before long work continues. */
  pause(): Promise<void> {
    return new Promise((resolve) => {
      this.wait({ goOn: resolve, isAtOnce: false });
    });
  }

  /** Runs work in slices, from a later turn on. `check` is called before each slice; an error that it throws ends the work. */
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

  private wait(waiting: WaitingWork): void {
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
      if (!next.isAtOnce) break; // the resumed work runs after this, in the same turn, and may use all of the budget
    }
    if (this.waiting.length > 0) this.renewSoon();
  }
}
