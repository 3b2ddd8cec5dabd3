import type { BackendSize } from "../../store/index.js";
import { counter, type Family, gauge, histogram } from "./family.js";
import type { MeasuredMember, MeasuredReplica } from "./measured.js";

/** etcd's metrics of keys, watches, leases and the disk. */
export const storeFamilies = (member: MeasuredMember, size: BackendSize, unixNow: number): Family[] => [
  ...keyFamilies(member.replica, size),
  ...watchFamilies(member),
  ...compactionFamilies(member, unixNow),
  ...leaseFamilies(member.replica),
  ...diskFamilies(member.replica),
];

const keyFamilies = ({ store }: MeasuredReplica, size: BackendSize): Family[] => {
  const { puts, deletes, ranges, txns, putBytes, hashSeconds, hashKvSeconds } = store.stats;
  return [
    counter("etcd_mvcc_put_total", "Total number of puts seen by this member.", puts),
    counter("etcd_mvcc_delete_total", "Total number of deletes seen by this member.", deletes),
    counter("etcd_mvcc_range_total", "Total number of ranges seen by this member.", ranges),
    counter("etcd_mvcc_txn_total", "Total number of txns seen by this member.", txns),
    gauge("etcd_debugging_mvcc_keys_total", "Total number of keys.", store.keyCount),
    gauge("etcd_debugging_mvcc_current_revision", "The current revision of store.", store.revision),
    gauge(
      "etcd_debugging_mvcc_compact_revision",
      "The revision of the last compaction in store.",
      store.compactRevision,
    ),
    gauge(
      "etcd_debugging_mvcc_total_put_size_in_bytes",
      "The total size of put kv pairs seen by this member.",
      putBytes,
    ),
    gauge(
      "etcd_mvcc_db_total_size_in_bytes",
      "Total size of the underlying database physically allocated in bytes.",
      size.allocatedBytes,
    ),
    gauge(
      "etcd_mvcc_db_total_size_in_use_in_bytes",
      "Total size of the underlying database logically in use in bytes.",
      size.inUseBytes,
    ),
    histogram("etcd_mvcc_hash_duration_seconds", "The latency distribution of storage hash operation.", hashSeconds),
    histogram(
      "etcd_mvcc_hash_rev_duration_seconds",
      "The latency distribution of storage hash by revision operation.",
      hashKvSeconds,
    ),
  ];
};

const watchFamilies = ({ replica, requests }: MeasuredMember): Family[] => {
  const { watchers, liveWatchers, events } = replica.store.stats;
  return [
    gauge("etcd_debugging_mvcc_watch_stream_total", "Total number of watch streams.", requests.watchStreams),
    gauge("etcd_debugging_mvcc_watcher_total", "Total number of watchers.", watchers),
    gauge("etcd_debugging_mvcc_slow_watcher_total", "Total number of unsynced slow watchers.", watchers - liveWatchers),
    counter("etcd_debugging_mvcc_events_total", "Total number of events sent by this member.", events),
    gauge("etcd_debugging_mvcc_pending_events_total", "Total number of pending events to be sent.", 0),
  ];
};

const compactionFamilies = ({ replica, clock }: MeasuredMember, unixNow: number): Family[] => {
  const { compactedChanges, compactedAt, compactionMs, compactionBatchMs, indexCompactionMs } = replica.store.stats;
  const compactedUnix = compactedAt === undefined ? 0 : Math.floor((unixNow - (clock.now() - compactedAt)) / 1_000);
  return [
    counter("etcd_debugging_mvcc_db_compaction_keys_total", "Total number of db keys compacted.", compactedChanges),
    gauge(
      "etcd_debugging_mvcc_db_compaction_last",
      "The unix time of the last db compaction. Resets to 0 on start.",
      compactedUnix,
    ),
    histogram(
      "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
      "Bucketed histogram of db compaction pause duration.",
      compactionBatchMs,
    ),
    histogram(
      "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
      "Bucketed histogram of db compaction total duration.",
      compactionMs,
    ),
    histogram(
      "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
      "Bucketed histogram of index compaction pause duration.",
      indexCompactionMs,
    ),
  ];
};

const leaseFamilies = ({ leases }: MeasuredReplica): Family[] => {
  const { granted, revoked, renewed, expired, ttlSeconds } = leases.stats;
  return [
    counter("etcd_debugging_lease_granted_total", "The total number of granted leases.", granted),
    counter("etcd_debugging_lease_revoked_total", "The total number of revoked leases.", revoked),
    counter("etcd_debugging_lease_renewed_total", "The number of renewed leases seen by the leader.", renewed),
    counter("etcd_debugging_server_lease_expired_total", "The total number of expired leases.", expired),
    histogram("etcd_debugging_lease_ttl_total", "Bucketed histogram of lease TTLs.", ttlSeconds),
  ];
};

const diskFamilies = ({ log, store }: MeasuredReplica): Family[] => [
  histogram(
    "etcd_disk_wal_fsync_duration_seconds",
    "The latency distributions of synced writes of the write-ahead log.",
    log.writes.seconds,
  ),
  gauge("etcd_disk_wal_write_bytes_total", "Total number of bytes written in WAL.", log.writes.bytes),
  histogram(
    "etcd_disk_backend_commit_duration_seconds",
    "The latency distributions of commit called by backend.",
    store.stats.commitSeconds,
  ),
  histogram(
    "etcd_disk_backend_defrag_duration_seconds",
    "The latency distribution of backend defragmentation, during which reads and writes go on.",
    store.stats.defragmentSeconds,
  ),
  gauge(
    "etcd_disk_defrag_inflight",
    "Whether or not defrag is active on the member. 1 means active, 0 means not.",
    Number(store.stats.isDefragmenting),
  ),
];
