import type { KeyEntry } from "./key-index.js";
import { encodeKeyValue, isTombstone, noBytes, onlyKey, type KeyState } from "./key-value.js";
import type { ValueChunk, ValuePlace } from "./value-chunk.js";
import { emptyList, type Revision } from "../base/index.js";

/** A part of a change, which has three: the entry of its key, the state of the key before it, the place of a put's KeyValue in memory. */
type UnflushedPart = KeyEntry | KeyState | ValuePlace<KeyEntry> | undefined;

const partsOfChange = 3;

/**
 * The changes of one revision that are applied and perhaps not on disk. `sub` is the place of a change, from 0; more changes may be
 * added. Most revisions have a single change, so the parts of the first one are fields. The parts of the others are in one array,
 * three for each change and no object, because a revision may delete millions of keys.
 */
export class Changes {
  private others: UnflushedPart[] | undefined = undefined;

  /** Adds the first change; the parameters are those of `add`. */
  constructor(
    readonly revision: Revision,
    private readonly firstEntry: KeyEntry,
    private readonly firstBefore: KeyState | undefined,
    private readonly firstChunk: ValueChunk<KeyEntry> | undefined,
    private readonly firstStart: number,
    private readonly firstLength: number,
  ) {}

  get length(): number {
    return this.others === undefined ? 1 : 1 + this.others.length / partsOfChange;
  }

  /**
   * Adds the next change.
   *
   * @param before the state of the key before the change; undefined: the key was not in the index
   * @param place the place of a put's KeyValue; undefined: the change is a delete, whose KeyValue `keyValueOf` encodes
   */
  add(entry: KeyEntry, before: KeyState | undefined, place: ValuePlace<KeyEntry> | undefined): void {
    if (this.others === undefined) this.others = [entry, before, place];
    else this.others.push(entry, before, place);
  }

  entryOf(sub: number): KeyEntry {
    return sub === 0 ? this.firstEntry : (this.partOf(sub, 0) as KeyEntry);
  }

  /** Returns the state of the key before the change; undefined: the key was not in the index. */
  stateBefore(sub: number): KeyState | undefined {
    return sub === 0 ? this.firstBefore : (this.partOf(sub, 1) as KeyState | undefined);
  }

  isDelete(sub: number): boolean {
    return this.chunkOf(sub) === undefined;
  }

  /** Whether the change is a put of a key that did not exist. */
  isCreation(sub: number): boolean {
    if (this.isDelete(sub)) return false;
    const before = this.stateBefore(sub);
    return before === undefined || isTombstone(before);
  }

  /** Returns the encoded KeyValue; for a delete it has only a key. */
  keyValueOf(sub: number): Uint8Array {
    const chunk = this.chunkOf(sub);
    if (chunk === undefined) return encodeKeyValue(this.entryOf(sub).key, onlyKey, noBytes);
    const start = this.startOf(sub);
    return chunk.memory.subarray(start, start + this.sizeOf(sub));
  }

  /** Returns the chunk that contains the encoded KeyValue of a put; undefined: the change is a delete. */
  chunkOf(sub: number): ValueChunk<KeyEntry> | undefined {
    return sub === 0 ? this.firstChunk : this.placeOf(sub)?.chunk;
  }

  /** Returns the offset of the KeyValue of a put in its chunk. */
  startOf(sub: number): number {
    return sub === 0 ? this.firstStart : (this.placeOf(sub)?.start ?? 0);
  }

  /** Returns the length of the KeyValue of a put, or the length of the key of a delete, which is close to that of its KeyValue. */
  sizeOf(sub: number): number {
    if (this.isDelete(sub)) return this.entryOf(sub).key.length;
    return sub === 0 ? this.firstLength : (this.placeOf(sub)?.length ?? 0);
  }

  private placeOf(sub: number): ValuePlace<KeyEntry> | undefined {
    return this.partOf(sub, 2) as ValuePlace<KeyEntry> | undefined;
  }

  /** @param part 0: entry, 1: state before, 2: place. @param sub from 1: the first change is not in the array */
  private partOf(sub: number, part: number): UnflushedPart {
    return this.others?.[(sub - 1) * partsOfChange + part];
  }
}

/** The changes that are perhaps not on disk, by revision. Revisions have no gaps, so the index in the list is `revision - first`. */
export class Unflushed {
  private readonly revisions = emptyList<Changes>();

  /** @param first the revision of the first changes that `push` will add */
  constructor(private first: Revision) {}

  /** Whether all changes are on disk. */
  get isEmpty(): boolean {
    return this.revisions.length === 0;
  }

  /** The first revision that is perhaps not on disk. */
  get firstRevision(): Revision {
    return this.first;
  }

  /** Whether the changes of a revision are here, and perhaps not on disk. */
  has(main: number): boolean {
    return main >= this.first;
  }

  /** Finds the encoded KeyValue of a change; undefined: the change is on disk. */
  find(main: number, sub: number): Uint8Array | undefined {
    const changes = this.revisions[main - this.first];
    return changes !== undefined && sub < changes.length ? changes.keyValueOf(sub) : undefined;
  }

  /** Adds the changes of the next revision; more may be added to them later. */
  push(changes: Changes): void {
    this.revisions.push(changes);
  }

  /** Removes the newest revision, whose changes are undone. */
  pop(): void {
    this.revisions.pop();
  }

  /** Returns the changes of the revisions in `[from, to]` that are here, oldest first. */
  listBetween(from: number, to: number): readonly Changes[] {
    return this.revisions.slice(Math.max(0, from - this.first), Math.max(0, to - this.first + 1));
  }

  /** Removes the changes up to and including `revision`, which are on disk now. */
  dropThrough(revision: Revision): void {
    const count = revision - this.first + 1;
    if (count <= 0) return;
    this.revisions.splice(0, count);
    this.first = (revision + 1) as Revision;
  }
}
