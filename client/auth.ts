// Users, roles, and turning authentication on and off.
import {
  AuthDefinition,
  counterFromResponse,
  Permission_Type,
  type Permission as WirePermission,
} from "../proto/index.js";
import { type Bytes, intervalOf, type KeyInterval } from "./kv/index.js";
import { type Endpoints, type Header, headerOf, type RequestOptions, unaryMethod } from "./transport/index.js";

/** An answer that contains only a header. */
export interface AuthResult {
  readonly header: Header;
}

/** Whether authentication is on. @see etcd v3 API, AuthStatusResponse */
export interface AuthStatusResult extends AuthResult {
  /** Whether requests need a user. */
  readonly enabled: boolean;
  /** Incremented by each change of users, roles and permissions. */
  readonly authRevision: number;
}

/** A user to add: with a password, with the bcrypt hash of a password, or without a password, authenticated only by a certificate. */
export type UserToAdd = { readonly user: string } & (
  { readonly password: string } | { readonly hashedPassword: string } | { readonly noPassword: true }
);

/** A user's new password, or its bcrypt hash. */
export type UserPassword = { readonly user: string } & (
  { readonly password: string } | { readonly hashedPassword: string }
);

/** A user and a role. */
export interface UserRole {
  readonly user: string;
  readonly role: string;
}

/** The access that a permission grants. */
export type PermissionType = "read" | "write" | "readwrite";

/** A role, and the key or the interval of keys of one of its permissions. */
export interface RoleKeys extends KeyInterval {
  readonly role: string;
  /** The key, or the first key of the interval. */
  readonly key: Bytes;
}

/** A permission that a role has. @see etcd v3 API, authpb.Permission */
export interface Permission {
  readonly type: PermissionType;
  /** The key, or the first key of the interval. */
  readonly key: Uint8Array;
  /** The first key after the interval. Empty: only `key`. A zero byte: all keys from `key` on. */
  readonly rangeEnd: Uint8Array;
}

const { methods } = AuthDefinition;
const enable = unaryMethod("write", AuthDefinition, methods.authEnable);
const disable = unaryMethod("write", AuthDefinition, methods.authDisable);
const status = unaryMethod("read", AuthDefinition, methods.authStatus);
const userAdd = unaryMethod("write", AuthDefinition, methods.userAdd);
const userGet = unaryMethod("read", AuthDefinition, methods.userGet);
const userList = unaryMethod("read", AuthDefinition, methods.userList);
const userDelete = unaryMethod("write", AuthDefinition, methods.userDelete);
const userChangePassword = unaryMethod("write", AuthDefinition, methods.userChangePassword);
const userGrantRole = unaryMethod("write", AuthDefinition, methods.userGrantRole);
const userRevokeRole = unaryMethod("write", AuthDefinition, methods.userRevokeRole);
const roleAdd = unaryMethod("write", AuthDefinition, methods.roleAdd);
const roleGet = unaryMethod("read", AuthDefinition, methods.roleGet);
const roleList = unaryMethod("read", AuthDefinition, methods.roleList);
const roleDelete = unaryMethod("write", AuthDefinition, methods.roleDelete);
const roleGrantPermission = unaryMethod("write", AuthDefinition, methods.roleGrantPermission);
const roleRevokePermission = unaryMethod("write", AuthDefinition, methods.roleRevokePermission);

const permissionTypes = {
  read: Permission_Type.READ,
  write: Permission_Type.WRITE,
  readwrite: Permission_Type.READWRITE,
} as const satisfies Record<PermissionType, Permission_Type>;

/**
 * Changes need the role root once authentication is enabled. A change that the server refuses is an EtcdError with etcd's text.
 *
 * @see etcd v3 API, Auth
 */
export class Auth {
  constructor(private readonly endpoints: Endpoints) {}

  /**
   * Logs in now, not with the first request, with the client's option `auth`. A token in that option is not checked now, but by
   * the first request.
   *
   * @throws AuthError "wrong-password"; "not-enabled": requests are then made without a user
   * @throws TypeError if the client has no option `auth`
   */
  login(options: RequestOptions = {}): Promise<void> {
    return this.endpoints.logInAgain(options);
  }

  /** Asks whether authentication is on. */
  async status(options: RequestOptions = {}): Promise<AuthStatusResult> {
    const { header, enabled, authRevision } = await this.endpoints.call(status, {}, options);
    return { header: headerOf(header), enabled, authRevision: counterFromResponse(authRevision) };
  }

  /**
   * Turns authentication on: from now on, every request needs a user.
   *
   * @throws EtcdError "failed-precondition" unless there is a user root that has the role root
   */
  async enable(options: RequestOptions = {}): Promise<AuthResult> {
    return resultOf(await this.endpoints.call(enable, {}, options));
  }

  /** Turns authentication off: requests need no user any more. Users and roles are kept. */
  async disable(options: RequestOptions = {}): Promise<AuthResult> {
    return resultOf(await this.endpoints.call(disable, {}, options));
  }

  /** Adds a user without roles. */
  async userAdd(user: UserToAdd, options: RequestOptions = {}): Promise<AuthResult> {
    const { user: name } = user;
    const hasPassword = !("noPassword" in user);
    const secret = hasPassword ? secretOf(user) : { password: "", hashedPassword: "" };
    const request = { name, ...secret, options: { noPassword: !hasPassword } };
    return resultOf(await this.endpoints.call(userAdd, request, options));
  }

  /** Returns the roles of a user. Every user may read its own roles. */
  async userGet(
    user: string,
    options: RequestOptions = {},
  ): Promise<AuthResult & { readonly roles: readonly string[] }> {
    const { header, roles } = await this.endpoints.call(userGet, { name: user }, options);
    return { header: headerOf(header), roles };
  }

  /** Lists the names of all users, sorted. */
  async userList(options: RequestOptions = {}): Promise<AuthResult & { readonly users: readonly string[] }> {
    const { header, users } = await this.endpoints.call(userList, {}, options);
    return { header: headerOf(header), users };
  }

  /** Deletes a user. Its tokens become invalid. */
  async userDelete(user: string, options: RequestOptions = {}): Promise<AuthResult> {
    return resultOf(await this.endpoints.call(userDelete, { name: user }, options));
  }

  /** Changes a user's password. Tokens that were issued for the previous password become invalid. */
  async userChangePassword(user: UserPassword, options: RequestOptions = {}): Promise<AuthResult> {
    const request = { name: user.user, ...secretOf(user) };
    return resultOf(await this.endpoints.call(userChangePassword, request, options));
  }

  /** Gives a role to a user. */
  async userGrantRole({ user, role }: UserRole, options: RequestOptions = {}): Promise<AuthResult> {
    return resultOf(await this.endpoints.call(userGrantRole, { user, role }, options));
  }

  /** Takes a role from a user. */
  async userRevokeRole({ user, role }: UserRole, options: RequestOptions = {}): Promise<AuthResult> {
    return resultOf(await this.endpoints.call(userRevokeRole, { name: user, role }, options));
  }

  /** Adds a role without permissions. */
  async roleAdd(role: string, options: RequestOptions = {}): Promise<AuthResult> {
    return resultOf(await this.endpoints.call(roleAdd, { name: role }, options));
  }

  /** Returns the permissions of a role, ordered by key. Every user may read the permissions of its own roles. */
  async roleGet(
    role: string,
    options: RequestOptions = {},
  ): Promise<AuthResult & { readonly permissions: readonly Permission[] }> {
    const { header, perm } = await this.endpoints.call(roleGet, { role }, options);
    return { header: headerOf(header), permissions: perm.map(permissionOf) };
  }

  /** Lists the names of all roles, sorted. */
  async roleList(options: RequestOptions = {}): Promise<AuthResult & { readonly roles: readonly string[] }> {
    const { header, roles } = await this.endpoints.call(roleList, {}, options);
    return { header: headerOf(header), roles };
  }

  /** Deletes a role, and takes it from all users. */
  async roleDelete(role: string, options: RequestOptions = {}): Promise<AuthResult> {
    return resultOf(await this.endpoints.call(roleDelete, { role }, options));
  }

  /**
   * Permits access to a key or an interval: `roleGrantPermission({ role, type: "read", key: "/config/", prefix: true })`. A
   * permission of the role for exactly these keys is replaced.
   *
   * @throws TypeError if more than one way to choose keys is given
   */
  async roleGrantPermission(
    { role, type, key, ...interval }: RoleKeys & { readonly type: PermissionType },
    options: RequestOptions = {},
  ): Promise<AuthResult> {
    const perm = { permType: permissionTypes[type], ...intervalOf(key, interval) };
    return resultOf(await this.endpoints.call(roleGrantPermission, { name: role, perm }, options));
  }

  /**
   * Revokes a permission. The keys must be exactly the keys of the grant.
   *
   * @throws TypeError if more than one way to choose keys is given
   */
  async roleRevokePermission({ role, key, ...interval }: RoleKeys, options: RequestOptions = {}): Promise<AuthResult> {
    const request = { role, ...intervalOf(key, interval) };
    return resultOf(await this.endpoints.call(roleRevokePermission, request, options));
  }
}

const resultOf = ({ header }: { readonly header: Parameters<typeof headerOf>[0] }): AuthResult => ({
  header: headerOf(header),
});

const secretOf = (user: { readonly password: string } | { readonly hashedPassword: string }) =>
  "password" in user
    ? { password: user.password, hashedPassword: "" }
    : { password: "", hashedPassword: user.hashedPassword };

const typeNames: readonly PermissionType[] = ["read", "write", "readwrite"];

function permissionOf({ permType, key, rangeEnd }: WirePermission): Permission {
  const type = typeNames.find((name) => permissionTypes[name] === permType);
  if (type === undefined) throw new TypeError(`Cannot read a permission: unknown type ${permType}`);
  return { type, key, rangeEnd };
}
