import type { ProposalUser } from "../../../../proto/index.js";
import type { Entry } from "../../../../raft/index.js";
import type { Sliced } from "../../../../store/index.js";
import type { CommandKind, CommandOf } from "../../index.js";
import { checkAccess } from "./access.js";
import { alarm, checkAlarms } from "./alarm.js";
import * as auth from "./auth.js";
import { Applied, type Handler, type ReplicatedState } from "./handler.js";
import { compact, txn } from "./kv.js";
import { leaseCheckpoint, leaseExpiry, leaseGrant, leaseRevoke } from "./lease.js";
import { publish } from "./member.js";

/** The handler of each kind of command: a method of the store, or a function in this folder. A missing kind does not compile. */
const handlers = {
  put: (request, { store }) => new Applied(store.put(request)),
  deleteRange: (request, { store }) => store.deleteRange(request),
  txn,
  compact,
  publish,
  leaseGrant,
  leaseRevoke,
  leaseExpiry,
  leaseCheckpoint,
  alarm,
  authEnable: auth.authEnable,
  authDisable: auth.authDisable,
  login: auth.login,
  userAdd: auth.userAdd,
  userDelete: auth.userDelete,
  userChangePassword: auth.userChangePassword,
  userGrantRole: auth.userGrantRole,
  userRevokeRole: auth.userRevokeRole,
  roleAdd: auth.roleAdd,
  roleDelete: auth.roleDelete,
  roleGrantPermission: auth.roleGrantPermission,
  roleRevokePermission: auth.roleRevokePermission,
} satisfies {
  readonly [Kind in CommandKind]: Handler<Kind>;
};

/** The result of each kind of command. */
export type CommandResults = {
  readonly [Kind in CommandKind]: (typeof handlers)[Kind] extends (
    ...args: never
  ) => Applied<infer Result> | Sliced<infer Result>
    ? Result
    : never;
};

type CommandOutcome<Result> = Applied<Result> | Sliced<Result>;

const table: {
  readonly [Kind in CommandKind]: (...args: Parameters<Handler<Kind>>) => CommandOutcome<CommandResults[Kind]>;
} = handlers;

/**
 * Applies a command to `state`, at once or in slices.
 *
 * @param position the log position of the command's entry
 * @param user the user of the request; undefined: a client while authentication was off, or a member
 * @throws StoreError, ServerError if nothing changed, on every member alike
 */
export const applyCommand = <Kind extends CommandKind>(
  command: CommandOf<Kind>,
  state: ReplicatedState,
  position: Pick<Entry, "index" | "term">,
  user: ProposalUser | undefined,
): CommandOutcome<CommandResults[Kind]> => {
  checkAlarms(command, state.alarms);
  if (state.auth.isEnabled) checkAccess(command, state, user);
  const handler: (typeof table)[Kind] = table[command.$case];
  return handler(command.value, state, position);
};
