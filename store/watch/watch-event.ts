import { encodeEvent } from "../../proto/index.js";
import type { Key, Revision } from "../base/index.js";
import { encodeKeyValue, isTombstone, type KeyState, noBytes, type StoreData } from "../mvcc/index.js";
import type { WatchOptions } from "./watch.js";

/** A change, encoded for watchers: once, and once more for those with prevKv. */
export class WatchEvent {
  private plain: Uint8Array | undefined = undefined;
  private withPrevious: Uint8Array | undefined = undefined;

  /**
   * @param keyValue as it was written: of a delete only `key` is set
   * @param before the KeyValue one revision before; absent: to be found when it is asked for
   */
  constructor(
    readonly key: Key,
    readonly state: KeyState,
    private readonly keyValue: Uint8Array,
    private readonly before?: Uint8Array,
  ) {}

  get revision(): Revision {
    return this.state.mod;
  }

  get bytes(): number {
    return this.keyValue.length;
  }

  isWantedBy({ puts, deletes }: WatchOptions): boolean {
    return isTombstone(this.state) ? deletes : puts;
  }

  /**
   * The Event.
   *
   * @throws DamagedError if what the key was before cannot be read
   */
  encodedFor({ prevKv }: WatchOptions, data: StoreData, compacted: Revision): Uint8Array {
    if (!prevKv) return (this.plain ??= this.encode(noBytes));
    return (this.withPrevious ??= this.encode(this.previous(data, compacted)));
  }

  private encode(prevKv: Uint8Array): Uint8Array {
    const deleted = isTombstone(this.state);
    const kv = deleted ? encodeKeyValue(this.key, this.state, noBytes) : this.keyValue;
    return encodeEvent(deleted, kv, prevKv);
  }

  /** The key one revision before, not one change before: in one transaction it may have been changed twice. */
  private previous({ index, values }: StoreData, compacted: Revision): Uint8Array {
    const before = this.state.mod - 1;
    if (this.state.create === this.state.mod || before < compacted) return noBytes;
    if (this.before !== undefined) return this.before;
    const put = index.get(this.key)?.putAt(before);
    return put === undefined ? noBytes : values.at(put.mod, put.sub);
  }
}
