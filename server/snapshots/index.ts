// Log compaction: truncating the log, and sending the store to followers that need compacted entries.

export { type BackendSource, NewStores, type NewStoresOptions } from "./new-store.js";
export { Snapshots } from "./snapshots.js";
