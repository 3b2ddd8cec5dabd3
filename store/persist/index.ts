// The store on disk over time: rounds of writes, recovery, compaction, snapshots.

export { Compactor, type Compaction, type StoreChanges } from "./compaction.js";
export { onlyOpen, Pins } from "./pins.js";
export { StoreVersionError, recover, recoverState, type Recovered, type StoreImage } from "./recovery.js";
export { snapshotOf, StoreSnapshot } from "./snapshot.js";
export { buildStore, StoreBuilder, type BuildOptions, type BuiltStore } from "./store-builder.js";
export { type RoundState, type RowList, type TableRow, Tables, type TableSource } from "./tables.js";
export { WriteBehind } from "./write-behind.js";
