// Keys, their revisions and leases in memory: the index, reads, writes, transactions.

export { hashLeases } from "./hash-leases.js";
export { KvHasher, type KvHash } from "./hash-kv.js";
export { KeyIndex } from "./key-index.js";
export {
  decodeKeyValue,
  encodeKeyValue,
  isOnlyKey,
  isTombstone,
  noBytes,
  type KeyState,
  tombstoneOf,
  tombstoneSizeOf,
  writeTombstone,
} from "./key-value.js";
export { Attachments, Leases, type Lease } from "./leases.js";
export { isPlainGet, readKey, readRange } from "./range.js";
export { type PartBounds, type RangePart, readPart } from "./range-part.js";
export type { StoreData } from "./store-data.js";
export { type Bounds, runSmallTxn, runTxn } from "./txn.js";
export { type Changes, Unflushed } from "./unflushed.js";
export { ValueCache } from "./value-cache.js";
export { Values } from "./values.js";
export { Write } from "./write.js";
