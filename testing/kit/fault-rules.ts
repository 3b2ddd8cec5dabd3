// Faults of requests: which request is struck, and what happens to it.

import { RpcError } from "../../server/rpc/index.js";
import { checkCount, checkOneOf, checkOptions } from "./check-options.js";
import { type Duration, toMs } from "./duration.js";
import { statusCodes, type StatusName } from "./status-names.js";

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

/** The fate of a request that is struck. */
export type FaultAction =
  /** `isCommitted`: the request is carried out all the same, and its client is told this. */
  | { readonly kind: "reject"; readonly error: RpcError; readonly isCommitted: boolean }
  | { readonly kind: "delay"; readonly ms: number }
  /** The server cancels the watches of a stream. */
  | { readonly kind: "cancel" };

/** An injected fault, which strikes until it is used up or removed. */
export interface InjectedFault {
  /** The requests that it has struck. */
  readonly hits: number;
  /** Lets requests pass again. */
  remove(): void;
}

/** Options of a rejection. */
export interface RejectOptions {
  /** True: the request is carried out, but its client is told otherwise: the outcome that clients handle worst. Default: false. */
  readonly committed?: boolean | undefined;
  /** Text of the status. */
  readonly message?: string | undefined;
}

/** A fault that waits for its requests. */
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

  /** Whether it will strike again. */
  get isSpent(): boolean {
    return this.left === 0;
  }

  /** A request has come. @returns whether it is struck */
  strikes(): boolean {
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

/** Says which requests of a method are struck, and then how. Unless it says otherwise, the next request only. */
export class FaultBuilder {
  private skip = 0;
  private count = 1;

  /** @param add takes the fault that was described */
  constructor(private readonly add: (rule: Rule) => void) {}

  /** Lets so many requests pass before. @throws RangeError if it is no count */
  after(requests: number): this {
    checkCount("let pass", requests, 0);
    this.skip = requests;
    return this;
  }

  /** Strikes so many requests, not one; Infinity: all that come until it is removed. @throws RangeError if it is no count */
  times(requests: number): this {
    checkCount("strike", requests, 1);
    this.count = requests;
    return this;
  }

  /** Has requests end with a status. @throws TypeError if it is none */
  reject(status: StatusName, options: RejectOptions = {}): InjectedFault {
    checkOneOf("reject requests", "the status", status, Object.keys(statusCodes));
    checkOptions("reject requests", options, ["committed", "message"]);
    const { committed = false, message = "injected by the test" } = options;
    const error = new RpcError({ code: statusCodes[status], details: message });
    return this.inject({ kind: "reject", error, isCommitted: committed });
  }

  /** Has requests be carried out later, in the time of the server. */
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

/** The same for watches. A rejection or a delay strikes streams as they are opened. */
export class WatchFaultBuilder extends FaultBuilder {
  /** Cancels all watches of a stream, as a server does that has given them up: when its next events are due. */
  cancel(): InjectedFault {
    return this.inject({ kind: "cancel" });
  }
}
