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
} from "./transport/errors.js";
export type { ClientOptions, RequestOptions } from "./transport/options.js";
export type { Header } from "./transport/header.js";
export { prefixEnd, toText, type Bytes, type KeyInterval } from "./kv/keys.js";
export type { CompactResult, Kv } from "./kv/kv.js";
export type {
  DeleteResult,
  DeleteSettings,
  GetResult,
  GetSettings,
  KeyValue,
  PutResult,
  PutSettings,
} from "./kv/kv-ops.js";
export type { Lease, LeaseGrantResult, LeaseRenewResult, LeaseTimeToLiveResult } from "./lease/lease.js";
export type { KeptLease } from "./lease/kept-lease.js";
export type { Lock, LockOptions } from "./concurrency/lock.js";
export type { CampaignOptions, Election, Leadership } from "./concurrency/election.js";
export type { Watch, WatchBatch, WatchOptions } from "./watch/watch.js";
export type { WatchEvent, WatchResponse } from "./watch/watch-queue.js";
export type { Compare, Txn, TxnOp, TxnOpResult, TxnResult } from "./kv/txn.js";
export type { Cluster, MemberListResult } from "./cluster.js";
export type { AlarmResult, HashKvResult, Maintenance, StatusResult } from "./maintenance.js";
export type { AlarmMember, Member } from "../proto/index.js";
