// The rule of each operation: which callers may call it. Rights on keys are checked at the read, at the renewal of a lease, and when
// a command is applied.

import { AlarmRequest_AlarmAction as Action } from "../../proto/index.js";
import { type KvStore, leaseIdFrom, type Sliced, type ShouldYield } from "../../store/index.js";
import { type Identity, Rights } from "../auth/index.js";
import type { Caller, ResultHandler } from "../base/index.js";
import { decodeLeaseKeys } from "../lease/index.js";
import type { Access } from "./access.js";
import type { Application, Operation, OperationName, Operations } from "./application.js";
import { AuthorizedCaller } from "./authorized-caller.js";
import { wrapOperations } from "./wrap-operations.js";

/** The keys of leases. */
type LeaseStore = Pick<KvStore, "firstAttachedKey" | "leases" | "runInSlices">;

/** The callers that may call an operation: anybody, any user, or users with the role root. */
type Need = "anybody" | "user" | "root";

/** The required caller of an operation, or of a certain request of the operation, by etcd's rules. */
type Rule<Request> = Need | ((request: Request) => Exclude<Need, "anybody">);

/**
 * The rule of each operation. An operation with "anybody" checks its caller itself, by the rights at the state that is read or
 * changed; `authenticate` alone has no such check.
 */
const rules: { readonly [Name in OperationName]: Rule<Operations[Name]["request"]> } = {
  range: "anybody",
  put: "anybody",
  deleteRange: "anybody",
  txn: "anybody",
  compact: "root",
  leaseGrant: "user",
  leaseRevoke: "user",
  leaseTimeToLive: "user",
  leaseLeases: "user",
  memberList: "user",
  status: "user",
  hashKv: "root",
  hash: "root",
  defragment: "root",
  downgrade: "root",
  alarm: ({ action }) => (action === Action.GET ? "user" : "root"),
  moveLeader: "root",
  authEnable: "root",
  authDisable: "root",
  authStatus: "anybody",
  authenticate: "anybody",
  userAdd: "root",
  userGet: "anybody",
  userList: "anybody",
  userDelete: "root",
  userChangePassword: "root",
  userGrantRole: "root",
  userRevokeRole: "root",
  roleAdd: "root",
  roleGet: "anybody",
  roleList: "anybody",
  roleDelete: "root",
  roleGrantPermission: "root",
  roleRevokePermission: "root",
};

/** Enforces the rules above. While authentication is off, the cost is one check per request. */
export class Authorization {
  constructor(
    private readonly access: Access,
    private readonly store: LeaseStore,
  ) {}

  /** Returns an application that serves the callers that the rules admit. */
  wrap(inner: Application): Application {
    const guarded = wrapOperations(inner, (operation, name) => this.guardOperation(operation, name));
    return {
      ...guarded,
      leaseTimeToLive: this.timeToLive(guarded.leaseTimeToLive),
      leaseLeases: this.leases(guarded.leaseLeases),
      leaseKeepAlive: inner.leaseKeepAlive,
      rangeStream: inner.rangeStream,
      watch: inner.watch,
    };
  }

  private guardOperation<Name extends OperationName>(operation: Operation<Name>, name: Name): Operation<Name> {
    const rule: Rule<Operations[Name]["request"]> = rules[name];
    if (rule === "anybody") return operation;
    const { access } = this;
    return (caller, request, handler) => {
      if (!access.isOn) return operation(caller, request, handler);
      const need = typeof rule === "function" ? rule(request) : rule;
      access.runWithIdentity(
        caller,
        (identity) => operation(this.admit(caller, identity, need), request, handler),
        handler,
      );
    };
  }

  /** Returns the caller with its user. @throws ServerError if the rules do not admit it */
  private admit(caller: Caller, identity: Identity | undefined, need: Need): Caller {
    const rights = new Rights(this.access.auth, identity);
    const user = rights.checkUser();
    if (need === "root") rights.checkRoot();
    return new AuthorizedCaller(caller, user);
  }

  /** Checks that the user may read all keys of the lease. */
  private timeToLive(operation: Operation<"leaseTimeToLive">): Operation<"leaseTimeToLive"> {
    return (caller, request, handler) => {
      if (!this.access.isOn || !request.keys) return operation(caller, request, handler);
      const id = leaseIdFrom(request.ID);
      this.access.runIfAllowed(
        caller,
        (rights) => {
          rights.checkUser();
          rights.checkLeaseRead(id, this.store);
        },
        () => operation(caller, request, this.withReadableKeys(caller, handler)),
        handler,
      );
    };
  }

  /** Checks the keys of the answer, too, in slices: the leader may have applied attachments that this member has not. */
  private withReadableKeys(caller: Caller, handler: ResultHandler<LeaseAnswer>): ResultHandler<LeaseAnswer> {
    const onError = (error: unknown): void => handler.onError(error);
    const check = (rights: Rights, { response }: LeaseAnswer): Promise<void> =>
      rights.isRoot
        ? Promise.resolve()
        : this.store.runInSlices((shouldYield) => checkKeys(rights, response.encodedKeys, shouldYield));
    return {
      onResult: (answer) => {
        const forward = () => handler.onResult(answer);
        if (!this.access.isOn) return forward();
        try {
          this.access.runWithIdentity(
            caller,
            (identity) => void check(new Rights(this.access.auth, identity), answer).then(forward).catch(onError),
            handler,
          );
        } catch (error) {
          onError(error);
        }
      },
      onError,
    };
  }

  /** Checks that the user may read all keys that are attached to any lease. */
  private leases(operation: Operation<"leaseLeases">): Operation<"leaseLeases"> {
    return (caller, request, handler) => {
      if (!this.access.isOn) return operation(caller, request, handler);
      this.access.runWithIdentity(
        caller,
        (identity) => {
          const rights = new Rights(this.access.auth, identity);
          rights.checkUser();
          const checked = rights.isRoot
            ? Promise.resolve()
            : this.store.runInSlices((shouldYield) => this.checkAllLeases(rights, shouldYield));
          checked.then(() => operation(caller, request, handler)).catch((error: unknown) => handler.onError(error));
        },
        handler,
      );
    };
  }

  private *checkAllLeases(rights: Rights, shouldYield: ShouldYield): Sliced<void> {
    let leases = 0;
    for (const { id } of [...this.store.leases()]) {
      rights.checkLeaseRead(id, this.store);
      if (++leases % perLook === 0 && shouldYield(perLook)) yield;
    }
  }
}

type LeaseAnswer = Operations["leaseTimeToLive"]["result"];

/** Leases or keys that are checked between two checks of the elapsed time. */
const perLook = 50;

function* checkKeys(rights: Rights, encodedKeys: Uint8Array, shouldYield: ShouldYield): Sliced<void> {
  let keys = 0;
  for (const key of decodeLeaseKeys(encodedKeys)) {
    rights.checkReadKey(key);
    if (++keys % perLook === 0 && shouldYield(perLook)) yield;
  }
}
