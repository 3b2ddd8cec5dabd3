import { ConfigurationHistory, type Configuration, type LogBase } from "./configuration.js";
import { invariant, InvariantError } from "./invariant.js";
import { entryBytes } from "./limits.js";
import type { LogIndex, Term } from "./ids.js";
import type { Entry } from "./types.js";

const none: readonly Entry[] = [];

/** The log as recovered from disk. */
export interface LogRecovered {
  /** The position before the first entry. Everything up to it is only in the state machine. */
  readonly base: LogBase;
  /** The entries after `base`, without a gap. */
  readonly entries: readonly Entry[];
  /** The commit index as last written, perhaps old: the greater of it and `applied` counts. */
  readonly commit: LogIndex;
  /** The last index that the state machine holds. */
  readonly applied: LogIndex;
}

/**
 * The log in memory. Every index up to
 *
 * - `base` is compacted: only the state machine holds it, and only its last term is known, Raft paper §7,
 * - `applied` was handed out to be applied,
 * - `commit` is on a majority and never changes,
 * - `saved` is on this member's disk,
 * - `written` was handed to the disk; ahead of `saved` while a write is under way,
 * - `agreed` is in the log of the leader of `agreedTerm`, too,
 * - `lastIndex` is held.
 *
 * A truncation pulls `written` and `saved` back, so a write that ends afterwards counts only as far as it still agrees.
 */
export class Log {
  private readonly entries: Entry[] = [];
  private start: LogBase;
  /** `start.index`, in a field of its own: every access to an entry reads it, and objects of several hidden classes are in `start`. */
  private startIndex: LogIndex;
  private configurations: ConfigurationHistory;
  private writtenIndex: LogIndex;
  private savedThrough: LogIndex;
  private commitIndex: LogIndex;
  private appliedIndex: LogIndex;
  private agreedIndex = 0 as LogIndex;
  private agreedTerm = 0 as Term;
  private uncommitted = 0;

  constructor({ base, entries, commit, applied }: LogRecovered) {
    invariant(applied >= base.index, "a log that begins after what is applied");
    this.start = base;
    this.startIndex = base.index;
    this.configurations = new ConfigurationHistory([base]);
    this.commitIndex = base.index;
    this.appliedIndex = applied;
    for (const entry of entries) this.appendEntry(entry);
    this.writtenIndex = this.savedThrough = this.lastIndex;
    this.commitTo(Math.max(commit, applied) as LogIndex);
  }

  /** The position just before the first entry. */
  get base(): LogBase {
    return this.start;
  }

  /** The configuration in force: the newest one in the log, committed or not. Raft thesis §4.1. */
  get configuration(): Configuration {
    return this.configurations.newest.configuration;
  }

  /** Tells whether the configuration in force is committed, so that no truncation rolls it back. */
  get isConfigurationCommitted(): boolean {
    return this.configurations.newest.index <= this.commitIndex;
  }

  /** The index of the last entry; the base's if there is none. */
  get lastIndex(): LogIndex {
    return (this.startIndex + this.entries.length) as LogIndex;
  }

  /** The term of the last entry; the base's if there is none. */
  get lastTerm(): Term {
    return this.entries[this.entries.length - 1]?.term ?? this.start.term;
  }

  /** The commit index. */
  get commit(): LogIndex {
    return this.commitIndex;
  }

  /** The last index known to be on this member's disk. */
  get savedIndex(): LogIndex {
    return this.savedThrough;
  }

  /** The bytes of the entries after `commit`, by `entryBytes`. */
  get uncommittedBytes(): number {
    return this.uncommitted;
  }

  /** Returns the term of the entry at `index`; undefined past the last entry and before `base`. */
  termAt(index: LogIndex): Term | undefined {
    const { startIndex } = this;
    return index === startIndex ? this.start.term : this.entries[index - startIndex - 1]?.term;
  }

  /** Tells whether a log with this end is at least as up to date as this one. Raft paper §5.4.1. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /**
   * Returns the greatest index at or before `index` whose entry has a term of at most `term`. Terms never fall along a log,
   * so two logs cannot match at an entry with a greater term than the other log's entry there. The same as etcd's
   * `findConflictByTerm`.
   *
   * @returns some index before `base` if the result lies there: the terms of compacted entries are not known
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

  /** Returns the entries from `from` up to `to`, as many as fit into `maxBytes` but at least one; none if `to` is before `from`. */
  sliceEntries(from: LogIndex, to: LogIndex, maxBytes: number): readonly Entry[] {
    const start = from - this.startIndex - 1;
    const limit = to - this.startIndex;
    let end = start;
    let bytes = 0;
    for (; end < limit; end++) {
      const entry = this.entries[end];
      if (entry === undefined)
        throw new InvariantError(`no entry ${this.startIndex + end + 1}, log ends at ${this.lastIndex}`);
      bytes += entryBytes(entry);
      if (end > start && bytes > maxBytes) break;
    }
    return start < end ? this.entries.slice(start, end) : none;
  }

  /** Appends one entry. */
  appendEntry(entry: Entry): void {
    if (entry.index !== this.lastIndex + 1) throw new InvariantError(`entry ${entry.index} after ${this.lastIndex}`);
    if (entry.term < this.lastTerm)
      throw new InvariantError(`term ${entry.term} after term ${this.lastTerm} in the log`);
    this.entries.push(entry);
    if (entry.kind === "configuration") this.configurations = this.configurations.append(entry);
    this.uncommitted += entryBytes(entry);
  }

  /** Appends a leader's entries; a conflicting entry is removed with all after it. Raft paper, figure 2, AppendEntries rules 3 and 4. */
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
    for (let i = kept - this.startIndex; i < this.entries.length; i++) {
      const entry = this.entries[i];
      if (entry !== undefined) this.uncommitted -= entryBytes(entry);
    }
    this.entries.length = kept - this.startIndex;
    this.configurations = this.configurations.truncateFrom(index);
    this.writtenIndex = Math.min(this.writtenIndex, kept) as LogIndex;
    this.savedThrough = Math.min(this.savedThrough, kept) as LogIndex;
    this.agreedIndex = Math.min(this.agreedIndex, kept) as LogIndex;
  }

  /** Records that the log matches that of the leader of `term` up to `index`: while it leads, neither changes there. */
  agreeTo(index: LogIndex, term: Term): void {
    if (term > this.agreedTerm) {
      this.agreedTerm = term;
      this.agreedIndex = index;
    } else if (index > this.agreedIndex) this.agreedIndex = index;
  }

  /** Advances `commit` to that of the leader of `term`, at most to the last entry that is known to be in its log. Raft paper §5.3. */
  commitAgreed(index: LogIndex, term: Term): void {
    if (term === this.agreedTerm) this.commitTo(Math.min(index, this.agreedIndex) as LogIndex);
  }

  /** Advances `commit` to `index`; it never goes back. */
  commitTo(index: LogIndex): void {
    if (index > this.lastIndex) throw new InvariantError(`commit ${index} past the end of the log, ${this.lastIndex}`);
    for (let i = this.commitIndex - this.startIndex; i < index - this.startIndex; i++) {
      const entry = this.entries[i];
      if (entry !== undefined) this.uncommitted -= entryBytes(entry);
    }
    if (index > this.commitIndex) this.commitIndex = index;
  }

  /** Returns the entries not yet handed to the disk, and counts them as handed. */
  takeUnwritten(): readonly Entry[] {
    const entries = this.sliceEntries((this.writtenIndex + 1) as LogIndex, this.lastIndex, Infinity);
    this.writtenIndex = this.lastIndex;
    return entries;
  }

  /** Records that the entries taken last are durable, except those truncated meanwhile. */
  markSaved(): void {
    this.savedThrough = this.writtenIndex;
  }

  /** Tells whether `takeCommitted` would return any. */
  get hasCommitted(): boolean {
    return Math.min(this.commitIndex, this.savedThrough) > this.appliedIndex;
  }

  /** Returns the next entries to apply, each once: committed, and durable here. */
  takeCommitted(maxBytes: number): readonly Entry[] {
    const to = Math.min(this.commitIndex, this.savedThrough) as LogIndex;
    const entries = this.sliceEntries((this.appliedIndex + 1) as LogIndex, to, maxBytes);
    this.appliedIndex = (this.appliedIndex + entries.length) as LogIndex;
    return entries;
  }

  /**
   * Removes the entries up to `through`, as far as they were handed out to be applied: only the state machine holds them
   * now. Raft paper §7.
   */
  compact(through: LogIndex): void {
    const index = Math.min(through, this.appliedIndex) as LogIndex;
    const term = this.termAt(index);
    if (index <= this.startIndex || term === undefined) return;
    this.entries.splice(0, index - this.startIndex);
    const { configuration } = this.configurations.at(index);
    this.configurations = this.configurations.compact(index);
    this.start = { index, term, configuration };
    this.startIndex = index;
  }

  /** Restarts the log, empty, after an installed snapshot at `base`. Raft paper §7. */
  restart(base: LogBase): void {
    invariant(base.index > this.commitIndex, `a snapshot at ${base.index}, at or below commit ${this.commitIndex}`);
    this.entries.length = 0;
    this.start = base;
    this.startIndex = base.index;
    this.configurations = new ConfigurationHistory([base]);
    this.writtenIndex = this.savedThrough = this.commitIndex = this.appliedIndex = base.index;
    this.agreedIndex = 0 as LogIndex;
    this.uncommitted = 0;
  }
}
