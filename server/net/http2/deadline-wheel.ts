import type { Clock } from "../../../platform/index.js";

/** The length of a slot, in milliseconds, which is the maximum delay of an expiry; and the number of slots. */
const tickMs = 20;
const slotCount = 256;

/**
 * An item with a deadline. The wheel's links are fields of the item, so that waiting allocates nothing and removal needs no
 * search.
 */
export interface DeadlineItem {
  /** The time by the clock, in milliseconds. */
  deadlineAt: number;
  /** The slot of the item; -1: it is not in the wheel. */
  slot: number;
  next: DeadlineItem | undefined;
  previous: DeadlineItem | undefined;
  onDeadline(): void;
}

/**
 * Holds the deadlines of all calls with one timer, which runs while there are any. A deadline is in the slot of its tick; a
 * deadline beyond one turn of the wheel stays in the slot when the slot is checked.
 *
 * With slots of 20 ms, a deadline at 130 ms is in slot 6 and expires at 140 ms; a deadline at 5 250 ms is in slot 6, too (5 120
 * ms are one turn), stays there at 140 ms and expires at 5 260 ms.
 */
export class DeadlineWheel {
  private readonly slots = new Array<DeadlineItem | undefined>(slotCount).fill(undefined);
  private count = 0;
  private tick = 0;
  private stopTimer: (() => void) | undefined;

  constructor(private readonly clock: Clock) {}

  add(waiting: DeadlineItem): void {
    if (this.stopTimer === undefined) this.start();
    this.count += 1;
    const slot = Math.max(tickOf(waiting.deadlineAt), this.tick) % slotCount;
    const first = this.slots[slot];
    waiting.slot = slot;
    waiting.next = first;
    if (first !== undefined) first.previous = waiting;
    this.slots[slot] = waiting;
  }

  /** Removes an item, if it has not expired. */
  remove(waiting: DeadlineItem): void {
    const { slot, next, previous } = waiting;
    if (slot < 0) return;
    this.count -= 1;
    if (next !== undefined) next.previous = previous;
    if (previous !== undefined) previous.next = next;
    else this.slots[slot] = next;
    waiting.slot = -1;
    waiting.next = waiting.previous = undefined;
  }

  /** Removes all items. */
  stop(): void {
    this.stopTimer?.();
    this.stopTimer = undefined;
  }

  private start(): void {
    this.tick = tickOf(this.clock.now());
    this.stopTimer = this.clock.every(tickMs, () => this.turn());
  }

  private turn(): void {
    if (this.count === 0) {
      this.stop();
      return;
    }
    const now = this.clock.now();
    const last = tickOf(now);
    // After a pause of the process, every slot is checked once.
    for (let tick = Math.max(this.tick, last - slotCount); tick < last; tick++) this.expire(tick % slotCount, now);
    this.tick = last;
  }

  private expire(slot: number, now: number): void {
    const expired: DeadlineItem[] = [];
    for (let waiting = this.slots[slot]; waiting !== undefined; waiting = waiting.next)
      if (waiting.deadlineAt <= now) expired.push(waiting);
    for (const each of expired) this.remove(each);
    for (const each of expired) each.onDeadline();
  }
}

const tickOf = (ms: number): number => Math.floor(ms / tickMs);
