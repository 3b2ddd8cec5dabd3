import { type Key, noLease, type Sliced } from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import { encodeKeyValue, keyAndRevisionsOf, noBytes } from "./key-value.js";
import type { RangeRead } from "./range.js";
import type { StoreData } from "./store-data.js";

/** Bounds of a part of a read. */
export interface PartBounds {
  readonly from: Key;
  /** Undefined: no end. */
  readonly to: Key | undefined;
  readonly maxKeys: number;
  /** The part ends with the key that reaches so many bytes. */
  readonly maxBytes: number;
  /** Leaves out values and leases. */
  readonly keysOnly: boolean;
}

/** The first keys of an interval, in key order. */
export interface RangePart {
  readonly kvs: readonly Uint8Array[];
  /** The next key that exists; undefined: there is none. */
  readonly next: Key | undefined;
}

/** Visited keys before it is asked whether to pause, unless one is read from disk. */
const keysPerLook = 200;
/** Looking up so many keys, and their values in memory, takes as long as one entry is reckoned with. */
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

/** Gathers keys until the bounds are reached, and then looks for one more. */
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

  /** Returns the number of keys visited since it was asked last. */
  takeVisited(): number {
    const { visited } = this;
    this.visited = 0;
    this.diskReads = this.data.values.diskReads;
    return visited;
  }

  /** Looks at the next key. @returns false: it is time to look whether others are to run, or it is done */
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
    return this.visited < keysPerLook && this.data.values.diskReads === this.diskReads;
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
