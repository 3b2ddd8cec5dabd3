import type { KeyEntry } from "./key-index.js";
import type { KeyState } from "./key-value.js";
import type { Revision } from "./revision.js";

/** One change of one key, applied and not yet known to be on disk. */
export interface Change {
  readonly entry: KeyEntry;
  readonly state: KeyState;
  /** What the key was before; absent: the index did not know it. */
  readonly before: KeyState | undefined;
  /** The encoded KeyValue; of a delete only `key` is set. */
  readonly keyValue: Uint8Array;
  /** `keyValue` and room for the checksum behind it. */
  readonly row: Uint8Array;
}

/** The changes that no disk has yet, by revision. Revisions follow each other without gaps, so a place is a difference. */
export class Unflushed {
  private readonly revisions: (readonly Change[])[] = [];

  /** @param first the revision that the first change will have */
  constructor(private first: Revision) {}

  /** Everything before this revision is on disk. */
  get firstRevision(): Revision {
    return this.first;
  }

  /** Whether the change lies here and not on disk. */
  holds(main: number): boolean {
    return main >= this.first;
  }

  /** The encoded KeyValue of a change. Undefined: it is on disk. */
  find(main: number, sub: number): Uint8Array | undefined {
    return this.revisions[main - this.first]?.[sub]?.keyValue;
  }

  /** Adds the changes of the next revision; they may still grow. */
  push(changes: readonly Change[]): void {
    this.revisions.push(changes);
  }

  /** Takes back the newest revision. */
  pop(): void {
    this.revisions.pop();
  }

  /** The changes in `[from, to]`, oldest first. */
  between(from: number, to: number): readonly (readonly Change[])[] {
    return this.revisions.slice(Math.max(0, from - this.first), Math.max(0, to - this.first + 1));
  }

  /** Everything up to `revision` is on disk now. */
  dropThrough(revision: Revision): void {
    const count = revision - this.first + 1;
    if (count <= 0) return;
    this.revisions.splice(0, count);
    this.first = (revision + 1) as Revision;
  }
}
