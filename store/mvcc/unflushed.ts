import type { KeyEntry } from "./key-index.js";
import { encodeKeyValue, noBytes, onlyKey, type KeyState } from "./key-value.js";
import type { ValueChunk } from "./value-chunk.js";
import type { Revision } from "../base/index.js";

/** A change of a key that is applied and not yet known to be on disk. */
export class Change {
  /**
   * @param before what the key was before; absent: the index did not know it
   * @param chunk of a put: where its encoded KeyValue lies. A delete is encoded when it is asked for
   */
  constructor(
    readonly entry: KeyEntry,
    readonly state: KeyState,
    readonly before: KeyState | undefined,
    readonly chunk: ValueChunk<KeyEntry> | undefined,
    readonly start: number,
    private readonly length: number,
  ) {}

  /** The encoded KeyValue; of a delete only `key` is set. */
  get keyValue(): Uint8Array {
    const { chunk, start } = this;
    if (chunk === undefined) return encodeKeyValue(this.entry.key, onlyKey, noBytes);
    return chunk.memory.subarray(start, start + this.length);
  }

  /** The length of the KeyValue; of a delete about that, as nothing is encoded for it. */
  get bytes(): number {
    return this.chunk === undefined ? this.entry.key.length : this.length;
  }
}

/** The changes of one revision: most are a single one. */
export type RevisionChanges = Change | readonly Change[];

/** Lists the changes of one revision. */
export const listed = (changes: RevisionChanges): readonly Change[] =>
  changes instanceof Change ? [changes] : changes;

/** The changes that no disk has yet, by revision. Revisions follow each other without gaps, so a place is a difference. */
export class Unflushed {
  private readonly revisions: RevisionChanges[] = [];

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
  holds(main: number): boolean {
    return main >= this.first;
  }

  /** The encoded KeyValue of a change. Undefined: it is on disk. */
  find(main: number, sub: number): Uint8Array | undefined {
    const changes = this.revisions[main - this.first];
    if (!(changes instanceof Change)) return changes?.[sub]?.keyValue;
    return sub === 0 ? changes.keyValue : undefined;
  }

  /** Adds the next revision with its first change. */
  push(change: Change): void {
    this.revisions.push(change);
  }

  /** Gives the newest revision a list of its changes, which may still grow. */
  extend(changes: readonly Change[]): void {
    this.revisions[this.revisions.length - 1] = changes;
  }

  /** Takes back the newest revision. */
  pop(): void {
    this.revisions.pop();
  }

  /** The changes in `[from, to]`, oldest first. */
  between(from: number, to: number): readonly RevisionChanges[] {
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
