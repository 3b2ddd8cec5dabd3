import type { Operation } from "./operation.js";

/** The verdict on a history. */
export interface Linearizability {
  /** `undecided`: there were too many orders to try; operations with unknown outcome on the same keys multiply them. */
  readonly verdict: "linearizable" | "not-linearizable" | "undecided";
  /** Operations that cannot be ordered with each other, the one that fails first. Empty unless `not-linearizable`. */
  readonly conflict: readonly Operation[];
  /** The conflict as text, for a person. Empty if `linearizable`. */
  readonly explanation: string;
}
