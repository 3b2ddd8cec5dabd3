// Auto-compaction by etcd's rules. The timers run on every member; only the leader proposes.

import { asError, type Clock } from "../../platform/index.js";
import type { AutoCompaction } from "../config/index.js";
import { errorText, type Logger, ServerError } from "../base/index.js";
import type { RaftNode } from "../../raft/index.js";
import { CompactedError, type KvStore } from "../../store/index.js";
import type { ResultsByKind } from "./command.js";
import type { Proposals } from "./proposals.js";

/** The options of `startAutoCompaction`. */
export interface AutoCompactorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: Pick<KvStore, "revision">;
  readonly node: Pick<RaftNode, "status">;
  readonly proposals: Pick<Proposals<ResultsByKind>, "proposeOwn">;
}

/** Compacts periodically until it is stopped. */
export interface AutoCompactor {
  stop(): void;
}

/** Starts auto-compaction in the mode of `setting`. */
export const startAutoCompaction = (setting: AutoCompaction, options: AutoCompactorOptions): AutoCompactor =>
  setting.mode === "periodic"
    ? new PeriodicCompactor(setting.retentionMs, options)
    : new RevisionCompactor(setting.retention, options);

const isLeader = (node: Pick<RaftNode, "status">): boolean => node.status().role === "leader";

/**
 * Proposes a compaction.
 *
 * @param done called once with the outcome; "compacted" also if a former compaction reached that revision
 */
const proposeCompaction = (
  proposals: Pick<Proposals<ResultsByKind>, "proposeOwn">,
  revision: number,
  done: (outcome: "compacted" | Error) => void,
): void => {
  const onError = (error: unknown): void => {
    if (error instanceof CompactedError) done("compacted");
    else done(asError(error));
  };
  try {
    proposals.proposeOwn(
      { $case: "compact", value: { revision: BigInt(revision), physical: false } },
      { onResult: () => done("compacted"), onError },
    );
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    onError(error);
  }
};

const hourMs = 3_600_000;
/** The number of times per period (at most an hour) that the revision is noted, and a failed compaction repeated. */
const notesPerPeriod = 10;

/**
 * Compacts revisions that are older than a period. Ten times per period, or per hour if that is shorter, the newest revision is
 * noted; a compaction goes up to the oldest note of the period. Example with a period of one hour:
 *
 *     0:00 … 0:54  notes r0 … r9, no compaction
 *     1:00         compacts up to r0: revisions superseded before 0:00 are removed
 *     2:00         compacts up to r9, the note of 0:54
 *
 * The first compaction comes after a whole period, the next ones every period, or every hour if that is shorter.
 */
class PeriodicCompactor implements AutoCompactor {
  private readonly notes: number[];
  private readonly maxNotes: number;
  private readonly noteMs: number;
  private readonly stopTimer: () => void;
  /** The time from the last successful compaction to the next one, in milliseconds. */
  private dueAfterMs: number;
  /** The time at which the last successful compaction began: the duration of a compaction does not delay the next one. */
  private lastBegin: number;
  private lastRevision = 0;
  private isUnderWay = false;

  constructor(
    private readonly periodMs: number,
    private readonly options: AutoCompactorOptions,
  ) {
    this.noteMs = Math.max(1, Math.floor(Math.min(periodMs, hourMs) / notesPerPeriod));
    this.maxNotes = Math.floor(periodMs / this.noteMs) + 1;
    this.dueAfterMs = periodMs;
    this.lastBegin = options.clock.now();
    this.notes = [options.store.revision];
    this.stopTimer = options.clock.every(this.noteMs, () => this.tick());
  }

  stop(): void {
    this.stopTimer();
  }

  private tick(): void {
    this.compactIfDue();
    this.notes.push(this.options.store.revision);
    if (this.notes.length > this.maxNotes) this.notes.shift();
  }

  private compactIfDue(): void {
    const { clock, node } = this.options;
    const [revision = 0] = this.notes;
    if (this.isUnderWay || !isLeader(node)) return;
    const now = clock.now();
    // A timer may fire a little early: the tolerance of half an interval avoids a delay by a whole one.
    if (now - this.lastBegin < this.dueAfterMs - this.noteMs / 2 || revision === this.lastRevision) return;
    this.dueAfterMs = Math.min(this.periodMs, hourMs);
    this.isUnderWay = true;
    compact("periodic", revision, this.options, {
      fields: { "compact-period": goDuration(this.periodMs) },
      retryMs: this.noteMs,
      done: (isCompacted) => {
        this.isUnderWay = false;
        if (!isCompacted) return;
        this.lastRevision = revision;
        this.lastBegin = now;
      },
    });
  }
}

const revisionCheckMs = 5 * 60_000;

/** Compacts every five minutes, so that a number of revisions remains. */
class RevisionCompactor implements AutoCompactor {
  private readonly stopTimer: () => void;
  private lastRevision = 0;
  private isUnderWay = false;

  constructor(
    private readonly retention: number,
    private readonly options: AutoCompactorOptions,
  ) {
    this.stopTimer = options.clock.every(revisionCheckMs, () => this.compactIfDue());
  }

  stop(): void {
    this.stopTimer();
  }

  private compactIfDue(): void {
    const revision = this.options.store.revision - this.retention;
    if (this.isUnderWay || !isLeader(this.options.node) || revision <= 0 || revision === this.lastRevision) return;
    this.isUnderWay = true;
    compact("revision", revision, this.options, {
      fields: { "revision-compaction-retention": this.retention },
      retryMs: revisionCheckMs,
      done: (isCompacted) => {
        this.isUnderWay = false;
        if (isCompacted) this.lastRevision = revision;
      },
    });
  }
}

interface CompactionRun {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly retryMs: number;
  readonly done: (isCompacted: boolean) => void;
}

/** Compacts once, with etcd's log lines. */
const compact = (
  mode: AutoCompaction["mode"],
  revision: number,
  options: AutoCompactorOptions,
  run: CompactionRun,
): void => {
  const { clock, logger } = options;
  const fields = { revision, ...run.fields };
  const startedAt = clock.now();
  logger.info(`starting auto ${mode} compaction`, fields);
  proposeCompaction(options.proposals, revision, (outcome) => {
    if (outcome === "compacted")
      logger.info(`completed auto ${mode} compaction`, { ...fields, took: goDuration(clock.now() - startedAt) });
    else
      logger.warn(`failed auto ${mode} compaction`, {
        ...fields,
        "retry-interval": goDuration(run.retryMs),
        error: errorText(outcome),
      });
    run.done(outcome === "compacted");
  });
};

/** Formats a duration as Go does: 1h0m0s, 1.5s, 20ms, 0s. */
export const goDuration = (ms: number): string => {
  if (ms === 0) return "0s";
  if (ms < 1_000) return `${Number(ms.toPrecision(9))}ms`;
  const hours = Math.floor(ms / hourMs);
  const minutes = Math.floor((ms % hourMs) / 60_000);
  const seconds = `${Number(((ms % 60_000) / 1_000).toFixed(9))}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
};
