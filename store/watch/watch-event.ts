import { encodeEvent } from "../../proto/index.js";
import type { Key, Revision } from "../base/index.js";
import { type Changes, encodeKeyValue, noBytes, type StoreData, tombstoneOf } from "../mvcc/index.js";
import type { WatchOptions } from "./watch.js";

/** The kind of a change; "create": a put of a key that did not exist. */
type ChangeKind = "create" | "put" | "delete";

/** A change as an Event for watchers: encoded once, and once more for watchers with prevKv. */
export class WatchEvent {
  private plain: Uint8Array | undefined = undefined;
  private withPrevious: Uint8Array | undefined = undefined;

  /**
   * @param keyValue the KeyValue on disk: for a delete with only `key` set
   * @param before the KeyValue one revision before; absent: read when it is needed
   */
  constructor(
    readonly key: Key,
    readonly revision: Revision,
    private readonly kind: ChangeKind,
    private readonly keyValue: Uint8Array,
    private readonly before?: Uint8Array,
  ) {}

  /** The bytes of the KeyValue. */
  get bytes(): number {
    return this.keyValue.length;
  }

  /** Tells whether a watcher with these options gets the event. */
  isWantedBy({ puts, deletes }: WatchOptions): boolean {
    return this.kind === "delete" ? deletes : puts;
  }

  /**
   * Returns the encoded Event for a watcher with these options.
   *
   * @throws DamagedError if the previous KeyValue cannot be read
   */
  encodeFor({ prevKv }: WatchOptions, data: StoreData, compacted: Revision): Uint8Array {
    if (!prevKv) return (this.plain ??= this.encode(noBytes));
    return (this.withPrevious ??= this.encode(this.findPrevious(data, compacted)));
  }

  private encode(prevKv: Uint8Array): Uint8Array {
    const deleted = this.kind === "delete";
    const kv = deleted ? encodeKeyValue(this.key, tombstoneOf(this.revision), noBytes) : this.keyValue;
    return encodeEvent(deleted, kv, prevKv);
  }

  /** Finds the KeyValue one revision before, not one change before: a transaction may change a key twice. */
  private findPrevious({ index, values }: StoreData, compacted: Revision): Uint8Array {
    const before = this.revision - 1;
    if (this.kind === "create" || before < compacted) return noBytes;
    if (this.before !== undefined) return this.before;
    const put = index.get(this.key)?.putAt(before);
    return put === undefined ? noBytes : values.readAt(put.mod, put.sub);
  }
}

/** Returns the event of an applied change. @param before the KeyValue one revision before; absent: read when it is needed */
export function eventOfChange(changes: Changes, sub: number, before?: Uint8Array): WatchEvent {
  const kind = changes.isDelete(sub) ? "delete" : changes.isCreation(sub) ? "create" : "put";
  return new WatchEvent(changes.entryOf(sub).key, changes.revision, kind, changes.keyValueOf(sub), before);
}
