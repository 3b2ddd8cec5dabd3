// Known differences between the answers of etcd 3.7 and minietcd to sequences; each has a row in docs/differences.md.
import { status } from "@grpc/grpc-js";
import type { TxnRequest } from "../../../proto/index.js";
import { hasBackwardsRange } from "./backwards.js";
import { hasEndedWith, type Outcome } from "./calls.js";
import type { Step } from "./sequence-steps.js";

export interface SequenceMask {
  readonly name: string;
  readonly reason: string;
  /** Whether only one server may have carried out the request, so that later answers cannot be compared. */
  readonly parts: boolean;
  /** Tells whether the outcomes differ in this way, and in no other. */
  readonly hides: (asked: { readonly step: Step; readonly fields: object }, etcd: Outcome, ours: Outcome) => boolean;
}

/** Tells whether a request is a transaction without operations, apart from such transactions. */
const asksForNothing = ({ compare, success, failure }: Partial<TxnRequest>): boolean =>
  compare?.length === 0 &&
  [...(success ?? []), ...(failure ?? [])].every(
    ({ request }) => request?.$case === "requestTxn" && asksForNothing(request.value),
  );

export const sequenceMasks: readonly SequenceMask[] = [
  {
    name: "long password of who may not set one",
    reason:
      "etcd hashes the password first; minietcd looks at the caller first, so that strangers cannot make it hash.",
    parts: false,
    hides: ({ step }, etcd, ours) =>
      step.kind === "auth" &&
      etcd.details === "bcrypt: password length exceeds 72 bytes" &&
      hasEndedWith(ours, status.PERMISSION_DENIED, status.UNAUTHENTICATED, status.INVALID_ARGUMENT),
  },
  {
    name: "transactions of nothing but empty transactions",
    reason: "etcd carries them out for callers without a token, as it does an empty one; minietcd only the empty one.",
    parts: false,
    hides: ({ fields }, etcd, ours) =>
      hasEndedWith(etcd, status.OK) && ours.details === "etcdserver: user name is empty" && asksForNothing(fields),
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
  hasEndedWith(outcome, status.PERMISSION_DENIED) ||
  outcome.messages.some(({ cancelReason }) => cancelReason === watchDenial);
