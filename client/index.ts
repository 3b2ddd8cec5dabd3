// Talks to a cluster: reads, writes and watches keys, holds leases, locks and elections, asks members how they are.

export { Client } from "./client.js";
export {
  CompactedError,
  ConnectError,
  EtcdError,
  LeaseLostError,
  WatchEndedError,
  type EtcdErrorCode,
  type Outcome,
  type WatchEnd,
} from "./errors.js";
export type { ClientOptions, RequestOptions } from "./options.js";
export type { Header } from "./header.js";
export { prefixEnd, toText, type Bytes, type KeyInterval } from "./keys.js";
export type { CompactResult, Kv } from "./kv.js";
export type {
  DeleteResult,
  DeleteSettings,
  GetResult,
  GetSettings,
  KeyValue,
  PutResult,
  PutSettings,
} from "./kv-ops.js";
export type { Lease, LeaseGrantResult, LeaseRenewResult, LeaseTimeToLiveResult } from "./lease.js";
export type { KeptLease } from "./kept-lease.js";
export type { Lock, LockOptions } from "./lock.js";
export type { CampaignOptions, Election, Leadership } from "./election.js";
export type { Watch, WatchBatch, WatchOptions } from "./watch.js";
export type { WatchEvent, WatchResponse } from "./watch-queue.js";
export type { Compare, Txn, TxnOp, TxnOpResult, TxnResult } from "./txn.js";
export type { Cluster, MemberListResult } from "./cluster.js";
export type { AlarmResult, HashKvResult, Maintenance, StatusResult } from "./maintenance.js";
export type { AlarmMember, Member } from "../proto/index.js";
