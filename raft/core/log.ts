import { invariant, InvariantError } from "./invariant.js";
import { entryBytes } from "./limits.js";
import type { Entry, LogIndex, LogPosition, Term } from "./types.js";

const none: readonly Entry[] = [];

/** What was on disk. */
export interface LogRecovered {
  /** Everything up to here is only in the state machine. */
  readonly base: LogPosition;
  /** What follows `base`, without a gap. */
  readonly entries: readonly Entry[];
  /** A hint: the later of it and `applied`, which is certain, counts. */
  readonly commit: LogIndex;
  /** The state machine holds these. */
  readonly applied: LogIndex;
}

/**
 * The log in memory, and how far it has come: every index up to
 *
 * - `base` is cut off, as it is in the state machine; of that part only its last term is known, raft paper §7,
 * - `applied` was handed out to be applied,
 * - `commit` is known to be on a majority, so it never changes again,
 * - `saved` is on this member's disk,
 * - `written` was handed to the disk; ahead of `saved` while a write is under way,
 * - `lastIndex` is held.
 *
 * A truncation pulls `written` and `saved` back, so a write that ends afterwards counts only as far as it still agrees.
 */
export class Log {
  private readonly entries: Entry[] = [];
  private start: LogPosition;
  private writtenIndex: LogIndex;
  private savedIndex: LogIndex;
  private commitIndex: LogIndex;
  private appliedIndex: LogIndex;
  private uncommitted = 0;

  constructor({ base, entries, commit, applied }: LogRecovered) {
    invariant(applied >= base.index, "a log that begins after what is applied");
    this.start = base;
    this.commitIndex = base.index;
    this.appliedIndex = applied;
    for (const entry of entries) this.appendEntry(entry);
    this.writtenIndex = this.savedIndex = this.lastIndex;
    this.commitTo(Math.max(commit, applied) as LogIndex);
  }

  /** The place just before the first entry. */
  get base(): LogPosition {
    return this.start;
  }

  get lastIndex(): LogIndex {
    return (this.start.index + this.entries.length) as LogIndex;
  }

  get lastTerm(): Term {
    return this.entries.at(-1)?.term ?? this.start.term;
  }

  get commit(): LogIndex {
    return this.commitIndex;
  }

  get saved(): LogIndex {
    return this.savedIndex;
  }

  /** Bytes of the entries after `commit`, by `entryBytes`. */
  get uncommittedBytes(): number {
    return this.uncommitted;
  }

  /** The term of the entry at `index`; undefined past the last, and before `base`, where it is not known any more. */
  termAt(index: LogIndex): Term | undefined {
    const { start } = this;
    return index === start.index ? start.term : this.entries[index - start.index - 1]?.term;
  }

  /** Whether a log that ends like this holds all that ours may have committed. Raft paper §5.4.1. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /**
   * The newest index at or before `index` whose entry is of `term` or an older one. Terms only grow along
   * a log, so two logs cannot agree at an entry that is newer than what the other holds there.
   *
   * @returns anything before `base` if it lies there: how far before is not known
   */
  findConflictByTerm(index: LogIndex, term: Term): LogIndex {
    const { start } = this;
    if (index < start.index) return index;
    if (start.term > term) return (start.index - 1) as LogIndex;
    let low = start.index as number;
    let high = Math.min(index, this.lastIndex);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.termAt(middle as LogIndex) ?? 0) <= term) low = middle;
      else high = middle - 1;
    }
    return low as LogIndex;
  }

  /** Entries from `from` on, as many as fit into `maxBytes` but at least one, up to `to`. */
  sliceEntries(from: LogIndex, to: LogIndex, maxBytes: number): readonly Entry[] {
    const start = from - this.start.index - 1;
    const limit = to - this.start.index;
    let end = start;
    let bytes = 0;
    for (; end < limit; end++) {
      const entry = this.entries[end];
      if (entry === undefined)
        throw new InvariantError(`no entry ${this.start.index + end + 1}, log ends at ${this.lastIndex}`);
      bytes += entryBytes(entry);
      if (end > start && bytes > maxBytes) break;
    }
    return start < end ? this.entries.slice(start, end) : none;
  }

  /** Adds one entry at the end. */
  appendEntry(entry: Entry): void {
    if (entry.index !== this.lastIndex + 1) throw new InvariantError(`entry ${entry.index} after ${this.lastIndex}`);
    if (entry.term < this.lastTerm)
      throw new InvariantError(`term ${entry.term} after term ${this.lastTerm} in the log`);
    this.entries.push(entry);
    this.uncommitted += entryBytes(entry);
  }

  /** Takes over a leader's entries that follow a matching one: an own entry that conflicts goes, with all after it. Raft paper §5.3. */
  mergeEntries(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const own = this.termAt(entry.index);
      if (own === entry.term) continue;
      if (own !== undefined) this.truncateFrom(entry.index);
      this.appendEntry(entry);
    }
  }

  private truncateFrom(index: LogIndex): void {
    invariant(index > this.commitIndex, `conflict at ${index}, at or below commit ${this.commitIndex}`);
    const kept = (index - 1) as LogIndex;
    for (let i = kept - this.start.index; i < this.entries.length; i++) {
      const entry = this.entries[i];
      if (entry !== undefined) this.uncommitted -= entryBytes(entry);
    }
    this.entries.length = kept - this.start.index;
    this.writtenIndex = Math.min(this.writtenIndex, kept) as LogIndex;
    this.savedIndex = Math.min(this.savedIndex, kept) as LogIndex;
  }

  /** Moves `commit` forward to `index`; never back. */
  commitTo(index: LogIndex): void {
    if (index > this.lastIndex) throw new InvariantError(`commit ${index} past the end of the log, ${this.lastIndex}`);
    for (let i = this.commitIndex - this.start.index; i < index - this.start.index; i++) {
      const entry = this.entries[i];
      if (entry !== undefined) this.uncommitted -= entryBytes(entry);
    }
    if (index > this.commitIndex) this.commitIndex = index;
  }

  /** What the disk has not been handed yet; counts as handed from here. */
  takeUnwritten(): readonly Entry[] {
    const entries = this.sliceEntries((this.writtenIndex + 1) as LogIndex, this.lastIndex, Infinity);
    this.writtenIndex = this.lastIndex;
    return entries;
  }

  /** The write of what was taken last ended: all of it that was not truncated meanwhile is durable. */
  markSaved(): void {
    this.savedIndex = this.writtenIndex;
  }

  /** The next entries to apply, each once: committed, and durable here. */
  takeCommitted(maxBytes: number): readonly Entry[] {
    const to = Math.min(this.commitIndex, this.savedIndex) as LogIndex;
    const entries = this.sliceEntries((this.appliedIndex + 1) as LogIndex, to, maxBytes);
    this.appliedIndex = (this.appliedIndex + entries.length) as LogIndex;
    return entries;
  }

  /**
   * Forgets the entries up to `through`, as far as they were handed out to be applied: from here on they are only in
   * the state machine. Raft paper §7.
   */
  compact(through: LogIndex): void {
    const index = Math.min(through, this.appliedIndex) as LogIndex;
    const term = this.termAt(index);
    if (index <= this.start.index || term === undefined) return;
    this.entries.splice(0, index - this.start.index);
    this.start = { index, term };
  }

  /** The state machine holds everything up to `position`, from elsewhere: the log begins anew, empty and durable. Raft paper §7. */
  restart(position: LogPosition): void {
    invariant(
      position.index > this.commitIndex,
      `a snapshot at ${position.index}, at or below commit ${this.commitIndex}`,
    );
    this.entries.length = 0;
    this.start = position;
    this.writtenIndex = this.savedIndex = this.commitIndex = this.appliedIndex = position.index;
    this.uncommitted = 0;
  }
}
