// Faults of the operations of members: they affect clients on a port and in this process alike.

import {
  type Application,
  type KeepAliveSession,
  type Operation,
  type OperationName,
  wrapOperations,
  type WatchListener,
  type WatchSession,
} from "../../../server/app/index.js";
import { RpcError } from "../../../server/rpc/index.js";
import type { Timeline } from "../../index.js";
import { checkOneOf, statusCodes } from "../base/index.js";
import { FaultBuilder, type RpcName, rpcNames, type Rule, WatchFaultBuilder } from "./fault-rules.js";
import { FaultyWatch } from "./faulty-watch.js";

const rpcOf: Readonly<Record<OperationName, RpcName>> = {
  range: "Range",
  put: "Put",
  deleteRange: "DeleteRange",
  txn: "Txn",
  compact: "Compact",
  leaseGrant: "LeaseGrant",
  leaseRevoke: "LeaseRevoke",
  leaseTimeToLive: "LeaseTimeToLive",
  leaseLeases: "LeaseLeases",
  memberList: "MemberList",
  status: "Status",
  hashKv: "HashKV",
  hash: "Hash",
  defragment: "Defragment",
  downgrade: "Downgrade",
  alarm: "Alarm",
  moveLeader: "MoveLeader",
  authEnable: "AuthEnable",
  authDisable: "AuthDisable",
  authStatus: "AuthStatus",
  authenticate: "Authenticate",
  userAdd: "UserAdd",
  userGet: "UserGet",
  userList: "UserList",
  userDelete: "UserDelete",
  userChangePassword: "UserChangePassword",
  userGrantRole: "UserGrantRole",
  userRevokeRole: "UserRevokeRole",
  roleAdd: "RoleAdd",
  roleGet: "RoleGet",
  roleList: "RoleList",
  roleDelete: "RoleDelete",
  roleGrantPermission: "RoleGrantPermission",
  roleRevokePermission: "RoleRevokePermission",
};

const unavailableError = (): RpcError =>
  new RpcError({ code: statusCodes.UNAVAILABLE, details: "injected by the test" });

/** The faults of requests at a server or a cluster. */
export class RpcFaults {
  private readonly rules = new Map<RpcName, Rule[]>();
  private readonly watches = new Set<FaultyWatch>();
  /** Whether watch streams are refused. */
  private areWatchersCut = false;

  /** Used by test clusters only. */
  constructor(private readonly timeline: Timeline) {}

  /** Begins to describe a fault of watches. */
  on(method: "Watch"): WatchFaultBuilder;
  /** Begins to describe a fault of the requests of a method. @throws TypeError if there is no such method */
  on(method: RpcName): FaultBuilder;
  on(method: RpcName): FaultBuilder {
    checkOneOf("inject a fault", "the method", method, rpcNames);
    const add = (rule: Rule): void => {
      const rules = this.rules.get(method);
      if (rules === undefined) this.rules.set(method, [rule]);
      else rules.push(rule);
    };
    return method === "Watch" ? new WatchFaultBuilder(add) : new FaultBuilder(add);
  }

  /** Removes all faults. */
  clear(): void {
    for (const rule of [...this.rules.values()].flat()) rule.remove();
    this.rules.clear();
  }

  /** Ends the streams of all watches and refuses new ones. @returns a function that accepts them again */
  cutWatchers(): () => void {
    this.areWatchersCut = true;
    for (const watch of [...this.watches]) watch.endSession(unavailableError());
    return () => (this.areWatchersCut = false);
  }

  /** Adds the faults to the operations of a member. */
  wrap(inner: Application): Application {
    return {
      ...wrapOperations(inner, (operation, name) => this.addFaults(operation, name)),
      leaseKeepAlive: (caller, listener) => {
        const session = inner.leaseKeepAlive(caller, listener);
        return { renew: (id, handler) => this.renew(session, id, handler), close: () => session.close() };
      },
      rangeStream: (caller, request, listener) => inner.rangeStream(caller, request, listener),
      watch: (caller, listener) => this.watch(listener, (own) => inner.watch(caller, own)),
    };
  }

  private addFaults<Name extends OperationName>(operation: Operation<Name>, name: Name): Operation<Name> {
    return (caller, request, handler) => {
      const action = this.actionFor(rpcOf[name]);
      if (action?.kind === "reject") {
        if (!action.isCommitted) throw action.error;
        operation(caller, request, {
          onResult: () => handler.onError(action.error),
          onError: (error) => handler.onError(error),
        });
      } else if (action?.kind === "delay") this.runLater(action.ms, handler, () => operation(caller, request, handler));
      else operation(caller, request, handler);
    };
  }

  private renew(session: KeepAliveSession, ...[id, handler]: Parameters<KeepAliveSession["renew"]>): void {
    const action = this.actionFor("LeaseKeepAlive");
    if (action?.kind === "reject") {
      if (action.isCommitted) session.renew(id, { onResult: () => undefined, onError: () => undefined });
      throw action.error;
    }
    if (action?.kind === "delay") this.runLater(action.ms, handler, () => session.renew(id, handler));
    else session.renew(id, handler);
  }

  private watch(listener: WatchListener, open: (own: WatchListener) => WatchSession): WatchSession {
    if (this.areWatchersCut) throw unavailableError();
    const opening = this.takeAction("Watch", (kind) => kind !== "cancel");
    if (opening?.kind === "reject") throw opening.error;
    const watch = new FaultyWatch(
      listener,
      () => this.takeAction("Watch", (kind) => kind === "cancel") !== undefined,
      () => this.watches.delete(watch),
    );
    this.watches.add(watch);
    watch.beginSession(open(watch), opening?.kind === "delay" ? opening.ms : 0, this.timeline);
    return watch;
  }

  private runLater(ms: number, handler: { onError(error: unknown): void }, run: () => void): void {
    this.timeline.after(ms, () => {
      try {
        run();
      } catch (error) {
        handler.onError(error);
      }
    });
  }

  private actionFor(method: RpcName): Rule["action"] | undefined {
    return this.rules.size === 0 ? undefined : this.takeAction(method, () => true);
  }

  /** Returns the action of the first rule that strikes the request. */
  private takeAction(method: RpcName, isMeant: (kind: Rule["action"]["kind"]) => boolean): Rule["action"] | undefined {
    const rules = this.rules.get(method);
    if (rules === undefined) return undefined;
    const struck = rules.find((rule) => isMeant(rule.action.kind) && rule.strike());
    this.rules.set(
      method,
      rules.filter((rule) => !rule.isSpent),
    );
    return struck?.action;
  }
}
