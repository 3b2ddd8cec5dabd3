// etcd's rules of permissions.

import type { DeleteRangeRequest, PutRequest, RequestOp, TxnRequest } from "../../proto/index.js";
import { type LeaseId, leaseIdFrom } from "../../store/index.js";
import { noBytes, ServerError } from "../base/index.js";
import type { AuthState } from "./auth-state.js";
import type { Identity } from "./identity.js";
import type { KeyRange } from "./key-range.js";
import { root } from "./names.js";
import type { UserPermissions } from "./user-permissions.js";

/** The attached keys of leases, on which permissions depend; `KvStore` implements it. */
export interface LeasedKeys {
  /** Returns the first key attached to a lease, at or after `from`; undefined: there is none, or no such lease. */
  firstAttachedKey(id: LeaseId, from: string): string | undefined;
}

/** The rights of a request's user at the current state. Every method throws a ServerError if the user lacks the right. */
export class Rights {
  /** The permissions; "all": those of root. Undefined: not computed yet. */
  private known: UserPermissions | "all" | undefined = undefined;

  /** @param identity undefined: the caller is not authenticated */
  constructor(
    private readonly state: AuthState,
    private readonly identity: Identity | undefined,
  ) {}

  /** Checks that the caller is authenticated. @throws ServerError `user-name-empty` */
  checkUser(): Identity {
    if (this.identity === undefined) throw new ServerError("user-name-empty", "the request has no token");
    return this.identity;
  }

  /** Whether the caller has the role root. */
  get isRoot(): boolean {
    const { identity } = this;
    return identity !== undefined && this.state.permissionsOf(identity.name) === "all";
  }

  /** Checks that the caller has the role root. @throws ServerError `user-name-empty`, `user-not-found`, `permission-denied` */
  checkRoot(): void {
    const { name } = this.checkUser();
    if (name === "") throw new ServerError("user-name-empty", "the user has no name");
    if (!this.state.requireUser(name).roles.includes(root)) throw denial(name, "the role root is required");
  }

  /** Checks the right to see a user: the caller itself, or, with the role root, any. */
  checkUserShown(name: string): void {
    if ((this.identity?.name ?? "") !== name) this.checkRoot();
  }

  /** Checks the right to see a role: one of the caller's, or, with the role root, any. */
  checkRoleShown(role: string): void {
    const user = this.identity === undefined ? undefined : this.state.user(this.identity.name);
    if (user?.roles.includes(role) !== true) this.checkRoot();
  }

  /** Checks the right to read keys. */
  checkRead(range: KeyRange): void {
    const permissions = this.permissions();
    if (permissions !== "all" && !permissions.mayRead(range)) throw this.denial("keys may not be read");
  }

  /** Checks the right to write keys. */
  checkWrite(range: KeyRange): void {
    const permissions = this.permissions();
    if (permissions !== "all" && !permissions.mayWrite(range)) throw this.denial("keys may not be written");
  }

  /** Checks a put; with a lease, the right to write all keys that are attached to the lease. */
  checkPut({ key, prevKv, lease }: PutRequest, leases: LeasedKeys): void {
    const range = { key, rangeEnd: noBytes };
    this.checkWrite(range);
    if (lease !== 0n) this.checkLeaseWrite(leaseIdFrom(lease), leases);
    if (prevKv) this.checkRead(range);
  }

  /** Checks a deletion. */
  checkDeleteRange(request: DeleteRangeRequest): void {
    this.checkWrite(request);
    if (request.prevKv) this.checkRead(request);
  }

  /** Checks a transaction: its compares, and all operations of both branches. */
  checkTxn({ compare, success, failure }: TxnRequest, leases: LeasedKeys): void {
    for (const range of compare) this.checkRead(range);
    for (const operation of success) this.checkOperation(operation, leases);
    for (const operation of failure) this.checkOperation(operation, leases);
  }

  /** Checks the right to write all keys of a lease. */
  checkLeaseWrite(id: LeaseId, leases: LeasedKeys): void {
    this.checkLease(id, leases, (permissions, key) => permissions.writableUntil(key));
  }

  /** Checks the right to read all keys of a lease. */
  checkLeaseRead(id: LeaseId, leases: LeasedKeys): void {
    this.checkLease(id, leases, (permissions, key) => permissions.readableUntil(key));
  }

  /** Checks the right to read a key. */
  checkReadKey(key: string): void {
    const permissions = this.permissions();
    if (permissions !== "all" && permissions.readableUntil(key) === undefined) throw this.denial("a key of the lease");
  }

  /** Iterates over the user's ranges, not over the keys: a lease may have very many. */
  private checkLease(
    id: LeaseId,
    leases: LeasedKeys,
    endOfRange: (permissions: UserPermissions, key: string) => string | undefined,
  ): void {
    let key = leases.firstAttachedKey(id, "");
    if (key === undefined || this.isRoot) return;
    const permissions = this.permissions();
    if (permissions === "all") return;
    while (key !== undefined) {
      const end = endOfRange(permissions, key);
      if (end === undefined) throw this.denial("a key of the lease");
      key = leases.firstAttachedKey(id, end);
    }
  }

  private checkOperation({ request }: RequestOp, leases: LeasedKeys): void {
    switch (request?.$case) {
      case "requestRange":
        return this.checkRead(request.value);
      case "requestPut":
        return this.checkPut(request.value, leases);
      case "requestDeleteRange":
        return this.checkDeleteRange(request.value);
      case "requestTxn":
        return this.checkTxn(request.value, leases);
      case undefined: // refused before, by the check of the shape
    }
  }

  /** @throws ServerError `user-name-empty`, `auth-revision-old`, `permission-denied` */
  private permissions(): UserPermissions | "all" {
    return (this.known ??= this.findPermissions());
  }

  private findPermissions(): UserPermissions | "all" {
    const { name, revision } = this.checkUser();
    if (revision === 0n) throw new ServerError("user-name-empty", "the request has no token");
    if (revision < this.state.revision)
      throw new ServerError(
        "auth-revision-old",
        `authenticated at auth revision ${revision}, it is ${this.state.revision} now`,
      );
    const permissions = this.state.permissionsOf(name);
    if (permissions === undefined) throw denial(name, "there is no such user");
    return permissions;
  }

  private denial(reason: string): ServerError {
    return denial(this.identity?.name ?? "", reason);
  }
}

const denial = (name: string, reason: string): ServerError =>
  new ServerError("permission-denied", `${JSON.stringify(name)}: ${reason}`);
