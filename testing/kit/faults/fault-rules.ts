// Faults of requests: selects requests, and determines their outcome.

import { RpcError } from "../../../server/rpc/index.js";
import {
  checkCount,
  checkOneOf,
  checkOptions,
  type Duration,
  statusCodes,
  type StatusName,
  toMs,
} from "../base/index.js";

/** The methods of etcd's API in which faults can be injected, by name. */
export const rpcNames = [
  "Range",
  "Put",
  "DeleteRange",
  "Txn",
  "Compact",
  "LeaseGrant",
  "LeaseRevoke",
  "LeaseTimeToLive",
  "LeaseLeases",
  "LeaseKeepAlive",
  "MemberList",
  "Status",
  "HashKV",
  "Hash",
  "Defragment",
  "Downgrade",
  "Alarm",
  "MoveLeader",
  "AuthEnable",
  "AuthDisable",
  "AuthStatus",
  "Authenticate",
  "UserAdd",
  "UserGet",
  "UserList",
  "UserDelete",
  "UserChangePassword",
  "UserGrantRole",
  "UserRevokeRole",
  "RoleAdd",
  "RoleGet",
  "RoleList",
  "RoleDelete",
  "RoleGrantPermission",
  "RoleRevokePermission",
  "Watch",
] as const;

/** A method of etcd's API in which faults can be injected. */
export type RpcName = (typeof rpcNames)[number];

/** The effect of a fault on a request. */
export type FaultAction =
  /** `isCommitted`: the request is executed, and the client still gets the error. */
  | { readonly kind: "reject"; readonly error: RpcError; readonly isCommitted: boolean }
  | { readonly kind: "delay"; readonly ms: number }
  /** The server cancels the watches of a stream. */
  | { readonly kind: "cancel" };

/** An injected fault. It strikes requests until its number of requests is reached or it is removed. */
export interface InjectedFault {
  /** The number of requests that the fault has struck. */
  readonly hits: number;
  /** Removes the fault. */
  remove(): void;
}

/** Options of a rejection. */
export interface RejectOptions {
  /** True: the request is executed, but the client gets an error. Many clients mishandle this case. Default: false. */
  readonly committed?: boolean | undefined;
  /** The message of the status. */
  readonly message?: string | undefined;
}

/** A fault, and the number of requests that it passes and strikes. */
export class Rule implements InjectedFault {
  hits = 0;

  constructor(
    private skip: number,
    private left: number,
    readonly action: FaultAction,
  ) {}

  remove(): void {
    this.left = 0;
  }

  /** Whether the fault strikes no more requests: it has struck all of them, or is removed. */
  get isSpent(): boolean {
    return this.left === 0;
  }

  /** Counts a request. @returns whether the fault strikes it */
  strike(): boolean {
    if (this.skip > 0) {
      this.skip -= 1;
      return false;
    }
    if (this.left === 0) return false;
    this.left -= 1;
    this.hits += 1;
    return true;
  }
}

/** Describes a fault: which requests of a method it strikes (by default, the next one only), and with which effect. */
export class FaultBuilder {
  private skip = 0;
  private count = 1;

  /** @param add called with the described fault */
  constructor(private readonly add: (rule: Rule) => void) {}

  /** Lets this many requests pass first. @throws RangeError if it is not an integer of 0 or more */
  after(requests: number): this {
    checkCount("let pass", requests, 0);
    this.skip = requests;
    return this;
  }

  /**
   * Strikes this many requests instead of one; Infinity: all requests until the fault is removed.
   *
   * @throws RangeError if it is not an integer of 1 or more
   */
  times(requests: number): this {
    checkCount("strike", requests, 1);
    this.count = requests;
    return this;
  }

  /** Makes requests end with a status. @throws TypeError if the status is unknown */
  reject(status: StatusName, options: RejectOptions = {}): InjectedFault {
    checkOneOf("reject requests", "the status", status, Object.keys(statusCodes));
    checkOptions("reject requests", options, ["committed", "message"]);
    const { committed = false, message = "injected by the test" } = options;
    const error = new RpcError({ code: statusCodes[status], details: message });
    return this.inject({ kind: "reject", error, isCommitted: committed });
  }

  /** Delays the execution of requests, in the time of the server. */
  delay(duration: Duration): InjectedFault {
    return this.inject({ kind: "delay", ms: toMs(duration) });
  }

  /** Adds a fault. */
  protected inject(action: FaultAction): InjectedFault {
    const rule = new Rule(this.skip, this.count, action);
    this.add(rule);
    return rule;
  }
}

/** Describes a fault of watches. A rejection or a delay strikes streams when they are opened. */
export class WatchFaultBuilder extends FaultBuilder {
  /** Cancels all watches of a stream when its next events are due, as a server does that ends its watches. */
  cancel(): InjectedFault {
    return this.inject({ kind: "cancel" });
  }
}
