// Known differences between the answers of etcd 3.7 and minietcd to sequences; each is a row of docs/differences.md.
import type { Outcome } from "./calls.js";
import type { Step } from "./sequence-steps.js";

export interface SequenceMask {
  readonly name: string;
  readonly reason: string;
  /** Whether this, and nothing else, is how the outcomes differ. */
  readonly hides: (step: Step, etcd: Outcome, ours: Outcome) => boolean;
}

export const sequenceMasks: readonly SequenceMask[] = [];
