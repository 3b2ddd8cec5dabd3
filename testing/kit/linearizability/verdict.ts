import type { Operation } from "./operation.js";

/** The result of the check of a history. */
export interface Linearizability {
  /** `undecided`: there were too many possible orders; each operation with unknown outcome on the same keys multiplies their number. */
  readonly verdict: "linearizable" | "not-linearizable" | "undecided";
  /**
   * Operations that cannot be ordered with each other; the first is the operation whose answer does not fit. Empty unless
   * `not-linearizable`.
   */
  readonly conflict: readonly Operation[];
  /** The conflict as text for people. Empty if `linearizable`. */
  readonly explanation: string;
}
