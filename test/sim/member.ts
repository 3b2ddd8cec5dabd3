// One member for tests: a core, a disk that a test can stop or erase, and the driver's order between them.
import type { Configuration, LogBase } from "../../raft/core/configuration.js";
import { RaftCore } from "../../raft/core/core.js";
import type { CoreLimits } from "../../raft/core/limits.js";
import { logStart, noMember, type LogIndex, type LogPosition, type MemberId, type Term } from "../../raft/core/ids.js";
import type { Entry, HardState, Input, Notice, Outgoing, ReadState, Refusal, Unsaved } from "../../raft/core/types.js";

/** The state that survives a crash. */
export interface Disk {
  hardState: HardState;
  /** The base of the log on disk. */
  base: LogBase;
  entries: Entry[];
  /** The position that the state machine holds durably, from which a restart continues. */
  stateMachine: LogBase;
}

/** Returns the disk of a new member of a cluster that begins with `configuration`. */
export const createDisk = (configuration: Configuration): Disk => ({
  hardState: { term: 0 as Term, vote: noMember, commit: 0 as LogIndex },
  base: { ...logStart, configuration },
  entries: [],
  stateMachine: { ...logStart, configuration },
});

type DiskLog = Pick<Disk, "base" | "entries">;

/** Applies a write to a disk; a crash may interrupt the member after that, so that it does not know. */
export const write = (disk: Disk, unsaved: Unsaved): void => {
  if (unsaved.hardState !== undefined) disk.hardState = unsaved.hardState;
  writeLog(disk, unsaved);
};

const writeLog = (log: DiskLog, { restart, entries }: Unsaved): void => {
  if (restart !== undefined) [log.base, log.entries] = [restart, []];
  const first = entries[0];
  if (first === undefined) return;
  log.entries.length = first.index - log.base.index - 1;
  for (const entry of entries) log.entries.push(entry);
};

export const entryAt = ({ base, entries }: DiskLog, index: LogIndex): Entry | undefined =>
  entries[index - base.index - 1];

/** Returns the end of the log on a disk. */
export const endOf = ({ base, entries }: DiskLog): LogPosition => entries.at(-1) ?? base;

/** Returns the base of a log that begins after one more entry. */
export const baseAfter = ({ configuration }: LogBase, entry: Entry): LogBase => ({
  index: entry.index,
  term: entry.term,
  configuration: entry.kind === "configuration" ? entry.configuration : configuration,
});

/** Removes the entries up to `through`. */
export const truncate = (log: DiskLog, through: LogIndex): void => {
  const last = entryAt(log, through);
  if (last === undefined) return;
  const removed = log.entries.slice(0, through - log.base.index);
  log.entries = log.entries.slice(through - log.base.index);
  log.base = removed.reduce(baseAfter, log.base);
};

/** Tells whether a crash came between the installation of a snapshot and the restart of the log, which is then useless. */
const isOfNoUse = (disk: Disk): boolean => {
  const { base, stateMachine } = disk;
  const termThere = stateMachine.index === base.index ? base.term : entryAt(disk, stateMachine.index)?.term;
  return termThere !== stateMachine.term;
};

/** Returns the end of the log with which a member starts from a disk, after it has replaced a useless log. */
export const endAfterMending = (disk: Disk): LogPosition => (isOfNoUse(disk) ? disk.stateMachine : endOf(disk));

const mend = (disk: Disk): void => {
  if (!isOfNoUse(disk)) return;
  const { stateMachine } = disk;
  [disk.base, disk.entries] = [stateMachine, []];
  disk.hardState = { ...disk.hardState, commit: stateMachine.index };
};

export interface MemberOptions {
  readonly id: MemberId;
  readonly disk: Disk;
  readonly random: () => number;
  readonly heartbeatTicks?: number;
  readonly electionTicks?: number;
  readonly limits?: Partial<CoreLimits>;
  /** Called for every message that is sent. */
  readonly send: (outgoing: Outgoing) => void;
  /** Called when a write begins, with the log as it is after the write. */
  readonly onWrite?: (unsaved: Unsaved, log: DiskLog) => void;
  readonly onApplied?: (entry: Entry) => void;
  /** Called when the state machine begins to install a snapshot, which `finishInstall` ends. */
  readonly onInstall?: (position: LogPosition) => void;
  /** Returns the configuration in the snapshot at `position`; absent: that of the log's base. */
  readonly configurationAt?: (position: LogPosition) => Configuration;
  readonly onReadState?: (read: ReadState) => void;
  readonly onRefusal?: (refusal: Refusal) => void;
  readonly onNotice?: (notice: Notice) => void;
}

/** A running member. A crash drops the object; a restart makes another one with the same disk. */
export class Member {
  readonly core: RaftCore;
  readonly id: MemberId;
  readonly disk: Disk;
  /** The entries that this incarnation has applied. */
  readonly applied: Entry[] = [];
  /** The last applied entry, also by an earlier incarnation or in a snapshot. */
  lastApplied: LogBase;
  /** The log with the write in progress. */
  private readonly log: DiskLog;
  /** The write in progress. */
  writing: Unsaved | undefined;
  /** The snapshot that the state machine is installing. */
  installing: LogBase | undefined;

  constructor(private readonly options: MemberOptions) {
    this.id = options.id;
    this.disk = options.disk;
    mend(this.disk);
    const { hardState, base, entries, stateMachine } = this.disk;
    this.lastApplied = stateMachine;
    this.log = { base, entries: [...entries] };
    this.core = new RaftCore({
      id: options.id,
      recovered: { hardState, base, entries: [...entries] },
      applied: stateMachine.index,
      heartbeatTicks: options.heartbeatTicks ?? 10,
      electionTicks: options.electionTicks ?? 100,
      random: options.random,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
  }

  /** Steps the core and sends the messages that need no write. Begins a write, which `finishWrite` ends. */
  step(input: Input): void {
    this.core.step(input);
    this.pump();
  }

  pump(): void {
    for (const outgoing of this.core.takeMessages()) this.options.send(outgoing);
    this.beginWrite();
    for (;;) {
      const entries = this.core.takeCommitted();
      if (entries.length === 0) break;
      for (const entry of entries) {
        this.applied.push(entry);
        this.lastApplied = baseAfter(this.lastApplied, entry);
        this.options.onApplied?.(entry);
      }
    }
    const position = this.core.takeInstall();
    if (position !== undefined) {
      const configuration = this.options.configurationAt?.(position) ?? this.disk.base.configuration;
      this.installing = { ...position, configuration };
      this.options.onInstall?.(position);
    }
    for (const read of this.core.takeReadStates()) this.options.onReadState?.(read);
    for (const refusal of this.core.takeRefusals()) this.options.onRefusal?.(refusal);
    for (const notice of this.core.takeNotices()) this.options.onNotice?.(notice);
  }

  private beginWrite(): void {
    while (this.writing === undefined) {
      const unsaved = this.core.takeUnsaved();
      if (unsaved === undefined) return;
      if (unsaved.hardState === undefined && unsaved.entries.length === 0) {
        for (const reply of unsaved.replies) this.options.send(reply);
        this.core.onSaved(unsaved);
        continue;
      }
      this.writing = unsaved;
      writeLog(this.log, unsaved);
      this.options.onWrite?.(unsaved, this.log);
    }
  }

  /** Ends the write in progress: it is durable. */
  finishWrite(): void {
    const unsaved = this.writing;
    if (unsaved === undefined) return;
    this.writing = undefined;
    write(this.disk, unsaved);
    for (const reply of unsaved.replies) this.options.send(reply);
    this.core.onSaved(unsaved);
    this.pump();
  }

  /** Ends the installation: the state machine holds the snapshot durably. */
  finishInstall(): void {
    const base = this.installing;
    if (base === undefined) return;
    this.installing = undefined;
    this.lastApplied = this.disk.stateMachine = base;
    this.step({ kind: "snapshotInstalled", configuration: base.configuration });
  }

  /** Compacts the log up to `through`, which the state machine holds; the disk keeps `kept` entries more. */
  compact(through: LogIndex, kept = 0): void {
    const { index } = this.core.compact(through);
    for (const log of [this.disk, this.log]) truncate(log, (index - kept) as LogIndex);
  }
}
