import type { KeyEntry } from "./key-index.js";
import { encodeKeyValue, noBytes, onlyKey, type KeyState } from "./key-value.js";
import type { Revision } from "../base/index.js";

/** A change of a key that is applied and not yet known to be on disk. */
export class Change {
  /**
   * @param before what the key was before; absent: the index did not know it
   * @param encoded of a put: its KeyValue. A delete is encoded when it is asked for
   */
  constructor(
    readonly entry: KeyEntry,
    readonly state: KeyState,
    readonly before: KeyState | undefined,
    private readonly encoded: Uint8Array | undefined,
  ) {}

  /** The encoded KeyValue; of a delete only `key` is set. */
  get keyValue(): Uint8Array {
    return this.encoded ?? encodeKeyValue(this.entry.key, onlyKey, noBytes);
  }

  /** The approximate length of the KeyValue: nothing is encoded for it. */
  get bytes(): number {
    return this.encoded?.length ?? this.entry.key.length;
  }
}

/** The changes that no disk has yet, by revision. Revisions follow each other without gaps, so a place is a difference. */
export class Unflushed {
  private readonly revisions: (readonly Change[])[] = [];

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

  /** Forgets the changes up to `revision`, which are on disk now. */
  dropThrough(revision: Revision): void {
    const count = revision - this.first + 1;
    if (count <= 0) return;
    this.revisions.splice(0, count);
    this.first = (revision + 1) as Revision;
  }
}
