// Known differences of the matrix between etcd 3.7 and minietcd; each is a row of docs/differences.md.
import { status } from "@grpc/grpc-js";
import { hasBackwardsRange } from "./backwards.js";
import { hasEndedWith, type Outcome } from "./calls.js";
import type { CellMask } from "./cells.js";

/** Methods that minietcd does not have yet. */
const missing = /^(Cluster\/Member(Add|Remove|Update|Promote)|Maintenance\/Snapshot)$/;

const longPassword = "bcrypt: password length exceeds 72 bytes";

const watchDenial = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
const isDenied = (outcome: Outcome): boolean =>
  hasEndedWith(outcome, status.PERMISSION_DENIED) ||
  outcome.messages.some(({ cancelReason }) => cancelReason === watchDenial);

export const masks: readonly CellMask[] = [
  {
    name: "methods that are not there yet",
    reason: "Changes of members and snapshots are refused, whoever asks.",
    hides: ({ call }, _etcd, ours) => missing.test(call.method) && hasEndedWith(ours, status.UNIMPLEMENTED),
  },
  {
    name: "long password of who may not set one",
    reason:
      "etcd hashes the password first; minietcd looks at the caller first, so that strangers cannot make it hash.",
    hides: (_cell, etcd, ours) =>
      etcd.details === longPassword &&
      hasEndedWith(ours, status.PERMISSION_DENIED, status.UNAUTHENTICATED, status.INVALID_ARGUMENT),
  },
  {
    name: "observers who may not observe",
    reason: "etcd ends their streams with OK and without a word; minietcd says why.",
    hides: ({ call }, etcd, ours) =>
      call.method === "Election/Observe" && hasEndedWith(etcd, status.OK) && hasEndedWith(ours, status.UNKNOWN),
  },
  {
    name: "ranges backwards",
    reason:
      "etcd looks for permissions that touch such a range in either direction; minietcd for any. They hold no key.",
    hides: ({ call }, etcd, ours) => hasBackwardsRange(call.fields) && isDenied(etcd) !== isDenied(ours),
  },
];
