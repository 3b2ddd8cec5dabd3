// The content of a record, and the rules for the order of records.
import {
  ByteReader,
  type ByteWriter,
  readConfiguration,
  readEntries,
  writeConfiguration,
  writeEntries,
} from "../codec/index.js";
import {
  type Configuration,
  ConfigurationHistory,
  type LogBase,
  type PlacedConfiguration,
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

/**
 * Divides a batch into consecutive batches with entries of at most about `bytes` each. The first one has the term and the vote. A commit
 * index beyond the first one's entries is lowered to their last index there, and written in full with the last batch.
 */
export const batchesOf = (batch: Batch, bytes: number): [Batch, ...Batch[]] => {
  const runs = splitEntries(batch.entries, bytes);
  const { hardState } = batch;
  if (runs.length < 2) return [batch];
  const [first = [], ...others] = runs;
  const lastIndex = first.at(-1)?.index;
  const isCommitLater = hardState !== undefined && lastIndex !== undefined && hardState.commit > lastIndex;
  return [
    { hardState: isCommitLater ? { ...hardState, commit: lastIndex } : hardState, entries: first },
    ...others.map((entries, n) => ({
      hardState: isCommitLater && n === others.length - 1 ? hardState : undefined,
      entries,
    })),
  ];
};

/**
 * Cuts entries into runs of at most `bytes`; a larger entry is a run of its own. Returns none if a single run suffices.
 *
 * @throws RangeError if there are several runs and indexes or terms do not continue; `writeEntries` checks a single run
 */
const splitEntries = (entries: readonly Entry[], bytes: number): Entry[][] => {
  const runs: Entry[][] = [];
  let [start, size] = [0, 0];
  for (let n = 0; n < entries.length; n++) {
    const entry = entries[n];
    const entryBytes = entry?.kind === "command" ? entry.data.length : 0;
    if (n > start && size + entryBytes > bytes) {
      runs.push(entries.slice(start, n));
      [start, size] = [n, 0];
    }
    size += entryBytes;
  }
  if (runs.length === 0) return runs;
  assertRun(entries);
  return [...runs, entries.slice(start)];
};

/** Checks all entries before the first run is written: an error in a later run would come too late. */
const assertRun = (entries: readonly Entry[]): void => {
  let before = entries[0];
  for (const entry of entries.slice(1)) {
    if (before === undefined || entry.index !== before.index + 1 || entry.term < before.term)
      throw new RangeError(
        `Cannot append entry ${entry.index} of term ${entry.term} after ${before?.index} of term ${before?.term}`,
      );
    before = entry;
  }
};

/** A batch as a record holds it. */
export interface RecordedBatch extends Batch {
  /** The configurations of the log before `entries`: in the first record of a segment, and in no other. */
  readonly configurations: ConfigurationHistory | undefined;
}

/** The end of a log: the part of its state that decides which batch may follow. */
export interface LogEnd {
  readonly hardState: HardState;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The configuration in force at the commit index, and those after it, which a truncation may roll back. */
  readonly configurations: ConfigurationHistory;
}

/** Returns the end of a log without entries whose first configuration is `initial`. */
export const emptyLog = (initial: Configuration): LogEnd => ({
  hardState: { term: 0 as Term, vote: noMember, commit: 0 as LogIndex },
  lastIndex: 0 as LogIndex,
  lastTerm: 0 as Term,
  configurations: new ConfigurationHistory([{ index: 0 as LogIndex, configuration: initial }]),
});

/** The bits of a batch's first byte: each tells that a part is present. */
const presenceBits = { hardState: 1, configurations: 2 } as const;

/** Encodes a batch. */
export const writeBatch = (writer: ByteWriter, { hardState, configurations, entries }: RecordedBatch): void => {
  writer.writeByte(
    (hardState === undefined ? 0 : presenceBits.hardState) |
      (configurations === undefined ? 0 : presenceBits.configurations),
  );
  if (hardState !== undefined) {
    writer.writeNumber(hardState.term);
    writer.writeId(hardState.vote);
    writer.writeNumber(hardState.commit);
  }
  if (configurations !== undefined) writeConfigurations(writer, configurations);
  writeEntries(writer, entries);
};

const writeConfigurations = (writer: ByteWriter, { placed }: ConfigurationHistory): void => {
  writer.writeNumber(placed.length);
  for (const { index, configuration } of placed) {
    writer.writeNumber(index);
    writeConfiguration(writer, configuration);
  }
};

/**
 * Decodes a batch. The entries' data are views into `payload`.
 *
 * @throws MalformedMessageError if `payload` is not exactly one batch
 */
export const readBatch = (payload: Uint8Array): RecordedBatch => {
  const reader = new ByteReader(payload);
  const present = reader.readByte();
  if (present > (presenceBits.hardState | presenceBits.configurations))
    throw reader.malformedError(`unknown parts ${present}`);
  const hardState = (present & presenceBits.hardState) === 0 ? undefined : readHardState(reader);
  const configurations = (present & presenceBits.configurations) === 0 ? undefined : readConfigurations(reader);
  const entries = readEntries(reader);
  reader.expectEnd();
  return { hardState, configurations, entries };
};

const readConfigurations = (reader: ByteReader): ConfigurationHistory => {
  const count = reader.readNumber();
  if (count === 0 || count > reader.remaining) throw reader.malformedError(`${count} configurations`);
  const placed: PlacedConfiguration[] = [];
  for (let left = count; left > 0; left--) {
    const index = reader.readNumber() as LogIndex;
    const last = placed.at(-1);
    if (last !== undefined && index <= last.index)
      throw reader.malformedError(`a configuration of entry ${index} after one of entry ${last.index}`);
    placed.push({ index, configuration: readConfiguration(reader) });
  }
  return new ConfigurationHistory(placed);
};

const readHardState = (reader: ByteReader): HardState => ({
  term: reader.readNumber() as Term,
  vote: reader.readId() as MemberId,
  commit: reader.readNumber() as LogIndex,
});

/**
 * Returns the reason why `batch` cannot follow a log that ends in `end`; undefined if it can. Checked before a batch is
 * written and again when it is read, so that a member never writes a batch that it would refuse to read.
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
  const after = hardState ?? end.hardState;
  return {
    hardState: after,
    lastIndex: last?.index ?? end.lastIndex,
    lastTerm: last?.term ?? end.lastTerm,
    configurations: configurationsAfter(end.configurations, entries).compact(after.commit),
  };
};

/** Returns the configurations after `entries`, which replace the log from the first one's index on. */
const configurationsAfter = (before: ConfigurationHistory, entries: readonly Entry[]): ConfigurationHistory => {
  const [first] = entries;
  let after = first === undefined ? before : before.truncateFrom(first.index);
  for (const entry of entries) if (entry.kind === "configuration") after = after.append(entry);
  return after;
};

/** Returns the end of a log that restarts after `base`. The state machine holds everything up to `base`, so it counts as committed. */
export const endAfterRestart = (base: LogBase, hardState: HardState): LogEnd => ({
  hardState: { ...hardState, commit: base.index },
  lastIndex: base.index,
  lastTerm: base.term,
  configurations: new ConfigurationHistory([base]),
});
