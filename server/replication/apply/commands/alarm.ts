// The command Alarm, and the check of other commands against the active alarms.

import {
  type AlarmMember,
  type AlarmRequest,
  AlarmRequest_AlarmAction as Action,
  AlarmType,
  type RequestOp,
  type TxnRequest,
} from "../../../../proto/index.js";
import { ServerError } from "../../../base/index.js";
import type { Revision } from "../../../../store/index.js";
import type { CommandKind } from "../../index.js";
import { type AlarmRegistry, Applied, type ReplicatedState } from "./handler.js";

interface AnyCommand {
  readonly $case: CommandKind;
  readonly value: unknown;
}

/** The alarms that a command has changed, and the store's revision. */
export interface ChangedAlarms {
  readonly alarms: readonly AlarmMember[];
  readonly revision: Revision;
}

/** Activates or deactivates an alarm. */
export const alarm = (
  { action, memberID, alarm: type }: AlarmRequest,
  { alarms, store }: ReplicatedState,
): Applied<ChangedAlarms> => {
  const named: AlarmMember = { memberID, alarm: type };
  const changed = action === Action.ACTIVATE ? alarms.activate(named) : alarms.deactivate(named);
  return new Applied({ alarms: changed, revision: store.revision });
};

/**
 * Checks a command against the active alarms, by etcd's rules: CORRUPT refuses all changes of keys and leases, NOSPACE refuses
 * writes that take space. Deterministic, as the alarms are replicated.
 *
 * @throws ServerError `corrupt`, `no-space`
 */
export const checkAlarms = (command: AnyCommand, alarms: AlarmRegistry): void => {
  if (alarms.all.length === 0) return;
  if (alarms.isActive(AlarmType.CORRUPT) && isDataChange(command.$case))
    throw new ServerError("corrupt", "the alarm CORRUPT is active");
  if (alarms.isActive(AlarmType.NOSPACE) && isSpaceNeededFor(command))
    throw new ServerError("no-space", "the alarm NOSPACE is active");
};

const dataKinds = new Set<CommandKind>([
  "put",
  "deleteRange",
  "txn",
  "compact",
  "leaseGrant",
  "leaseRevoke",
  "leaseExpiry",
]);

const isDataChange = (kind: CommandKind): boolean => dataKinds.has(kind);

const isSpaceNeededFor = ({ $case: kind, value }: AnyCommand): boolean => {
  if (kind === "put" || kind === "leaseGrant") return true;
  return kind === "txn" && hasPut(value as TxnRequest);
};

/** Whether a branch has a put, at any depth: the branch that is not executed counts, too. */
const hasPut = ({ success, failure }: TxnRequest): boolean => success.some(isPut) || failure.some(isPut);

const isPut = ({ request }: RequestOp): boolean =>
  request?.$case === "requestPut" || (request?.$case === "requestTxn" && hasPut(request.value));
