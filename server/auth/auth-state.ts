// Users, roles and permissions: replicated, and stored as rows of tables.

import {
  type AuthRoleGrantPermissionRequest,
  type AuthRoleRevokePermissionRequest,
  type AuthUserAddRequest,
  type AuthUserChangePasswordRequest,
  type Permission,
  type Role,
  type User,
} from "../../proto/index.js";
import type { TableRow } from "../../store/index.js";
import { noBytes, ServerError, type ServerErrorCode } from "../base/index.js";
import { type AuthRows, statusRow, type Stored, storedRoleOf, storedUserOf } from "./auth-rows.js";
import { endOf, isOpenEnded, keyText } from "./key-range.js";
import { compareNames, root } from "./names.js";
import { UserPermissions } from "./user-permissions.js";

/** The maximum number of users; a further one is refused. */
export const maxUsers = 10_000;
/** The maximum number of roles; a further one is refused. */
export const maxRoles = 10_000;
/** The maximum number of permissions of a role; a further one is refused. */
export const maxPermissions = 1_000;
/** The maximum size of the rows of all users and roles, in bytes; a change beyond it is refused. */
export const maxAuthBytes = 16 * 1024 * 1024;

const firstRevision = 1n;

/**
 * Users, roles and permissions, and whether authentication is on. Deterministic: the same changes give the same state, and the
 * same refusals, on every member. Each change raises the auth revision, except `enable` (as in etcd).
 */
export class AuthState {
  private readonly users = new Map<string, Stored<User>>();
  private readonly roles = new Map<string, Stored<Role>>();
  private isOn = false;
  private changes = firstRevision;
  private bytes = 0;
  /** The current rows; undefined: there was a change since they were listed. */
  private listed: readonly TableRow[] | undefined = undefined;
  /** The merged permissions of users at the current auth revision, computed on demand. */
  private readonly permissions = new Map<string, UserPermissions | "all">();

  constructor(rows?: AuthRows) {
    for (const user of rows?.users ?? []) this.putUser(user);
    for (const role of rows?.roles ?? []) this.putRole(role);
    if (rows?.status === undefined) return;
    this.isOn = rows.status.enabled;
    this.changes = rows.status.revision;
  }

  /** Whether authentication is on. */
  get isEnabled(): boolean {
    return this.isOn;
  }

  /** The auth revision: the number of changes, beginning with 1. */
  get revision(): bigint {
    return this.changes;
  }

  /** The names of all users, sorted. */
  get userNames(): string[] {
    return [...this.users.keys()].sort(compareNames);
  }

  /** The names of all roles, sorted. */
  get roleNames(): string[] {
    return [...this.roles.keys()].sort(compareNames);
  }

  /** The rows of the tables; a change replaces the list. */
  get rows(): readonly TableRow[] {
    return (this.listed ??= this.listRows());
  }

  /** Finds a user. */
  user(name: string): User | undefined {
    return this.users.get(name)?.value;
  }

  /** Finds a role. */
  role(name: string): Role | undefined {
    return this.roles.get(name)?.value;
  }

  /** Returns the merged permissions of a user; "all": it has the role root; undefined: there is no such user. */
  permissionsOf(name: string): UserPermissions | "all" | undefined {
    const known = this.permissions.get(name);
    if (known !== undefined) return known;
    const user = this.user(name);
    if (user === undefined) return undefined;
    const merged = user.roles.includes(root) ? "all" : new UserPermissions(this.rolesOf(user));
    this.permissions.set(name, merged);
    return merged;
  }

  /** Turns authentication on. @throws ServerError `root-user-missing`, `root-role-missing` */
  enable(): void {
    if (this.isOn) return;
    const user = this.user(root);
    if (user === undefined) throw refusal("root-user-missing", "there is no user root");
    if (!user.roles.includes(root)) throw refusal("root-role-missing", "the user root does not have the role root");
    this.isOn = true;
    this.listed = undefined;
  }

  /** Turns authentication off. @returns whether it was on */
  disable(): boolean {
    if (!this.isOn) return false;
    this.isOn = false;
    this.noteChange();
    return true;
  }

  /** @throws ServerError `user-name-empty`, `user-exists`, `no-password-user`, `auth-limit` */
  addUser({ name, options, hashedPassword }: AuthUserAddRequest): void {
    if (name === "") throw refusal("user-name-empty", "the request has no name");
    if (this.users.has(name)) throw refusal("user-exists", `there is a user ${JSON.stringify(name)}`);
    if (this.users.size >= maxUsers) throw refusal("auth-limit", `there are ${maxUsers} users`);
    const hasPassword = options?.noPassword !== true;
    this.putUser({
      name: Buffer.from(name),
      password: hasPassword ? hashOf(hashedPassword) : noBytes,
      roles: [],
      options: options ?? { noPassword: false },
    });
    this.noteChange();
  }

  /** @throws ServerError `invalid-auth-management`, `user-not-found` */
  deleteUser(name: string): void {
    if (this.isOn && name === root) throw refusal("invalid-auth-management", "the user root is needed");
    const { row } = this.requireStoredUser(name);
    this.users.delete(name);
    this.bytes -= sizeOf(row);
    this.noteChange();
  }

  /** @throws ServerError `user-not-found`, `no-password-user`, `auth-limit` */
  changePassword({ name, hashedPassword }: AuthUserChangePasswordRequest): void {
    const user = this.requireUser(name);
    const hasPassword = user.options?.noPassword !== true;
    this.putUser({ ...user, password: hasPassword ? hashOf(hashedPassword) : noBytes });
    this.noteChange();
  }

  /** @throws ServerError `user-not-found`, `role-not-found`, `auth-limit` */
  grantRole(name: string, role: string): void {
    const user = this.requireUser(name);
    if (role !== root) this.requireRole(role);
    if (user.roles.includes(role)) return; // no change, and no error, as in etcd
    this.putUser({ ...user, roles: [...user.roles, role].sort(compareNames) });
    this.noteChange();
  }

  /** @throws ServerError `invalid-auth-management`, `user-not-found`, `role-not-granted` */
  revokeRole(name: string, role: string): void {
    if (this.isOn && name === root && role === root)
      throw refusal("invalid-auth-management", "the user root needs the role root");
    const user = this.requireUser(name);
    if (!user.roles.includes(role))
      throw refusal("role-not-granted", `${JSON.stringify(name)} does not have ${JSON.stringify(role)}`);
    this.putUser(withoutRole(user, role));
    this.noteChange();
  }

  /** @throws ServerError `role-name-empty`, `role-exists`, `auth-limit` */
  addRole(name: string): void {
    if (name === "") throw refusal("role-name-empty", "the request has no name");
    if (this.roles.has(name)) throw refusal("role-exists", `there is a role ${JSON.stringify(name)}`);
    if (this.roles.size >= maxRoles) throw refusal("auth-limit", `there are ${maxRoles} roles`);
    this.putRole({ name: Buffer.from(name), keyPermission: [] });
    this.noteChange();
  }

  /** Deletes a role, also from all users. @throws ServerError `invalid-auth-management`, `role-not-found` */
  deleteRole(name: string): void {
    if (this.isOn && name === root) throw refusal("invalid-auth-management", "the role root is needed");
    const { row } = this.requireStoredRole(name);
    this.roles.delete(name);
    this.bytes -= sizeOf(row);
    for (const { value: user } of this.users.values())
      if (user.roles.includes(name)) this.putUser(withoutRole(user, name));
    this.noteChange();
  }

  /**
   * Adds a permission to a role, or changes the type of the permission for the same keys.
   *
   * @throws ServerError `permission-not-given`, `invalid-auth-management`, `role-not-found`, `auth-limit`
   */
  grantPermission({ name, perm: given }: AuthRoleGrantPermissionRequest): void {
    if (given === undefined) throw refusal("permission-not-given", "the request has no permission");
    if (!hasKeys(given)) throw refusal("invalid-auth-management", "a permission for no key");
    const perm = copyPermission(given);
    const role = this.requireRole(name);
    // etcd changes only the first permission of the key: a second one keeps its type.
    const others = role.keyPermission.filter((other) => !isForSame(other, perm));
    if (others.length >= maxPermissions) throw refusal("auth-limit", `the role has ${maxPermissions} permissions`);
    const keyPermission =
      others.length === role.keyPermission.length
        ? [...others, perm].sort((a, b) => Buffer.compare(a.key, b.key))
        : role.keyPermission.map((other) => (isForSame(other, perm) ? perm : other));
    this.putRole({ ...role, keyPermission });
    this.noteChange();
  }

  /** @throws ServerError `role-not-found`, `permission-not-granted` */
  revokePermission({ role: name, key, rangeEnd }: AuthRoleRevokePermissionRequest): void {
    const role = this.requireRole(name);
    const kept = role.keyPermission.filter((permission) => !isForSame(permission, { key, rangeEnd }));
    if (kept.length === role.keyPermission.length)
      throw refusal("permission-not-granted", `${JSON.stringify(name)} has no permission for exactly these keys`);
    this.putRole({ ...role, keyPermission: kept });
    this.noteChange();
  }

  /** @throws ServerError `user-not-found` */
  requireUser(name: string): User {
    return this.requireStoredUser(name).value;
  }

  /** @throws ServerError `role-not-found` */
  requireRole(name: string): Role {
    return this.requireStoredRole(name).value;
  }

  private rolesOf({ roles }: User): Role[] {
    return roles.map((role) => this.role(role)).filter((role) => role !== undefined);
  }

  private requireStoredUser(name: string): Stored<User> {
    const stored = this.users.get(name);
    if (stored === undefined) throw refusal("user-not-found", `there is no user ${JSON.stringify(name)}`);
    return stored;
  }

  private requireStoredRole(name: string): Stored<Role> {
    const stored = this.roles.get(name);
    if (stored === undefined) throw refusal("role-not-found", `there is no role ${JSON.stringify(name)}`);
    return stored;
  }

  private putUser(user: User): void {
    this.put(this.users, textOf(user.name), storedUserOf(user));
  }

  private putRole(role: Role): void {
    this.put(this.roles, textOf(role.name), storedRoleOf(role));
  }

  private put<Value>(all: Map<string, Stored<Value>>, name: string, stored: Stored<Value>): void {
    const before = all.get(name);
    const bytes = this.bytes - (before === undefined ? 0 : sizeOf(before.row)) + sizeOf(stored.row);
    if (bytes > maxAuthBytes && bytes > this.bytes)
      throw refusal("auth-limit", `users and roles of ${bytes} bytes, ${maxAuthBytes} allowed`);
    this.bytes = bytes;
    all.set(name, stored);
  }

  private noteChange(): void {
    this.changes += 1n;
    this.listed = undefined;
    this.permissions.clear();
  }

  private listRows(): TableRow[] {
    const { isOn, changes: revision } = this;
    if (!isOn && revision === firstRevision) return [];
    const rows = [statusRow({ enabled: isOn, revision })];
    for (const { row } of this.users.values()) rows.push(row);
    for (const { row } of this.roles.values()) rows.push(row);
    return rows;
  }
}

const refusal = (code: ServerErrorCode, message: string): ServerError => new ServerError(code, message);

const textOf = (name: Uint8Array): string => Buffer.from(name).toString();

const sizeOf = ({ key, row }: TableRow): number => key.length + row.length;

const withoutRole = (user: User, role: string): User => ({
  ...user,
  roles: user.roles.filter((other) => other !== role),
});

/** Decodes a hash from a command. @throws ServerError `no-password-user` if it is not base64 */
const hashOf = (base64: string): Uint8Array => {
  const bytes = Buffer.from(base64, "base64");
  if (bytes.toString("base64") !== base64) throw refusal("no-password-user", "the hash is not in base64");
  return Uint8Array.from(bytes);
};

/** Copies a permission: the request's bytes are part of a log entry, which would stay in memory. */
const copyPermission = ({ permType, key, rangeEnd }: Permission): Permission => ({
  permType,
  key: Uint8Array.from(key),
  rangeEnd: Uint8Array.from(rangeEnd),
});

const isForSame = (a: Pick<Permission, "key" | "rangeEnd">, b: Pick<Permission, "key" | "rangeEnd">): boolean =>
  Buffer.compare(a.key, b.key) === 0 && Buffer.compare(a.rangeEnd, b.rangeEnd) === 0;

const hasKeys = (permission: Permission): boolean => {
  if (permission.key.length === 0) return false;
  const from = keyText(permission.key);
  return isOpenEnded(permission) || from < endOf(from, permission);
};
