// What commands print, in whatever format.
import type {
  AlarmMember,
  DeleteResult,
  GetResult,
  HashKvResult,
  Header,
  LeaseGrantResult,
  LeaseRenewResult,
  LeaseTimeToLiveResult,
  MemberListResult,
  PutResult,
  StatusResult,
  TxnOpResult,
  TxnResult,
  WatchResponse,
} from "../../../client/index.js";
import { exitCodes, Failure } from "../args/index.js";

export interface Health {
  readonly endpoint: string;
  readonly healthy: boolean;
  readonly tookMs: number;
  /** Why it is not healthy. */
  readonly error?: string;
}
export interface Alarms {
  /** Absent: put together from several answers. */
  readonly header: Header | undefined;
  readonly alarms: readonly AlarmMember[];
}
export interface LeaderMoved {
  readonly from: bigint;
  readonly to: bigint;
}
export type EndpointStatus = StatusResult & { readonly endpoint: string };
export type EndpointHash = HashKvResult & { readonly endpoint: string };
export interface LeaseRevoked {
  readonly id: bigint;
  readonly header: Header;
}
export type LeaseRenewed = LeaseRenewResult & { readonly id: bigint };
export type LeaseState = LeaseTimeToLiveResult & { readonly id: bigint };
export interface LeaseList {
  readonly header: Header;
  readonly ids: readonly bigint[];
}

/** What a server says of a watch; also the last, with which it ends. */
export interface WatchAnswer extends WatchResponse {
  /** Not 0: the oldest revision there is, if that is why the watch was canceled. */
  readonly compactRevision: number;
  readonly canceled: boolean;
  /** Why the watch never came to be, or why its stream ended. */
  readonly refusal?: string;
}

export interface Printer {
  get(result: GetResult, shape: { readonly valueOnly: boolean }): void;
  put(result: PutResult): void;
  delete(result: DeleteResult): void;
  txn(result: TxnResult): void;
  watch(answer: WatchAnswer): void;
  leaseGrant(result: LeaseGrantResult): void;
  leaseRevoke(result: LeaseRevoked): void;
  leaseKeepAlive(result: LeaseRenewed): void;
  /** It cannot be renewed any more. */
  leaseGone(id: bigint): void;
  leaseTimeToLive(state: LeaseState, asked: { readonly keys: boolean }): void;
  leaseList(result: LeaseList): void;
  memberList(result: MemberListResult): void;
  endpointHealth(results: readonly Health[]): void;
  endpointStatus(results: readonly EndpointStatus[]): void;
  endpointHashKv(results: readonly EndpointHash[]): void;
  moveLeader(result: LeaderMoved): void;
  alarms(result: Alarms): void;
}

/** What a format makes of reads and writes, be they a whole answer or a step of a transaction's. */
export interface KvForms<Form> {
  get(result: GetResult): Form;
  put(result: PutResult): Form;
  delete(result: DeleteResult): Form;
  txn(result: TxnResult): Form;
}

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

/** How a format refuses what it has no form for. By then the request has been carried out, as in etcdctl. */
export const unsupported = (format: string) => (): never => {
  throw new Failure(exitCodes.badFeature, `${format} not supported as output format`);
};
