// The content of a record, and the rules for the order of records.
import { ByteReader, type ByteWriter, readEntries, writeEntries } from "../codec/index.js";
import {
  type Entry,
  type HardState,
  type LogIndex,
  type LogPosition,
  type MemberId,
  noMember,
  type Term,
} from "../core/index.js";

/** The content of one write: entries that replace the log from `entries[0].index` on, and the hard state if it changed. */
export interface Batch {
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
}

/** The end of a log: the part of its state that decides which batch may follow. */
export interface LogEnd {
  readonly hardState: HardState;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

/** The end of an empty log. */
export const emptyLog: LogEnd = {
  hardState: { term: 0 as Term, vote: noMember, commit: 0 as LogIndex },
  lastIndex: 0 as LogIndex,
  lastTerm: 0 as Term,
};

/** Encodes a batch. */
export const writeBatch = (writer: ByteWriter, { hardState, entries }: Batch): void => {
  writer.writeFlag(hardState !== undefined);
  if (hardState !== undefined) {
    writer.writeNumber(hardState.term);
    writer.writeId(hardState.vote);
    writer.writeNumber(hardState.commit);
  }
  writeEntries(writer, entries);
};

/**
 * Decodes a batch. The entries' data are views into `payload`.
 *
 * @throws MalformedMessageError if `payload` is not exactly one batch
 */
export const readBatch = (payload: Uint8Array): Batch => {
  const reader = new ByteReader(payload);
  const hardState = reader.readFlag() ? readHardState(reader) : undefined;
  const entries = readEntries(reader);
  reader.expectEnd();
  return { hardState, entries };
};

const readHardState = (reader: ByteReader): HardState => ({
  term: reader.readNumber() as Term,
  vote: reader.readId() as MemberId,
  commit: reader.readNumber() as LogIndex,
});

/**
 * Returns the reason why `batch` cannot follow a log that ends in `end`; undefined if it can. Checked before a batch is
 * written and again when it is read, so that a member never writes what it would refuse to read.
 */
export const conflictWithEnd = (end: LogEnd, { hardState = end.hardState, entries }: Batch): string | undefined => {
  const { term, commit } = hardState;
  const before = end.hardState;
  const contradiction = conflictWithHardState(before, hardState);
  if (contradiction !== undefined) return contradiction;
  if (commit < before.commit) return `commit index ${commit} after ${before.commit}`;
  const [first] = entries;
  const last = entries.at(-1);
  if (first !== undefined && last !== undefined) {
    if (first.index > end.lastIndex + 1) return `entry ${first.index} after entry ${end.lastIndex}`;
    if (first.index <= before.commit) return `entry ${first.index} replaces a committed one`;
    if (first.index === end.lastIndex + 1 && first.term < end.lastTerm)
      return `entry ${first.index} of term ${first.term} after term ${end.lastTerm}`;
    if (last.term > term) return `entry ${last.index} of term ${last.term} in term ${term}`;
  }
  const lastIndex = last?.index ?? end.lastIndex;
  if (commit > lastIndex) return `commit index ${commit} beyond the last entry ${lastIndex}`;
  return undefined;
};

const conflictWithHardState = (before: HardState, { term, vote }: HardState): string | undefined => {
  if (term < before.term) return `term ${term} after term ${before.term}`;
  // Raft paper §5.2: at most one vote in a term, or two members may win.
  if (term === before.term && before.vote !== noMember && vote !== before.vote) return `a second vote in term ${term}`;
  return undefined;
};

/** Returns the reason why a log that ends in `end` cannot restart after `base`; undefined if it can. */
export const conflictWithRestart = (end: LogEnd, base: LogPosition, hardState: HardState): string | undefined => {
  const contradiction = conflictWithHardState(end.hardState, hardState);
  if (contradiction !== undefined) return contradiction;
  const committed = Math.max(end.hardState.commit, hardState.commit);
  if (base.index < committed) return `entry ${base.index} is before the committed ${committed}`;
  if (base.term > hardState.term) return `entry ${base.index} of term ${base.term} in term ${hardState.term}`;
  return undefined;
};

/** Returns the end of a log after a batch was added. */
export const endAfter = (end: LogEnd, { hardState, entries }: Batch): LogEnd => {
  const last = entries.at(-1);
  return {
    hardState: hardState ?? end.hardState,
    lastIndex: last?.index ?? end.lastIndex,
    lastTerm: last?.term ?? end.lastTerm,
  };
};
