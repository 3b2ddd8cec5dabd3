/**
 * The client of a cluster: reads, writes and watches keys, keeps leases, locks and elections, and reads the status of members.
 *
 * @module minietcd/client
 */

export { Client } from "./client.js";
export { discoverEndpoints, DiscoveryError, type DiscoveryOptions, type NameResolver } from "./discovery.js";
export type { Namespace } from "./namespace.js";
export {
  AuthError,
  type AuthReason,
  type Channel,
  type ChannelCall,
  type ChannelSettings,
  type ChannelState,
  type ChannelStream,
  type ClientOptions,
  type Credentials,
  type CredentialsSource,
  type KeepaliveOptions,
  type TlsOptions,
  CompactedError,
  ConnectError,
  errorFromFailure,
  EtcdError,
  type EtcdErrorCode,
  type Header,
  LeaseLostError,
  type MessageOptions,
  type Outcome,
  type PasswordCredentials,
  type RequestOptions,
  StatusError,
  type TokenCredentials,
  type StreamMethod,
  type Transport,
  type WatchEnd,
  WatchEndedError,
} from "./transport/index.js";
export {
  type Bytes,
  type CompactResult,
  type Compare,
  type DeleteResult,
  type DeleteSettings,
  type GetResult,
  type GetSettings,
  type KeyInterval,
  type KeyOrder,
  type KeyValue,
  type Kv,
  prefixEnd,
  type PutResult,
  type PutSettings,
  type RevisionBounds,
  toText,
  type Txn,
  type TxnOp,
  type TxnOpResult,
  type TxnResult,
} from "./kv/index.js";
export type {
  LeaseKeepAlive,
  Lease,
  LeaseGrantResult,
  LeaseGrantSettings,
  LeaseRenewResult,
  LeaseTimeToLiveResult,
  LeaseTimeToLiveSettings,
} from "./lease/index.js";
export {
  registerGrpcResolver,
  type RegisterOptions,
  type Registration,
  type ServiceEndpoint,
} from "./registry/index.js";
export type {
  Barrier,
  CampaignOptions,
  DoubleBarrier,
  Election,
  Leadership,
  Lock,
  LockOptions,
  PriorityQueue,
  Queue,
  StmOptions,
  StmTransaction,
  PlaceOptions,
  WaitOptions,
} from "./concurrency/index.js";
export type {
  Mirror,
  MirrorOptions,
  Watch,
  WatchBatch,
  WatchEvent,
  WatchDelivery,
  WatchOptions,
  WatchResponse,
} from "./watch/index.js";
export type {
  Auth,
  AuthResult,
  AuthStatusResult,
  Permission,
  PermissionType,
  RoleKeys,
  UserPassword,
  UserRole,
  UserToAdd,
} from "./auth.js";
export type { Cluster, MemberAddResult, MemberChangeResult, MemberListResult } from "./cluster.js";
export type {
  AlarmResult,
  DowngradeAction,
  DowngradeResult,
  HashKvResult,
  Maintenance,
  SnapshotPart,
  StatusResult,
} from "./maintenance.js";
export type { AlarmMember, Member } from "../proto/index.js";
