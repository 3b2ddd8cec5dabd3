import { type Backend, changeRowKey, nameOfRow, openRow } from "../disk/index.js";
import { DamagedError } from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import type { Unflushed } from "./unflushed.js";
import type { ValueCache } from "./value-cache.js";

/** Finds the encoded KeyValue of a change, wherever it is. */
export class Values {
  /** Reads from disk so far: how long reads know when to let others run. */
  diskReads = 0;

  constructor(
    private readonly backend: Backend,
    private readonly unflushed: Unflushed,
    private readonly cache: ValueCache,
  ) {}

  /** The KeyValue of a key that exists now. */
  newest(entry: KeyEntry): Uint8Array {
    if (entry.value !== undefined) {
      entry.used = true;
      return entry.value;
    }
    const keyValue = this.at(entry.newest.mod, entry.newest.sub);
    this.cache.holdCopy(entry, keyValue);
    return keyValue;
  }

  /** The KeyValue of one put. */
  at(main: number, sub: number): Uint8Array {
    return this.unflushed.find(main, sub) ?? this.fromDisk(main, sub);
  }

  private fromDisk(main: number, sub: number): Uint8Array {
    this.diskReads += 1;
    const rowKey = changeRowKey(main, sub, false);
    const row = this.backend.get(rowKey);
    if (row === undefined) throw new DamagedError(nameOfRow(this.backend.name, rowKey), "the row is missing");
    return openRow(this.backend.name, rowKey, row);
  }
}
