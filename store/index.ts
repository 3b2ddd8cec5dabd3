// The store: keys, revisions and their history, on `level`. It knows nothing of logs; whoever applies marks its rounds.

export { openDiskBackend, openMemoryBackend } from "./disk/backend.js";
export type { Backend, BackendSize, Batch, Row, RowIterator, Rows, View } from "./disk/backend.js";
export { atOnce } from "./base/slices.js";
export type { Sliced } from "./base/slices.js";
export { slicedSort } from "./base/sliced-sort.js";
export type { StoreClock } from "./base/clock.js";
export { PatientBackend, type DescriptorSource } from "./disk/descriptor-shortage.js";
export type { Compaction } from "./persist/compaction.js";
export {
  ClosedError,
  CompactedError,
  DamagedError,
  FutureRevisionError,
  KeyNotFoundError,
  LeaseExistsError,
  LeaseNotFoundError,
  ReadOnlyError,
  StoreError,
  TooLargeError,
} from "./base/errors.js";
export type { StoreErrorCode } from "./base/errors.js";
export type { KvHash } from "./mvcc/hash-kv.js";
export type { Answer } from "./contents.js";
export { KvStore, openStore } from "./kv-store.js";
export type { Installed, StoreOptions } from "./kv-store.js";
export type { StoreLimits } from "./base/limits.js";
export type { Lease } from "./mvcc/leases.js";
export { NewerFormatError } from "./persist/recovery.js";
export type { Revision } from "./base/revision.js";
export { StoreSnapshot } from "./persist/snapshot.js";
export { buildStore, StoreBuilder } from "./persist/store-builder.js";
export type { BuildOptions, BuiltStore } from "./persist/store-builder.js";
export type { Watch, WatchBatch, WatchOptions, WatchReceiver } from "./watch/watch.js";
