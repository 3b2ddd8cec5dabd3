import type { BlockList } from "../disk/index.js";
import type { KeyIndex } from "./key-index.js";
import type { Leases } from "./leases.js";
import type { StoreLimits, StoreStats, Turns } from "../base/index.js";
import type { Unflushed } from "./unflushed.js";
import type { ValueCache } from "./value-cache.js";
import type { Values } from "./values.js";

/** Data that the parts of the store share. */
export interface StoreData {
  readonly index: KeyIndex;
  readonly leases: Leases;
  readonly values: Values;
  readonly cache: ValueCache;
  readonly unflushed: Unflushed;
  /** The blocks of changes that are on disk. */
  readonly blocks: BlockList;
  readonly limits: StoreLimits;
  /** Turns that long work takes. */
  readonly turns: Turns;
  readonly stats: StoreStats;
}
