import { Histogram } from "../../platform/index.js";

/** The durations of one kind of work, in seconds: of successful work, and of failed work. */
export interface Durations {
  readonly success: Histogram;
  readonly failure: Histogram;
}

/** Measures the durations of several kinds of work. */
export class DurationsByKind<Kind extends string> {
  private readonly kinds = new Map<Kind, Durations>();

  /** @param bounds upper bounds of the buckets, in seconds */
  constructor(private readonly bounds: readonly number[]) {}

  /** Counts a finished piece of work. */
  observe(kind: Kind, hasSucceeded: boolean, seconds: number): void {
    let durations = this.kinds.get(kind);
    if (durations === undefined) {
      durations = { success: new Histogram(this.bounds), failure: new Histogram(this.bounds) };
      this.kinds.set(kind, durations);
    }
    (hasSucceeded ? durations.success : durations.failure).observe(seconds);
  }

  /** The durations by kind, of the kinds that occurred. */
  get all(): Iterable<readonly [Kind, Durations]> {
    return this.kinds;
  }
}
