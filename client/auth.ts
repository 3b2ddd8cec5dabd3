// Users, roles, and whether the cluster asks for them.
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
  readonly enabled: boolean;
  /** Raised by each change of users, roles and permissions. */
  readonly authRevision: number;
}

/** A user to add: with a password, with the bcrypt hash of one, or without a password, identified by a certificate alone. */
export type UserToAdd = { readonly user: string } & (
  { readonly password: string } | { readonly hashedPassword: string } | { readonly noPassword: true }
);

/** A user's new password, or its bcrypt hash. */
export type UserPassword = { readonly user: string } & (
  { readonly password: string } | { readonly hashedPassword: string }
);

/** A user and one of the roles. */
export interface UserRole {
  readonly user: string;
  readonly role: string;
}

/** Access that a permission gives. */
export type PermissionType = "read" | "write" | "readwrite";

/** A role, and the key or the interval of keys of one of its permissions. */
export interface RoleKeys extends KeyInterval {
  readonly role: string;
  readonly key: Bytes;
}

/** A permission that a role has. @see etcd v3 API, authpb.Permission */
export interface Permission {
  readonly type: PermissionType;
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
   * Logs in now, and not with the first request, with the client's option `auth`. A token that was issued elsewhere is checked by the
   * first request only.
   *
   * @throws AuthError "wrong-password"; "not-enabled": requests are then made without a user
   * @throws TypeError if the client has no option `auth`
   */
  login(options: RequestOptions = {}): Promise<void> {
    return this.endpoints.logInAgain(options);
  }

  /** Whether the cluster asks for a user. */
  async status(options: RequestOptions = {}): Promise<AuthStatusResult> {
    const { header, enabled, authRevision } = await this.endpoints.call(status, {}, options);
    return { header: headerOf(header), enabled, authRevision: counterFromResponse(authRevision) };
  }

  /**
   * Has the cluster ask for a user with every request from now on.
   *
   * @throws EtcdError "failed-precondition" unless there is a user root that has the role root
   */
  async enable(options: RequestOptions = {}): Promise<AuthResult> {
    return resultOf(await this.endpoints.call(enable, {}, options));
  }

  /** Lets everybody do everything again. Users and roles stay. */
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

  /** Asks for the roles of a user; everybody may ask for their own. */
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

  /** Deletes a user, whose tokens end with it. */
  async userDelete(user: string, options: RequestOptions = {}): Promise<AuthResult> {
    return resultOf(await this.endpoints.call(userDelete, { name: user }, options));
  }

  /** Changes a user's password; tokens that were given for the last one end. */
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

  /** Asks for the permissions of a role, ordered by key; everybody may ask for their own roles. */
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
   * Permits access to a key or an interval: `roleGrantPermission({ role, type: "read", key: "/config/", prefix: true })`. One that the role
   * has for exactly these keys is replaced.
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
   * Takes a permission back, for exactly the keys that it was granted for.
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
