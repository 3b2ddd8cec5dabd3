// Differences that docs/compatibility.md notes at a method, a field, a path or a command. Everything else is the same.

/** Notes on methods, by `Service.Method`. */
export const methodNotes: Readonly<Record<string, string>> = {
  "KV.Range": "an answer has at most 512 MiB",
  "KV.DeleteRange": "the previous values of an answer have at most 512 MiB",
  "KV.Txn": "the reads of an answer have at most 512 MiB",
  "KV.RangeStream":
    "a chunk ends early at twice `--max-request-bytes`; all chunks are of one revision; limits below 0 are none",
  "Watch.Watch": "changes that were applied together come in one response; at most 100 000 watchers on a stream",
  "Lease.LeaseGrant": "a free id is drawn at random",
  "Lease.LeaseKeepAlive":
    "answered only once a quorum has confirmed the leader, and not always in the order of the requests",
  "Lease.LeaseTimeToLive": "answered only once a quorum has confirmed the leader",
  "Maintenance.Alarm": "at most 256 active alarms; unknown types are refused with `etcdserver: invalid alarm`",
  "Maintenance.Defragment": "runs in the background: reads and writes continue",
  "Maintenance.Hash":
    "over keys with their history and leases: equal on members with equal contents, not comparable with etcd's",
  "Maintenance.HashKV":
    "always computed, so not before the newest compaction: etcd answers with a stored hash for a revision up to one",
  "Maintenance.MoveLeader": "fails once the transfer is given up; etcd waits until its client gives up",
  "Maintenance.Downgrade": "VALIDATE, CANCEL and all errors; ENABLE of a valid version is refused",
  "Lock.Lock": "the lease is not renewed; at most 10 000 calls wait on a member",
  "Election.Campaign": "the lease is not renewed; at most 10 000 calls wait on a member",
  "Election.Proclaim": "the lease is not renewed",
  "Election.Resign": "the lease is not renewed",
  "Election.Observe": "at most 10 000 observers on a member",
  "ServerReflection.ServerReflectionInfo": "etcd has none: UNIMPLEMENTED; `grpc.reflection.v1alpha` is answered alike",
};

/** Notes on fields, by `Message.field`. */
export const fieldNotes: Readonly<Record<string, string>> = {
  "StatusResponse.dbSize": "bytes of the LevelDB directory, without the log",
  "StatusResponse.dbSizeInUse": "bytes of the LevelDB directory, without the log",
  "HashResponse.hash": "over other data: see Maintenance.Hash",
  "HashKVResponse.hash": "over the present data, also up to a compaction",
};

/** HTTP/1.1 paths other than the gateway's: etcd's, and the differences in ours. */
export const pathNotes: Readonly<Record<string, string>> = {
  "/health": "same",
  "/livez": "same",
  "/livez/serializable_read": "same",
  "/readyz": "same",
  "/readyz/data_corruption": "same",
  "/readyz/serializable_read": "same",
  "/readyz/linearizable_read": "same",
  "/readyz/non_learner": "same",
  "/version": "same",
  "/metrics": "see [metrics.md](metrics.md)",
  "/debug/vars": "fewer variables: see [metrics.md](metrics.md)",
};

/** Notes on commands of minietcdctl, by the words that name them. */
export const commandNotes: Readonly<Record<string, string>> = {
  lock: "passes SIGTERM on to the command, and warns of a lost lock",
  version: "prints minietcdctl's own version",
};
