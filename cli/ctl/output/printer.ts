// The interface of all printers, and the types of values that only printers use.
import type {
  AlarmMember,
  AuthResult,
  AuthStatusResult,
  DowngradeAction,
  DowngradeResult,
  DeleteResult,
  GetResult,
  HashKvResult,
  Header,
  LeaseGrantResult,
  LeaseRenewResult,
  LeaseTimeToLiveResult,
  MemberAddResult,
  MemberChangeResult,
  MemberListResult,
  Permission,
  PutResult,
  StatusResult,
  TxnOpResult,
  TxnResult,
  WatchResponse,
} from "../../../client/index.js";
import { exitCodes, Failure } from "../args/index.js";

/** The health of one endpoint; `tookMs` is the time that the read of the health check took. */
export interface Health {
  readonly endpoint: string;
  readonly healthy: boolean;
  readonly tookMs: number;
  /** The reason if the endpoint is not healthy. */
  readonly error?: string;
}
/** A member that was removed, updated or promoted. */
export interface MemberChanged extends MemberChangeResult {
  readonly id: bigint;
  readonly change: "removed" | "updated" | "promoted";
}
/** Alarms of the members. */
export interface Alarms {
  /** Absent: the alarms come from several answers. */
  readonly header: Header | undefined;
  readonly alarms: readonly AlarmMember[];
}
/** A transfer of leadership, by member ids. */
export interface LeaderMoved {
  readonly from: bigint;
  readonly to: bigint;
}
/** The status of the member at an endpoint. */
export type EndpointStatus = StatusResult & { readonly endpoint: string };
/** The hash of the member at an endpoint. */
export type EndpointHash = HashKvResult & { readonly endpoint: string };
/** A lease that was revoked. */
export interface LeaseRevoked {
  readonly id: bigint;
  readonly header: Header;
}
/** A lease that was renewed. */
export type LeaseRenewed = LeaseRenewResult & { readonly id: bigint };
/** A lease with its remaining time. */
export type LeaseState = LeaseTimeToLiveResult & { readonly id: bigint };
/** The ids of all leases. */
export interface LeaseList {
  readonly header: Header;
  readonly ids: readonly bigint[];
}

/** A user with the names of its roles. */
export type UserRoles = AuthResult & { readonly user: string; readonly roles: readonly string[] };
/** A role with its permissions. */
export type RolePermissions = AuthResult & { readonly role: string; readonly permissions: readonly Permission[] };

/** A response to a watch, including the last one, which cancels it. */
export interface WatchAnswer extends WatchResponse {
  /** The oldest revision that can be watched, if the watch was canceled because of a compaction; otherwise 0. */
  readonly compactRevision: number;
  readonly canceled: boolean;
  /** The reason why the watch was not created, or why its stream ended. */
  readonly refusal?: string;
}

/** Prints results of commands in one output format. */
export interface Printer {
  get(result: GetResult, shape: { readonly valueOnly: boolean }): void;
  put(result: PutResult): void;
  delete(result: DeleteResult): void;
  txn(result: TxnResult): void;
  watch(answer: WatchAnswer): void;
  leaseGrant(result: LeaseGrantResult): void;
  leaseRevoke(result: LeaseRevoked): void;
  leaseKeepAlive(result: LeaseRenewed): void;
  /** Prints that a lease cannot be renewed any more. */
  leaseExpiry(id: bigint): void;
  leaseTimeToLive(state: LeaseState, asked: { readonly keys: boolean }): void;
  leaseList(result: LeaseList): void;
  memberList(result: MemberListResult): void;
  memberAdd(result: MemberAddResult): void;
  memberChange(result: MemberChanged): void;
  endpointHealth(results: readonly Health[]): void;
  endpointStatus(results: readonly EndpointStatus[]): void;
  endpointHashKv(results: readonly EndpointHash[]): void;
  moveLeader(result: LeaderMoved): void;
  downgrade(action: DowngradeAction, result: DowngradeResult): void;
  alarms(result: Alarms): void;
  authStatus(result: AuthStatusResult): void;
  /** Prints that users, roles or permissions have changed. @param line describes the change, for people */
  authChange(result: AuthResult, line: string): void;
  userGet(result: UserRoles): void;
  userList(result: AuthResult & { readonly users: readonly string[] }): void;
  roleGet(result: RolePermissions): void;
  roleList(result: AuthResult & { readonly roles: readonly string[] }): void;
}

/** Converts the results of reads and writes, alone or as steps of a transaction, to a printer's form. */
export interface KvForms<Form> {
  get(result: GetResult): Form;
  put(result: PutResult): Form;
  delete(result: DeleteResult): Form;
  txn(result: TxnResult): Form;
}

/** Returns the form of one step of a transaction. */
export function stepForm<Form>(forms: KvForms<Form>, step: TxnOpResult): Form {
  switch (step.op) {
    case "get":
      return forms.get(step);
    case "put":
      return forms.put(step);
    case "delete":
      return forms.delete(step);
    case "txn":
      return forms.txn(step);
  }
}

/** Refuses an output that the format cannot represent. The request has been executed already, as in etcdctl. */
export const refuseFormat = (format: string) => (): never => {
  throw new Failure(exitCodes.badFeature, `${format} not supported as output format`);
};
