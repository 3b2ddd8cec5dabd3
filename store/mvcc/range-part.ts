import { type Key, noLease, type Sliced } from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import { encodeKeyValue, keyAndRevisionsOf, noBytes } from "./key-value.js";
import type { RangeRead } from "./range.js";
import type { StoreData } from "./store-data.js";

/** The interval and the size of one part of a read. */
export interface PartBounds {
  readonly from: Key;
  /** The key at which the interval ends, exclusive; undefined: the interval has no end. */
  readonly to: Key | undefined;
  readonly maxKeys: number;
  /** The part ends with the first key that brings its KeyValues to this many bytes. */
  readonly maxBytes: number;
  /** Leaves out values and leases. */
  readonly keysOnly: boolean;
}

/** The KeyValues of the first keys of an interval, in key order. */
export interface RangePart {
  readonly kvs: readonly Uint8Array[];
  /** The next existing key, at which the next part begins; undefined: this is the last part. */
  readonly next: Key | undefined;
}

/** The keys visited between two calls of `shouldYield`; a read from disk calls it earlier. */
const keysPerCheck = 200;
/** The keys, with values in memory, that count as one entry for `shouldYield`: to visit them takes about as long. */
const keysPerEntry = 4;

/** Reads the first keys of an interval at one revision, in slices, and whether there are more. */
export function* readPart(
  data: StoreData,
  bounds: PartBounds,
  { at, shouldYield }: Pick<RangeRead, "at" | "shouldYield">,
): Sliced<RangePart> {
  const reader = new PartReader(data, bounds, at);
  let from: Key | undefined = bounds.from;
  while (from !== undefined) {
    const last: Key | undefined = data.index.walk({ from, to: bounds.to }, reader.visit);
    const mustPause = shouldYield(reader.takeVisited() / keysPerEntry);
    if (reader.next !== undefined) break;
    from = last;
    if (mustPause && from !== undefined) yield;
  }
  return { kvs: reader.kvs, next: reader.next };
}

/** Reads KeyValues until the bounds are reached, and then finds the next existing key. */
class PartReader {
  readonly kvs: Uint8Array[] = [];
  next: Key | undefined = undefined;
  private bytes = 0;
  private visited = 0;
  private diskReads: number;

  constructor(
    private readonly data: StoreData,
    private readonly bounds: PartBounds,
    private readonly at: number,
  ) {
    this.diskReads = data.values.diskReads;
  }

  /** Returns the number of keys visited since its last call. */
  takeVisited(): number {
    const { visited } = this;
    this.visited = 0;
    this.diskReads = this.data.values.diskReads;
    return visited;
  }

  /** Reads the next key. @returns false: the part is complete, or `shouldYield` is to be called */
  readonly visit = (entry: KeyEntry): boolean => {
    this.visited += 1;
    const put = entry.putAt(this.at);
    if (put !== undefined) {
      if (this.isFull) {
        this.next = entry.key;
        return false;
      }
      const keyValue = this.keyValueOf(entry, put);
      this.kvs.push(keyValue);
      this.bytes += keyValue.length;
    }
    return this.visited < keysPerCheck && this.data.values.diskReads === this.diskReads;
  };

  private get isFull(): boolean {
    return this.kvs.length >= this.bounds.maxKeys || this.bytes >= this.bounds.maxBytes;
  }

  private keyValueOf(entry: KeyEntry, put: NonNullable<ReturnType<KeyEntry["putAt"]>>): Uint8Array {
    const { values } = this.data;
    const isNewest = put === entry.newest;
    if (this.bounds.keysOnly && isNewest)
      return encodeKeyValue(entry.key, { ...entry.newest, lease: noLease }, noBytes);
    const keyValue = isNewest ? values.readNewest(entry) : values.readAt(put.mod, put.sub);
    return this.bounds.keysOnly ? keyAndRevisionsOf(keyValue) : keyValue;
  }
}
