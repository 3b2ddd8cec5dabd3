// The store: keys, revisions and their history, in LevelDB. Independent of any log: the applier stores a marker of its own per round.

export {
  type Backend,
  type BackendSize,
  type Batch,
  type DescriptorSource,
  levelDirectory,
  openDiskBackend,
  MemoryBackend,
  openMemoryBackend,
  RetryingBackend,
  type Row,
  type RowIterator,
  type Rows,
  type View,
  withClose,
} from "./disk/index.js";
export {
  ClosedError,
  CompactedError,
  DamagedError,
  FutureRevisionError,
  intervalOf,
  type Key,
  KeyNotFoundError,
  LeaseExistsError,
  type LeaseId,
  leaseIdFrom,
  LeaseNotFoundError,
  ReadOnlyError,
  type Revision,
  runAtOnce,
  type ShouldYield,
  type Sliced,
  sortInSlices,
  type StoreClock,
  StoreError,
  type StoreErrorCode,
  type StoreLimits,
  StoreStats,
  TooLargeError,
} from "./base/index.js";
export {
  type BuildOptions,
  buildStore,
  type BuiltStore,
  type Compaction,
  type RoundState,
  type RowList,
  StoreVersionError,
  StoreBuilder,
  type StoreImage,
  StoreSnapshot,
  type TableRow,
  type TableSource,
} from "./persist/index.js";
export type { KvHash, Lease, PartBounds, RangePart } from "./mvcc/index.js";
export type { Answer, StoreBackend } from "./contents.js";
export { KvStore, openStore } from "./kv-store.js";
export type { Installed } from "./contents-in-use.js";
export type { StoreOptions } from "./kv-store.js";
export type { Watch, WatchBatch, WatchOptions, WatchReceiver } from "./watch/index.js";
