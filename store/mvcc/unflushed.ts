import type { KeyEntry } from "./key-index.js";
import { encodeKeyValue, isTombstone, noBytes, onlyKey, type KeyState } from "./key-value.js";
import type { ValueChunk, ValuePlace } from "./value-chunk.js";
import { emptyList, type Revision } from "../base/index.js";

/** A part of a change: its key, what the key was before, and where the KeyValue of a put lies. */
type Part = KeyEntry | KeyState | ValuePlace<KeyEntry> | undefined;

const partsOfChange = 3;

/**
 * The changes of one revision, each in the place that is its `sub`. They are applied and not yet known to be on disk, and may still
 * grow. Most revisions have a single change, so the first one stands in fields. The parts of the others stand one after another in
 * one array, without an object for each: a revision may delete very many keys.
 */
export class Changes {
  private others: Part[] | undefined = undefined;

  /** Begins with the first change; see `add`. */
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
   * @param before what the key was before; absent: the index did not know it
   * @param place of a put: where its KeyValue lies. A delete is encoded when it is asked for
   */
  add(entry: KeyEntry, before: KeyState | undefined, place: ValuePlace<KeyEntry> | undefined): void {
    if (this.others === undefined) this.others = [entry, before, place];
    else this.others.push(entry, before, place);
  }

  entryOf(sub: number): KeyEntry {
    return sub === 0 ? this.firstEntry : (this.partOf(sub, 0) as KeyEntry);
  }

  /** Returns what the key was before the change; undefined: the index did not know it. */
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

  /** Returns the encoded KeyValue; of a delete only `key` is set. */
  keyValueOf(sub: number): Uint8Array {
    const chunk = this.chunkOf(sub);
    if (chunk === undefined) return encodeKeyValue(this.entryOf(sub).key, onlyKey, noBytes);
    const start = this.startOf(sub);
    return chunk.memory.subarray(start, start + this.sizeOf(sub));
  }

  /** Returns the memory of the encoded KeyValue of a put; undefined: the change is a delete. */
  chunkOf(sub: number): ValueChunk<KeyEntry> | undefined {
    return sub === 0 ? this.firstChunk : this.placeOf(sub)?.chunk;
  }

  /** Returns the offset of the KeyValue of a put in its chunk. */
  startOf(sub: number): number {
    return sub === 0 ? this.firstStart : (this.placeOf(sub)?.start ?? 0);
  }

  /** Returns the length of the KeyValue of a put, and about that of a delete: nothing is encoded for it. */
  sizeOf(sub: number): number {
    if (this.isDelete(sub)) return this.entryOf(sub).key.length;
    return sub === 0 ? this.firstLength : (this.placeOf(sub)?.length ?? 0);
  }

  private placeOf(sub: number): ValuePlace<KeyEntry> | undefined {
    return this.partOf(sub, 2) as ValuePlace<KeyEntry> | undefined;
  }

  private partOf(sub: number, number: number): Part {
    return this.others?.[(sub - 1) * partsOfChange + number];
  }
}

/** The changes that no disk has yet, by revision. Revisions follow each other without gaps, so a place is a difference. */
export class Unflushed {
  private readonly revisions = emptyList<Changes>();

  /** @param first the revision that the first change will have */
  constructor(private first: Revision) {}

  /** Whether the disk has all changes. */
  get isEmpty(): boolean {
    return this.revisions.length === 0;
  }

  /** First revision that is not known to be on disk. */
  get firstRevision(): Revision {
    return this.first;
  }

  /** Whether the change lies here and not on disk. */
  has(main: number): boolean {
    return main >= this.first;
  }

  /** The encoded KeyValue of a change. Undefined: it is on disk. */
  find(main: number, sub: number): Uint8Array | undefined {
    const changes = this.revisions[main - this.first];
    return changes !== undefined && sub < changes.length ? changes.keyValueOf(sub) : undefined;
  }

  /** Adds the changes of the next revision; they may still grow. */
  push(changes: Changes): void {
    this.revisions.push(changes);
  }

  /** Takes back the newest revision. */
  pop(): void {
    this.revisions.pop();
  }

  /** The changes in `[from, to]`, oldest first. */
  listBetween(from: number, to: number): readonly Changes[] {
    return this.revisions.slice(Math.max(0, from - this.first), Math.max(0, to - this.first + 1));
  }

  /** Forgets the changes up to `revision`, which are on disk now. */
  dropThrough(revision: Revision): void {
    const count = revision - this.first + 1;
    if (count <= 0) return;
    this.revisions.splice(0, count);
    this.first = (revision + 1) as Revision;
  }
}
