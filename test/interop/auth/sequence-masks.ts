// Known differences between the answers of etcd 3.7 and minietcd to sequences; each is a row of docs/differences.md.
import { status } from "@grpc/grpc-js";
import { hasBackwardsRange } from "./backwards.js";
import { endedWith, type Outcome } from "./calls.js";
import type { Step } from "./sequence-steps.js";

export interface SequenceMask {
  readonly name: string;
  readonly reason: string;
  /** Whether only one of them may have done what was asked: then what follows cannot be compared. */
  readonly parts: boolean;
  /** Whether this, and nothing else, is how the outcomes differ. */
  readonly hides: (asked: { readonly step: Step; readonly fields: object }, etcd: Outcome, ours: Outcome) => boolean;
}

export const sequenceMasks: readonly SequenceMask[] = [
  {
    name: "long password of who may not set one",
    reason:
      "etcd hashes the password first; minietcd looks at the caller first, so that strangers cannot make it hash.",
    parts: false,
    hides: ({ step }, etcd, ours) =>
      step.kind === "auth" &&
      etcd.details === "bcrypt: password length exceeds 72 bytes" &&
      endedWith(ours, status.PERMISSION_DENIED, status.UNAUTHENTICATED, status.INVALID_ARGUMENT),
  },
  {
    name: "ranges backwards",
    reason:
      "etcd looks for permissions that touch such a range in either direction; minietcd for any. They hold no key.",
    parts: true,
    hides: ({ fields }, etcd, ours) => hasBackwardsRange(fields) && isDenied(etcd) !== isDenied(ours),
  },
];

const watchDenial = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
const isDenied = (outcome: Outcome): boolean =>
  endedWith(outcome, status.PERMISSION_DENIED) ||
  outcome.messages.some(({ cancelReason }) => cancelReason === watchDenial);
