// etcd's Auth: users, roles, permissions, logins.

import { asError } from "../../platform/index.js";
import {
  type AuthenticateRequest,
  type AuthenticateResponse,
  type Permission,
  Permission_Type,
} from "../../proto/index.js";
import type { Answer, KvStore } from "../../store/index.js";
import { type Passwords, type Rights, root, type TokenSource } from "../auth/index.js";
import { type Caller, type ResultHandler, ServerError } from "../base/index.js";
import type { CommandResults } from "../replication/apply/index.js";
import type { Command, CommandOf, Proposals, Reads } from "../replication/index.js";
import type { Access } from "./access.js";
import type { Application, Operations } from "./application.js";

/** The components that a login needs. */
export interface LoginParts {
  readonly tokens: TokenSource;
  readonly passwords: Passwords;
}

/** The components that the operations on users and logins need. */
export interface AuthParts extends LoginParts {
  readonly store: Pick<KvStore, "revision">;
  readonly proposals: Pick<Proposals<CommandResults>, "propose">;
  readonly reads: Pick<Reads, "startRead">;
}

type AuthName = Extract<keyof Operations, `auth${string}` | `user${string}` | `role${string}`>;
type AuthOperations = Pick<Application, AuthName>;

/** The commands that change users, roles or permissions; each has an operation of the same name. */
type AuthChangeName = Exclude<
  AuthName,
  "authStatus" | "authenticate" | "userGet" | "userList" | "roleGet" | "roleList"
>;

/** Attempts of a login, each after a change of users or roles that made the one before obsolete. */
const maxLoginAttempts = 10;

/** The permission of the role root, as etcd lists it. */
const rootPermission: Permission = {
  permType: Permission_Type.READWRITE,
  key: new Uint8Array(),
  rangeEnd: Uint8Array.of(0),
};

/** Makes the operations of etcd's Auth. */
export const authOperations = (parts: AuthParts, access: Access): AuthOperations => {
  const { store, proposals, reads, passwords } = parts;

  const propose = <Kind extends AuthChangeName>(
    command: Command & CommandOf<Kind>,
    caller: Caller,
    handler: ResultHandler<Answer<{ header: undefined }>>,
  ): void =>
    proposals.propose(
      command,
      {
        onResult: (revision) => handler.onResult({ response: { header: undefined }, revision }),
        onError: (error) => handler.onError(error),
      },
      caller.user,
    );

  /** Answers from the newest state, if the caller has the rights. */
  const read = <Result>(
    caller: Caller,
    check: (rights: Rights) => void,
    find: () => Result,
    handler: ResultHandler<Answer<Result>>,
  ): void => {
    const answer = (): void => handler.onResult({ response: find(), revision: store.revision });
    reads.startRead({
      dueSweep: 0,
      onReady: () => {
        try {
          access.runIfAllowed(caller, check, answer, handler);
        } catch (error) {
          handler.onError(error);
        }
      },
      onError: (error) => handler.onError(error),
    });
  };

  /** Hashes a password, then calls `then` with the hash. */
  const hashPassword = (
    password: string,
    handler: Pick<ResultHandler<never>, "onError">,
    then: (hash: string) => void,
  ) => {
    passwords
      .hash(password)
      .then((hash) => then(Buffer.from(hash).toString("base64")))
      .catch((error: unknown) => handler.onError(error));
  };

  return {
    authEnable: (caller, value, handler) => propose({ $case: "authEnable", value }, caller, handler),
    authDisable: (caller, value, handler) => propose({ $case: "authDisable", value }, caller, handler),
    authStatus: (caller, _request, handler) =>
      read(
        caller,
        () => undefined,
        () => ({ header: undefined, enabled: access.auth.isEnabled, authRevision: access.auth.revision }),
        handler,
      ),
    authenticate: (_caller, request, handler) => {
      logIn(parts, access, request).then(
        (answer) => handler.onResult(answer),
        (error: unknown) => handler.onError(error),
      );
    },
    userAdd: (caller, request, handler) => {
      const { name, options, password } = request;
      const add = (hashedPassword: string): void =>
        propose({ $case: "userAdd", value: { name, options, password: "", hashedPassword } }, caller, handler);
      if (options?.noPassword === true) add("");
      else hashPassword(password, handler, add);
    },
    userGet: (caller, { name }, handler) =>
      read(
        caller,
        (rights) => rights.checkUserShown(name),
        () => ({ header: undefined, roles: [...access.auth.requireUser(name).roles] }),
        handler,
      ),
    userList: (caller, _request, handler) =>
      read(
        caller,
        (rights) => rights.checkRoot(),
        () => ({ header: undefined, users: access.auth.userNames }),
        handler,
      ),
    userDelete: (caller, value, handler) => propose({ $case: "userDelete", value }, caller, handler),
    userChangePassword: (caller, request, handler) => {
      const { name, password } = request;
      const change = (hashedPassword: string): void =>
        propose({ $case: "userChangePassword", value: { name, password: "", hashedPassword } }, caller, handler);
      if (password === "")
        change(request.hashedPassword); // as in etcd, also without a password; such a user cannot log in
      else hashPassword(password, handler, change);
    },
    userGrantRole: (caller, value, handler) => propose({ $case: "userGrantRole", value }, caller, handler),
    userRevokeRole: (caller, value, handler) => propose({ $case: "userRevokeRole", value }, caller, handler),
    roleAdd: (caller, value, handler) => propose({ $case: "roleAdd", value }, caller, handler),
    roleGet: (caller, { role }, handler) =>
      read(
        caller,
        (rights) => rights.checkRoleShown(role),
        () => {
          const { keyPermission } = access.auth.requireRole(role);
          return { header: undefined, perm: role === root ? [rootPermission] : [...keyPermission] };
        },
        handler,
      ),
    roleList: (caller, _request, handler) =>
      read(
        caller,
        (rights) => rights.checkRoot(),
        () => ({ header: undefined, roles: access.auth.roleNames }),
        handler,
      ),
    roleDelete: (caller, value, handler) => propose({ $case: "roleDelete", value }, caller, handler),
    roleGrantPermission: (caller, value, handler) => propose({ $case: "roleGrantPermission", value }, caller, handler),
    roleRevokePermission: (caller, value, handler) =>
      propose({ $case: "roleRevokePermission", value }, caller, handler),
  };
};

/**
 * Checks a password and issues a token, which all members learn by the login's log entry.
 *
 * @throws ServerError
 */
const logIn = async (
  parts: AuthParts,
  access: Access,
  request: AuthenticateRequest,
): Promise<Answer<AuthenticateResponse>> => {
  await new Promise<void>((resolve, reject) => {
    parts.reads.startRead({ dueSweep: 0, onReady: resolve, onError: reject });
  });
  for (let attempt = 1; ; attempt++)
    try {
      return await logInAtRevision(parts, access, request);
    } catch (error) {
      const isOvertaken = error instanceof ServerError && error.code === "auth-revision-old";
      if (!isOvertaken || attempt === maxLoginAttempts) throw error;
    }
};

const logInAtRevision = async (
  { proposals, tokens, passwords }: AuthParts,
  access: Access,
  { name, password }: AuthenticateRequest,
): Promise<Answer<AuthenticateResponse>> => {
  const { auth } = access;
  if (!auth.isEnabled) throw new ServerError("auth-not-enabled", "authentication is off");
  const user = auth.user(name);
  if (user?.options?.noPassword === true) throw new ServerError("no-password-user", "the user has no password");
  const authRevision = auth.revision;
  const hash = user === undefined ? undefined : Buffer.from(user.password).toString();
  if (!(await passwords.verify(password, hash)))
    throw new ServerError("authentication-failed", "no such user, or a wrong password");
  const value = { name, tokenPrefix: tokens.createPrefix(), authRevision };
  const login = await new Promise<CommandResults["login"]>((resolve, reject) => {
    proposals.propose({ $case: "login", value }, { onResult: resolve, onError: (error) => reject(asError(error)) });
  });
  const token = await (login.token ?? tokens.assign(name, login.authRevision, "", login.index));
  return { response: { header: undefined, token }, revision: login.revision };
};
