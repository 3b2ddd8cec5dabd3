// etcd's operations, independent of the transports.

export { alarmName } from "./alarms.js";
export { Access, type AccessParts } from "./access.js";
export { Authorization } from "./authorization.js";
export { Admission } from "./admission.js";
export type { Application, LeaseListItem, Operation, OperationName, Operations } from "./application.js";
export { type Concurrency, createConcurrency } from "./concurrency.js";
export { AuditLog, type AuditSink } from "./audit.js";
export { createApplication, type ApplicationParts, type ApplicationSettings } from "./create-application.js";
export type { ElectedLeader, LeaderReceiver, Elections, ElectionObservation } from "./elections.js";
export type { QueuedCall, QueueOperations } from "./key-queue.js";
export { minLeaseTtl } from "./lease.js";
export type { Locks } from "./locks.js";
export { resultOf } from "./result-of.js";
export type {
  ChunkEnd,
  ChunkReceiver,
  ChunkSession,
  RangeChunk,
  WatchView,
  KeepAliveSession,
  SessionListener,
  WatchAnswer,
  WatchListener,
  WatchSession,
} from "./sessions.js";
export { RequestStats } from "./request-stats.js";
export { wrapOperations } from "./wrap-operations.js";
