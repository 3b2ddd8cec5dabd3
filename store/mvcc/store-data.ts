import type { BlockList } from "../disk/index.js";
import type { KeyIndex } from "./key-index.js";
import type { Leases } from "./leases.js";
import type { StoreLimits, StoreStats, Turns } from "../base/index.js";
import type { Unflushed } from "./unflushed.js";
import type { ValueCache } from "./value-cache.js";
import type { Values } from "./values.js";

/** The data that the components of the store share. */
export interface StoreData {
  readonly index: KeyIndex;
  readonly leases: Leases;
  readonly values: Values;
  readonly cache: ValueCache;
  readonly unflushed: Unflushed;
  /** The blocks of changes that are on disk. */
  readonly blocks: BlockList;
  readonly limits: StoreLimits;
  /** The turns in which long work runs. */
  readonly turns: Turns;
  readonly stats: StoreStats;
}
