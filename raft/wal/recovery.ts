// Reads the log from disk. No file is changed here: a repair is only returned, so a damaged directory stays as it was.
import { MalformedMessageError } from "../codec/index.js";
import {
  type Configuration,
  type ConfigurationHistory,
  type Entry,
  type HardState,
  type LogBase,
  type LogIndex,
  logStart,
  type Term,
} from "../core/index.js";
import {
  emptyLog,
  endAfter,
  readBatch,
  conflictWithEnd,
  type Batch,
  type LogEnd,
  type RecordedBatch,
} from "./batch.js";
import type { Disk } from "../../platform/index.js";
import { WalDamagedError, WalVersionError } from "./errors.js";
import { PayloadMemory } from "./payload-memory.js";
import { batchRecord, nextRecordAt, readRecord } from "./record.js";
import { readFile, type LogFiles, type SegmentFile } from "./segment-files.js";
import { firstRecordAt } from "./segment.js";

/** The torn last write that a power cut left: never acknowledged, and cut off. */
export interface Repair {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** The place of the next record. */
export interface LogTail {
  readonly file: string;
  readonly sequence: number;
  readonly fileBytes: number;
  readonly position: number;
  /** The start of the last record. */
  readonly lastRecordAt: number;
  /** The checksum of the last record. */
  readonly chain: number;
}

/** The log as read from its segments. */
export interface Recovery {
  /** The position just before `entries[0]`, with its configuration; index 0 of term 0 if the log was neither truncated nor restarted. */
  readonly base: LogBase;
  readonly end: LogEnd;
  readonly entries: readonly Entry[];
  /** The place of the next record; undefined without segments. */
  readonly tail: LogTail | undefined;
  /** The torn write to cut off; undefined if there is none. */
  readonly repair: Repair | undefined;
}

/** A recovered log, for the member. */
export interface RecoveredLog {
  readonly hardState: HardState;
  /**
   * The position just before `entries[0]`, at or before the greatest index given to `truncate` or `restart`. Everything up to it is
   * only in the state machine. Index 0 of term 0 if the log was neither truncated nor restarted. Contains the configuration in force
   * there.
   */
  readonly base: LogBase;
  /** The entries after `base`. An entry's data keeps its whole record in memory, or up to 64 KiB with small records. */
  readonly entries: readonly Entry[];
  /** The torn write that was cut off; undefined if there was none. */
  readonly repaired: Repair | undefined;
}

/** Returns the part of a recovery that the member needs. */
export const toRecoveredLog = ({ base, end, entries, repair }: Recovery): RecoveredLog => ({
  hardState: end.hardState,
  base,
  entries,
  repaired: repair,
});

/** Returns the recovery of a log that has not begun. */
export const emptyRecovery = (initial: Configuration): Recovery => ({
  base: { ...logStart, configuration: initial },
  end: emptyLog(initial),
  entries: [],
  tail: undefined,
  repair: undefined,
});

/**
 * Reads the segments one after the other; payloads are copied, so only one segment is in memory at a time.
 *
 * @returns undefined without segments: the log has not begun
 */
export const recoverLog = async (disk: Disk, { segments }: LogFiles): Promise<Recovery | undefined> => {
  const reader = new LogReader(segments);
  for (const { file } of segments) reader.readNextSegment(await readFile(disk, file));
  return reader.result();
};

/** Reads segments in order. */
export class LogReader {
  private readonly replay = new Replay();
  private taken = 0;
  private tail: LogTail | undefined;
  private repair: Repair | undefined;

  constructor(private readonly segments: readonly SegmentFile[]) {}

  /**
   * Reads the next segment.
   *
   * @param bytes the whole segment; its bytes are reordered
   * @throws WalDamagedError or WalVersionError
   */
  readNextSegment(bytes: Uint8Array): void {
    const segment = this.segments[this.taken++];
    if (segment === undefined) throw new RangeError("Cannot take a segment that is not the log's");
    if (this.tail !== undefined) checkFollows(segment, this.replay.end, this.tail.chain);
    const { file, header } = segment;
    if (header.fileBytes !== bytes.length)
      throw new WalDamagedError(file, bytes.length, `the file must end at byte ${header.fileBytes}`);
    const last = this.taken === this.segments.length;
    ({ tail: this.tail, repair: this.repair } = readSegment({ ...segment, bytes, last }, this.replay));
  }

  /** Returns the recovery after the last segment; undefined without segments. */
  result(): Recovery | undefined {
    const { tail, repair, replay } = this;
    return tail && { base: replay.base, end: replay.end, entries: replay.entries, tail, repair };
  }
}

/** Returns the end of the log before `front`, its oldest segment, whose first record states `configurations`. */
const beginningOf = ({ file, header }: SegmentFile, configurations: ConfigurationHistory): LogEnd => {
  const { firstIndex, hardState, termBefore } = header;
  if (header.sequence === 1 && !header.restarts) {
    if (header.chain !== 0)
      throw new WalDamagedError(file, 0, "it follows a record, but there is no segment before it");
    checkState(file, header, { ...emptyLog(configurations.newest.configuration), configurations });
  }
  return { hardState, lastIndex: (firstIndex - 1) as LogIndex, lastTerm: termBefore, configurations };
};

/** Checks that a segment continues the one before. */
const checkFollows = ({ file, header }: SegmentFile, end: LogEnd, chain: number): void => {
  if (header.chain !== chain)
    throw new WalDamagedError(file, 0, "the previous segment does not end with the record that this one follows");
  checkState(file, header, end);
};

const checkState = (file: string, header: SegmentFile["header"], end: LogEnd): void => {
  const { firstIndex, termBefore, hardState } = header;
  const problem =
    firstIndex !== end.lastIndex + 1
      ? `the first index is ${firstIndex} after entry ${end.lastIndex}`
      : termBefore !== end.lastTerm
        ? `it follows an entry of term ${termBefore}, not of term ${end.lastTerm}`
        : !isSameHardState(hardState, end.hardState)
          ? "the hard state is not the one of the segment before"
          : undefined;
  if (problem !== undefined) throw new WalDamagedError(file, 0, problem);
};

const isSameHardState = (a: HardState, b: HardState): boolean =>
  a.term === b.term && a.vote === b.vote && a.commit === b.commit;

interface Segment extends SegmentFile {
  readonly bytes: Uint8Array;
  /** Tells whether no segment follows. */
  readonly last: boolean;
}

const readSegment = (segment: Segment, replay: Replay): { tail: LogTail; repair: Repair | undefined } => {
  const { file, header, bytes, last } = segment;
  let at = firstRecordAt;
  let previousStart: number | undefined;
  let checksum = segment.seed;
  for (;;) {
    const found = readRecord(bytes, at, { previousStart, seed: checksum });
    if (found.kind === "damage") throw new WalDamagedError(file, found.offset, found.reason);
    if (found.kind === "record") {
      replay.replayRecord(segment, at, found, previousStart === undefined);
      previousStart = at;
      checksum = found.checksum;
      at = nextRecordAt(found.end);
      continue;
    }
    // A segment is named once its first record is durable; the next one is begun once its last record is.
    if (previousStart === undefined) throw new WalDamagedError(file, at, "the first record is missing");
    if (found.kind === "torn" && !last)
      throw new WalDamagedError(file, at, "a record is incomplete, although another segment follows");
    return {
      tail: {
        file,
        sequence: header.sequence,
        fileBytes: bytes.length,
        position: at,
        lastRecordAt: previousStart,
        chain: checksum,
      },
      repair: found.kind === "torn" ? { file, offset: at, bytes: found.end - at } : undefined,
    };
  }
};

interface Record {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** The log, rebuilt record by record. */
class Replay {
  readonly entries: Entry[] = [];
  private progress: { end: LogEnd; base: LogBase } | undefined;
  private readonly memory = new PayloadMemory();

  /** The end of the log as far as it was read. */
  get end(): LogEnd {
    return this.requireProgress().end;
  }

  /** The base of the log. */
  get base(): LogBase {
    return this.requireProgress().base;
  }

  private requireProgress(): { end: LogEnd; base: LogBase } {
    if (this.progress === undefined) throw new RangeError("Cannot return the state of a log before its first record");
    return this.progress;
  }

  /** Adds a record to the log. @param isFirst true for the first record of `segment` */
  replayRecord(segment: SegmentFile, offset: number, record: Record, isFirst: boolean): void {
    const { file } = segment;
    if (record.type !== batchRecord) throw new WalVersionError(file, offset, `record type ${record.type}`);
    const { configurations, ...batch } = decode(file, offset, this.memory.copyPayload(record.payload));
    if (isFirst) this.beginSegment(segment, offset, configurations);
    else if (configurations !== undefined)
      throw new WalDamagedError(file, offset, "it states configurations, although it is not the first of its segment");
    const problem = conflictWithEnd(this.end, batch) ?? this.conflictWithTerms(batch);
    if (problem !== undefined) throw new WalDamagedError(file, offset, problem);
    this.replaceEntries(batch.entries);
    this.requireProgress().end = endAfter(this.end, batch);
  }

  /** Takes the configurations that the first record of the oldest segment states; checks those of later segments. */
  private beginSegment(segment: SegmentFile, offset: number, stated: ConfigurationHistory | undefined): void {
    const { file, header } = segment;
    if (stated === undefined) throw new WalDamagedError(file, offset, "the segment states no configuration");
    if (this.progress !== undefined) {
      if (stated.isEqual(this.end.configurations)) return;
      throw new WalDamagedError(file, offset, "the configurations differ from those of the previous segment");
    }
    const [oldest] = stated.placed;
    const { index, configuration } = stated.newest;
    if (index >= header.firstIndex || (oldest?.index ?? index) > header.hardState.commit)
      throw new WalDamagedError(
        file,
        offset,
        `a configuration of entry ${index} where entry ${header.firstIndex} is next`,
      );
    const end = beginningOf(segment, stated);
    this.progress = { end, base: { index: end.lastIndex, term: end.lastTerm, configuration } };
  }

  /** Replaces the log from the first entry's index on. */
  private replaceEntries(entries: readonly Entry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    const behind = first.index <= this.base.index;
    // These entries replace some of removed segments. The entry before them is not known, so the first one becomes the base: the
    // state machine holds all removed entries.
    if (behind)
      this.requireProgress().base = {
        index: first.index,
        term: first.term,
        configuration: this.configurationAt(first),
      };
    this.entries.length = behind ? 0 : first.index - this.base.index - 1;
    for (const entry of behind ? entries.slice(1) : entries) this.entries.push(entry);
  }

  /** Returns the configuration in force at `entry`, the next one. */
  private configurationAt(entry: Entry): Configuration {
    if (entry.kind === "configuration") return entry.configuration;
    return this.end.configurations.at((entry.index - 1) as LogIndex).configuration;
  }

  /** Returns the conflict of replacing entries with the term of the entry before them; undefined without one. */
  private conflictWithTerms({ entries: [first] }: Batch): string | undefined {
    if (first === undefined) return undefined;
    const before = this.termAt((first.index - 1) as LogIndex);
    return first.term < before ? `entry ${first.index} of term ${first.term} after term ${before}` : undefined;
  }

  /** Returns the term at `index`; 0 if it is not known. */
  private termAt(index: LogIndex): Term {
    if (index === this.base.index) return this.base.term;
    return this.entries[index - this.base.index - 1]?.term ?? (0 as Term);
  }
}

const decode = (file: string, offset: number, payload: Uint8Array): RecordedBatch => {
  try {
    const batch = readBatch(payload);
    if (batch.entries[0]?.index === (0 as LogIndex)) throw new WalDamagedError(file, offset, "an entry 0");
    return batch;
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
    throw new WalDamagedError(file, offset, error.message);
  }
};
