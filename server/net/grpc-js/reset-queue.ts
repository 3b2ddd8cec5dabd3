/**
 * Node answers the thousandth RST_STREAM in a burst, or more than 33 a second after that, with a GOAWAY that ends every call of
 * the connection; resets are passed on at a lower rate.
 */
const burst = 900;
const perSecond = 30;
/** The maximum number of queued resets; one more ends the connection. */
export const maxWaitingResets = 10_000;

/** Passes the resets of a client on at the rate that Node allows, in order. A reset is dropped if its call has ended meanwhile. */
export class ResetQueue {
  private waiting: { readonly stream: number; readonly frame: Buffer }[] = [];
  private allowance = burst;
  private countedAt: number | undefined;

  constructor(
    private readonly isOpen: (stream: number) => boolean,
    private readonly forward: (stream: number, frame: Buffer) => void,
  ) {}

  /** @returns false: the queue is full */
  add(nowMs: number, stream: number, frame: Buffer): boolean {
    this.waiting.push({ stream, frame: Buffer.from(frame) });
    this.run(nowMs);
    if (this.waiting.length > maxWaitingResets) this.waiting = this.waiting.filter((each) => this.isOpen(each.stream));
    return this.waiting.length <= maxWaitingResets;
  }

  /** Passes on the resets that are due. @returns the milliseconds until the next one; undefined: the queue is empty */
  run(nowMs: number): number | undefined {
    this.refill(nowMs);
    let taken = 0;
    for (const { stream, frame } of this.waiting) {
      const isOpen = this.isOpen(stream);
      if (isOpen && this.allowance < 1) break;
      taken += 1;
      if (!isOpen) continue;
      this.allowance -= 1;
      this.forward(stream, frame);
    }
    this.waiting.splice(0, taken);
    return this.waiting.length === 0 ? undefined : ((1 - this.allowance) / perSecond) * 1_000;
  }

  private refill(nowMs: number): void {
    const elapsedMs = nowMs - (this.countedAt ?? nowMs);
    this.countedAt = nowMs;
    this.allowance = Math.min(burst, this.allowance + (elapsedMs / 1_000) * perSecond);
  }
}
