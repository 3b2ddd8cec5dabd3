// Checks the rights of a command's user when the command is applied: on every member alike, at the state that the command
// changes.

import type { ProposalUser } from "../../../../proto/index.js";
import { leaseIdFrom } from "../../../../store/index.js";
import { Rights } from "../../../auth/index.js";
import type { CommandKind, CommandOf, CommandValues } from "../../index.js";
import type { ReplicatedState } from "./handler.js";

type AccessCheck<Kind extends CommandKind> = (
  rights: Rights,
  value: CommandValues[Kind],
  state: ReplicatedState,
) => void;

const isForRoot = (rights: Rights): void => rights.checkRoot();

/** The check of each kind of command, by etcd's rules; undefined: no check. */
const checks: { readonly [Kind in CommandKind]: AccessCheck<Kind> | undefined } = {
  put: (rights, request, { store }) => rights.checkPut(request, store),
  deleteRange: (rights, request) => rights.checkDeleteRange(request),
  txn: (rights, request, { store }) => rights.checkTxn(request, store),
  compact: isForRoot,
  publish: undefined,
  leaseGrant: (rights) => void rights.checkUser(),
  leaseRevoke: (rights, { ID }, { store }) => {
    rights.checkUser();
    rights.checkLeaseWrite(leaseIdFrom(ID), store);
  },
  leaseExpiry: undefined,
  leaseCheckpoint: undefined,
  alarm: isForRoot,
  authEnable: isForRoot,
  authDisable: isForRoot,
  login: undefined,
  userAdd: isForRoot,
  userDelete: isForRoot,
  userChangePassword: isForRoot,
  userGrantRole: isForRoot,
  userRevokeRole: isForRoot,
  roleAdd: isForRoot,
  roleDelete: isForRoot,
  roleGrantPermission: isForRoot,
  roleRevokePermission: isForRoot,
};

/** Commands that members propose by themselves, too. Such a proposal has no user; a client's has at least an empty name. */
const ownKinds = new Set<CommandKind>(["compact", "alarm"]);

/**
 * Checks a command while authentication is on.
 *
 * @param user the user of the request; undefined: a client while authentication was off, or a member
 * @throws ServerError if the user does not have the rights
 */
export const checkAccess = <Kind extends CommandKind>(
  command: CommandOf<Kind>,
  state: ReplicatedState,
  user: ProposalUser | undefined,
): void => {
  if (user === undefined && ownKinds.has(command.$case)) return;
  const check: (typeof checks)[Kind] = checks[command.$case];
  check?.(new Rights(state.auth, user?.name === "" ? undefined : user), command.value, state);
};
