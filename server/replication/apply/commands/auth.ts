// Changes of users, roles and permissions; logins.

import type { Revision } from "../../../../store/index.js";
import type { Entry } from "../../../../raft/index.js";
import type { AuthState } from "../../../auth/index.js";
import { ServerError } from "../../../base/index.js";
import type { CommandKind, CommandValues } from "../../index.js";
import { Applied, type ReplicatedState } from "./handler.js";

type AuthHandler<Kind extends CommandKind> = (value: CommandValues[Kind], state: ReplicatedState) => Applied<Revision>;

/** Makes the handler of a change; its result is the store's revision, which the change does not raise. */
const change =
  <Kind extends CommandKind>(
    make: (auth: AuthState, value: CommandValues[Kind], state: ReplicatedState) => void,
  ): AuthHandler<Kind> =>
  (value, state) => {
    make(state.auth, value, state);
    state.onAuthChanged();
    return new Applied(state.store.revision);
  };

/** Turns authentication on. @throws ServerError `root-user-missing`, `root-role-missing` */
export const authEnable = change<"authEnable">((auth) => auth.enable());

/** Turns authentication off, and drops all tokens. */
export const authDisable = change<"authDisable">((auth, _request, { tokens }) => {
  if (auth.disable()) tokens.dropAll();
});

/**
 * Adds a user; its password arrives hashed.
 *
 * @throws ServerError `user-name-empty`, `user-exists`, `no-password-user`, `auth-limit`
 */
export const userAdd = change<"userAdd">((auth, request) => auth.addUser(request));

/** Deletes a user, and drops its tokens. @throws ServerError `invalid-auth-management`, `user-not-found` */
export const userDelete = change<"userDelete">((auth, { name }, { tokens }) => {
  auth.deleteUser(name);
  tokens.dropUser(name);
});

/**
 * Changes a password, and drops the user's tokens.
 *
 * @throws ServerError `user-not-found`, `no-password-user`, `auth-limit`
 */
export const userChangePassword = change<"userChangePassword">((auth, request, { tokens }) => {
  auth.changePassword(request);
  tokens.dropUser(request.name);
});

/** Gives a role to a user. @throws ServerError `user-not-found`, `role-not-found`, `auth-limit` */
export const userGrantRole = change<"userGrantRole">((auth, { user, role }) => auth.grantRole(user, role));

/** Takes a role from a user. @throws ServerError `invalid-auth-management`, `user-not-found`, `role-not-granted` */
export const userRevokeRole = change<"userRevokeRole">((auth, { name, role }) => auth.revokeRole(name, role));

/** Adds a role without permissions. @throws ServerError `role-name-empty`, `role-exists`, `auth-limit` */
export const roleAdd = change<"roleAdd">((auth, { name }) => auth.addRole(name));

/** Deletes a role, also from all users. @throws ServerError `invalid-auth-management`, `role-not-found` */
export const roleDelete = change<"roleDelete">((auth, { role }) => auth.deleteRole(role));

/**
 * Adds a permission to a role, or changes the type of the permission for the same keys.
 *
 * @throws ServerError `permission-not-given`, `invalid-auth-management`, `role-not-found`, `auth-limit`
 */
export const roleGrantPermission = change<"roleGrantPermission">((auth, request) => auth.grantPermission(request));

/**
 * Removes the permission for exactly these keys from a role.
 *
 * @throws ServerError `role-not-found`, `permission-not-granted`
 */
export const roleRevokePermission = change<"roleRevokePermission">((auth, request) => auth.revokePermission(request));

/** An applied login. */
export interface LoggedIn {
  readonly revision: Revision;
  /** The log index of the login. */
  readonly index: Entry["index"];
  /** The auth revision. */
  readonly authRevision: bigint;
  /** The token, if the members store tokens. */
  readonly token: string | Promise<string> | undefined;
}

/**
 * Issues a user's token on every member, if the auth revision is still that of the password's check.
 *
 * @throws ServerError `auth-not-enabled`, `auth-revision-old`, `authentication-failed`
 */
export const login = (
  { name, tokenPrefix, authRevision: checkedAt }: CommandValues["login"],
  { auth, tokens, store }: ReplicatedState,
  { index }: Pick<Entry, "index">,
): Applied<LoggedIn> => {
  if (!auth.isEnabled) throw new ServerError("auth-not-enabled", "authentication is off");
  const { revision: authRevision } = auth;
  if (authRevision !== checkedAt)
    throw new ServerError("auth-revision-old", `checked at revision ${checkedAt}, it is ${authRevision} now`);
  const user = auth.user(name);
  if (user === undefined || user.options?.noPassword === true)
    throw new ServerError("authentication-failed", "no user with this name and a password");
  const token = tokenPrefix === "" ? undefined : tokens.assign(name, authRevision, tokenPrefix, index);
  return new Applied({ revision: store.revision, index, authRevision, token });
};
