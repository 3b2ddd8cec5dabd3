// One member for tests: a core, a disk that a test can stop or lose, and the driver's order between them.
import { RaftCore } from "../../raft/core/core.js";
import type { CoreLimits } from "../../raft/core/limits.js";
import {
  noMember,
  type Entry,
  type HardState,
  type Input,
  type LogIndex,
  type MemberId,
  type Outgoing,
  type ReadState,
  type Refusal,
  type Term,
  type Unsaved,
} from "../../raft/core/types.js";

/** What survives a crash. */
export interface Disk {
  hardState: HardState;
  entries: Entry[];
}

export const emptyDisk = (): Disk => ({
  hardState: { term: 0 as Term, vote: noMember, commit: 0 as LogIndex },
  entries: [],
});

/** What a write leaves on a disk; also what a crash leaves of it if the write was already there. */
export const write = (disk: Disk, unsaved: Unsaved): void => {
  if (unsaved.hardState !== undefined) disk.hardState = unsaved.hardState;
  replaceTail(disk.entries, unsaved.entries);
};

/** The log from `entries[0]` on becomes `entries`. */
const replaceTail = (log: Entry[], entries: readonly Entry[]): void => {
  const first = entries[0];
  if (first === undefined) return;
  log.length = first.index - 1;
  for (const entry of entries) log.push(entry);
};

export interface MemberOptions {
  readonly id: MemberId;
  readonly voters: readonly MemberId[];
  readonly disk: Disk;
  /** What the state machine holds already. */
  readonly applied?: LogIndex;
  readonly random: () => number;
  readonly heartbeatTicks?: number;
  readonly electionTicks?: number;
  readonly limits?: Partial<CoreLimits>;
  /** Called for every message that leaves. */
  readonly send: (outgoing: Outgoing) => void;
  /** Called when a write begins, with the log as it will be once it ended. */
  readonly onWrite?: (unsaved: Unsaved, log: readonly Entry[]) => void;
  readonly onApplied?: (entry: Entry) => void;
  readonly onReadState?: (read: ReadState) => void;
  readonly onRefusal?: (refusal: Refusal) => void;
}

/** A running member. Crashing is forgetting it; restarting is making another with the same disk. */
export class Member {
  readonly core: RaftCore;
  readonly id: MemberId;
  readonly disk: Disk;
  /** Applied since this start. */
  readonly applied: Entry[] = [];
  /** The log with the write that is under way. */
  private readonly log: Entry[];
  /** The write that is on its way to the disk. */
  writing: Unsaved | undefined;

  constructor(private readonly options: MemberOptions) {
    this.id = options.id;
    this.disk = options.disk;
    this.log = [...this.disk.entries];
    this.core = new RaftCore({
      id: options.id,
      voters: options.voters,
      hardState: this.disk.hardState,
      entries: [...this.disk.entries],
      applied: options.applied ?? (0 as LogIndex),
      heartbeatTicks: options.heartbeatTicks ?? 10,
      electionTicks: options.electionTicks ?? 100,
      random: options.random,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
  }

  /** Steps the core and sends what may leave at once. The write is begun, but ends only with `finishWrite`. */
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
        this.options.onApplied?.(entry);
      }
    }
    for (const read of this.core.takeReadStates()) this.options.onReadState?.(read);
    for (const refusal of this.core.takeRefusals()) this.options.onRefusal?.(refusal);
  }

  private beginWrite(): void {
    while (this.writing === undefined) {
      const unsaved = this.core.takeUnsaved();
      if (unsaved === undefined) return;
      if (unsaved.hardState === undefined && unsaved.entries.length === 0) {
        for (const reply of unsaved.replies) this.options.send(reply);
        this.core.saved(unsaved);
        continue;
      }
      this.writing = unsaved;
      replaceTail(this.log, unsaved.entries);
      this.options.onWrite?.(unsaved, this.log);
    }
  }

  /** The write under way is durable. */
  finishWrite(): void {
    const unsaved = this.writing;
    if (unsaved === undefined) return;
    this.writing = undefined;
    write(this.disk, unsaved);
    for (const reply of unsaved.replies) this.options.send(reply);
    this.core.saved(unsaved);
    this.pump();
  }
}
