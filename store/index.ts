// The store: keys, revisions and their history, on `level`. It knows nothing of logs; whoever applies marks its rounds.

export { openDiskBackend, openMemoryBackend } from "./backend.js";
export type { Backend, BackendSize, Batch, Row, RowIterator, Rows, View } from "./backend.js";
export { atOnce } from "./slices.js";
export type { Sliced } from "./slices.js";
export { slicedSort } from "./sliced-sort.js";
export type { StoreClock } from "./clock.js";
export { PatientBackend, type DescriptorSource } from "./descriptor-shortage.js";
export type { Compaction } from "./compaction.js";
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
} from "./errors.js";
export type { StoreErrorCode } from "./errors.js";
export type { KvHash } from "./hash-kv.js";
export type { Answer } from "./contents.js";
export { KvStore, openStore } from "./kv-store.js";
export type { Installed, StoreOptions } from "./kv-store.js";
export type { StoreLimits } from "./limits.js";
export type { Lease } from "./leases.js";
export { NewerFormatError } from "./recovery.js";
export type { Revision } from "./revision.js";
export { StoreSnapshot } from "./snapshot.js";
export { buildStore, StoreBuilder } from "./store-builder.js";
export type { BuildOptions, BuiltStore } from "./store-builder.js";
export type { Watch, WatchBatch, WatchOptions, WatchReceiver } from "./watch.js";
