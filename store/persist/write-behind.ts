import { asError } from "../../platform/index.js";
import {
  type Backend,
  type Batch,
  type Block,
  BlockDraft,
  type BlockList,
  finishedCompactionRow,
  leaseCountRow,
  changeCountRow,
  scheduledCompactionRow,
  encodeRow,
  stateRow,
  tableRowCountRow,
  tableRowKey,
} from "../disk/index.js";
import {
  ClosedError,
  type Key,
  type LeaseId,
  ReadOnlyError,
  type Revision,
  type StoreClock,
  type StoreError,
  type StoreLimits,
  type StoreStats,
} from "../base/index.js";
import { leaseRow, leaseRowKey } from "./lease-rows.js";
import type { RoundState, Tables } from "./tables.js";
import {
  type Changes,
  deletedLength,
  type Lease,
  type Leases,
  type StoreData,
  type Unflushed,
  writeDeleted,
} from "../mvcc/index.js";

/** Memory of a waiting change beside its bytes: keys, objects, the batch's own copy. */
const changeOverheadBytes = 150;

/** The same for a lease that was granted or revoked. */
const leaseChangeBytes = 200;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A batch that gathers what the next write will hold. */
class Gathering {
  /** The last apply round in it, all of them whole; absent: none, only removals. */
  round: { readonly revision: Revision; readonly state: RoundState } | undefined = undefined;
  bytes = 0;
  /** Number of changes that it adds, less those that it removes. */
  addedChanges = 0;
  /** Bytes of the blocks that it writes anew, without some of their changes. */
  rewrittenBytes = 0;
  readonly blocks: Block[] = [];
  readonly waiters: Waiter[] = [];

  constructor(
    readonly batch: Batch,
    private readonly draft: BlockDraft,
  ) {}

  /** Adds the changes of a revision from `from` on, below `to`. */
  add(changes: Changes, from: number, to: number): void {
    const { draft } = this;
    const main = changes.revision;
    for (let sub = from; sub < to; sub++) {
      const chunk = changes.chunk(sub);
      const bytes = changes.bytes(sub);
      if (chunk === undefined) this.addDelete(main, sub, changes.entry(sub).key);
      else {
        if (!draft.hasRoomFor(bytes)) this.endBlock();
        draft.add({ main, sub, tombstone: false }, chunk.memory, changes.start(sub), bytes);
      }
      this.bytes += bytes + changeOverheadBytes;
    }
    this.addedChanges += to - from;
  }

  /** Encodes the KeyValue of a delete in its place: a revision may have very many. */
  private addDelete(main: number, sub: number, key: Key): void {
    const length = deletedLength(key);
    if (!this.draft.hasRoomFor(length)) this.endBlock();
    const at = this.draft.place({ main, sub, tombstone: true }, length);
    writeDeleted(this.draft.bytes, key, at);
  }

  /** Puts the last block into the batch, unless it is empty. */
  endBlock(): void {
    if (this.draft.isEmpty) return;
    const block = this.draft.seal();
    this.batch.put(block.rowKey, block.row);
    this.blocks.push(block);
  }

  changeLease(id: LeaseId, lease: Lease | undefined): void {
    const rowKey = leaseRowKey(id);
    if (lease === undefined) this.batch.delete(rowKey);
    else this.batch.put(rowKey, leaseRow(rowKey, lease));
    this.bytes += leaseChangeBytes;
  }

  /** Puts the state as of the last round into the batch, which is about to be written. @param tables as the last batch left them */
  putState(tables: Tables): void {
    if (this.round === undefined) return;
    const { revision, state } = this.round;
    const changes = tables.replace(state.rows());
    for (const { table, key, row } of changes) {
      const rowKey = tableRowKey({ table, key });
      if (row === undefined) this.batch.delete(rowKey);
      else this.batch.put(rowKey, encodeRow(rowKey, row));
    }
    if (changes.length > 0) tableRowCountRow.put(this.batch, tables.size);
    stateRow.put(this.batch, { revision, marker: state.marker() });
  }

  remove({ rows, changes }: Removal): void {
    for (const [rowKey, row] of rows)
      if (row === undefined) this.batch.delete(rowKey);
      else {
        this.batch.put(rowKey, row);
        this.rewrittenBytes += row.length;
      }
    this.addedChanges -= changes;
  }
}

/** Changes that go away together. */
export interface Removal {
  /** Rows as they are to be; undefined: gone. */
  readonly rows: readonly (readonly [rowKey: Uint8Array, row: Uint8Array | undefined])[];
  /** Number of changes. */
  readonly changes: number;
}

/** An apply round that has ended; all of it goes into one batch, a slice at a time. */
interface EndedRound {
  readonly revision: Revision;
  readonly state: RoundState;
  /** Changes of each of its revisions. */
  readonly changes: readonly Changes[];
  readonly leaseChanges: readonly LeaseChange[];
  readonly leaseCount: number;
  readonly scheduled: readonly ScheduledCompaction[];
  /** Called when the round is on disk. */
  readonly waiters: Waiter[];
}

/** A lease after a change; undefined: it is gone. */
interface LeaseChange {
  readonly id: LeaseId;
  readonly lease: Lease | undefined;
}

interface ScheduledCompaction {
  readonly revision: Revision;
  readonly waiter: Waiter;
}

/**
 * Writes what was applied to disk, behind the back of those who apply: many rounds are one atomic, synced batch, and
 * one batch at a time is on its way, so what the disk has is always a prefix of what was applied. A round of many changes is
 * put into its batch in slices; until it is whole the batch is not written.
 */
export class WriteBehind {
  private readonly unflushed: Unflushed;
  private readonly leases: Leases;
  private readonly limits: StoreLimits;
  private readonly blocks: BlockList;
  private readonly stats: StoreStats;
  private readonly draft: BlockDraft;
  private next: Gathering | undefined = undefined;
  private writing: Gathering | undefined = undefined;
  private timer: unknown = undefined;
  /** Write as soon as the one on its way is done. */
  private urgent = false;
  private held = false;
  private unflushedBytes = 0;
  private scheduled: ScheduledCompaction[] = [];
  /** Changes of leases since the last round ended, in order. */
  private leaseChanges: LeaseChange[] = [];
  /** Rounds that have ended and are not whole in a batch yet, oldest first: of the first one a part may be. */
  private rounds: EndedRound[] = [];
  /** Number of changes of the first one that are in `next`, by revision and within it; none: 0, 0. */
  private filled = { revisions: 0, changes: 0 };
  private isFillingAhead = false;
  private drained: (() => void)[] = [];
  private refused: StoreError | undefined = undefined;
  private bytesOnDisk = 0;
  private ended: Revision;

  constructor(
    private readonly backend: Backend,
    private readonly clock: StoreClock,
    { unflushed, leases, limits, blocks, stats }: StoreData,
    private readonly onFailure: (error: Error) => void,
    /** Number of changes on disk, with the batch on its way. */
    private changesOnDisk: number,
    private readonly tables: Tables,
  ) {
    this.unflushed = unflushed;
    this.leases = leases;
    this.limits = limits;
    this.blocks = blocks;
    this.stats = stats;
    this.draft = new BlockDraft(limits.blockBytes);
    this.ended = (unflushed.firstRevision - 1) as Revision;
  }

  /** The error after which nothing can be written. */
  get refusal(): StoreError | undefined {
    return this.refused;
  }

  /** Bytes that batches have written so far, about. */
  get writtenBytes(): number {
    return this.bytesOnDisk;
  }

  /** Whether the disk has all that was applied. */
  get isIdle(): boolean {
    if (this.refused !== undefined || this.writing !== undefined || this.next !== undefined) return false;
    return this.rounds.length + this.leaseChanges.length + this.scheduled.length === 0 && this.unflushed.isEmpty;
  }

  get isFull(): boolean {
    return this.unflushedBytes >= this.limits.unflushedBytes;
  }

  /** Calls back once, when the store is not full any more. */
  whenDrained(callback: () => void): void {
    if (this.isFull) this.drained.push(callback);
    else callback();
  }

  /** Counts changes that were applied. */
  onApplied(bytes: number, changes: number): void {
    this.unflushedBytes += bytes + changes * changeOverheadBytes;
  }

  /** Makes the grant of a lease, or its end (`lease` undefined), part of the round that is being applied. */
  onLeaseChanged(id: LeaseId, lease: Lease | undefined): void {
    this.leaseChanges.push({ id, lease });
    this.unflushedBytes += leaseChangeBytes;
  }

  /** Makes the compaction part of the round that is being applied. Resolves once that is on disk. */
  schedule(revision: Revision): Promise<void> {
    return new Promise((resolve, reject) => this.scheduled.push({ revision, waiter: { resolve, reject } }));
  }

  /** Closes a round: it holds everything up to `revision` that no earlier round does. */
  endRound(revision: Revision, state: RoundState): void {
    if (this.refused !== undefined) return;
    this.rounds.push({
      revision,
      state,
      changes: this.unflushed.between(this.ended + 1, revision),
      leaseChanges: this.leaseChanges,
      leaseCount: this.leases.size,
      scheduled: this.scheduled,
      waiters: [],
    });
    this.leaseChanges = [];
    this.scheduled = [];
    this.ended = revision;
    this.fillSoon(); // not now: the answers to what was applied leave first
  }

  /** Removes changes. Resolves once they are gone. */
  remove(removal: Removal): Promise<void> {
    return this.write((next) => next.remove(removal));
  }

  /** Notes that a compaction has removed all that it had to. */
  finishCompaction(revision: Revision): Promise<void> {
    return this.write(({ batch }) => finishedCompactionRow.put(batch, revision));
  }

  /** Resolves once every round ended so far is on disk. */
  flush(): Promise<void> {
    if (this.refused !== undefined) return Promise.reject(this.refused);
    this.fill();
    const last = this.rounds.at(-1) ?? this.next ?? this.writing;
    if (last === undefined) return Promise.resolve();
    this.urgent ||= last !== this.writing;
    const done = new Promise<void>((resolve, reject) => last.waiters.push({ resolve, reject }));
    this.writeIfDue();
    return done;
  }

  /** Begins no write any more until `release`. Resolves once none is on its way. */
  async hold(): Promise<void> {
    this.held = true;
    const { writing } = this;
    if (writing === undefined) return;
    await new Promise<void>((resolve) => writing.waiters.push({ resolve, reject: () => resolve() }));
  }

  release(): void {
    this.held = false;
    this.writeIfDue();
  }

  /** Gives up what was to be written: something else has taken its place, so nobody has to wait for room either. */
  discard(): void {
    this.refuse(new ClosedError());
    this.unflushedBytes = 0;
    this.notifyDrained();
  }

  /** Writes what was ended, then refuses everything. */
  async close(): Promise<void> {
    try {
      if (this.refused === undefined) await this.flush();
    } finally {
      this.refuse(new ClosedError());
      this.drained = [];
    }
  }

  private fillSoon(): void {
    if (this.isFillingAhead) return;
    this.isFillingAhead = true;
    this.clock.soon(this.fillAhead);
  }

  private readonly fillAhead = (): void => {
    this.isFillingAhead = false;
    this.fill();
    if (this.rounds.length > 0) this.fillSoon();
  };

  /** Puts what has ended into the next batch, as much as one turn may. */
  private fill(): void {
    let left = this.limits.changesPerSlice;
    for (let round = this.rounds[0]; round !== undefined && left > 0; round = this.rounds[0]) {
      const next = this.openGathering();
      left -= this.addChanges(next, round, left);
      if (this.filled.revisions < round.changes.length) break;
      this.endRoundIn(next, round);
    }
  }

  /** @returns how many: at most `left`; 1 for a round without any, which costs something, too */
  private addChanges(next: Gathering, { changes: revisions }: EndedRound, left: number): number {
    const { filled } = this;
    let added = 0;
    while (filled.revisions < revisions.length && added < left) {
      const changes = revisions[filled.revisions];
      if (changes === undefined) break;
      const end = Math.min(changes.length, filled.changes + left - added);
      next.add(changes, filled.changes, end);
      added += end - filled.changes;
      filled.changes = end;
      if (end < changes.length) break;
      filled.revisions += 1;
      filled.changes = 0;
    }
    return Math.max(1, added);
  }

  private endRoundIn(next: Gathering, round: EndedRound): void {
    for (const { id, lease } of round.leaseChanges) next.changeLease(id, lease);
    if (round.leaseChanges.length > 0) leaseCountRow.put(next.batch, round.leaseCount);
    for (const compaction of round.scheduled) {
      scheduledCompactionRow.put(next.batch, compaction.revision);
      next.waiters.push(compaction.waiter);
      this.urgent = true; // a client may be waiting for its compaction to be finished
    }
    if (round.waiters.length > 0) this.urgent = true;
    next.waiters.push(...round.waiters);
    next.round = round;
    this.rounds.shift();
    this.filled = { revisions: 0, changes: 0 };
    this.writeIfDue();
  }

  /** Whether the next batch holds a part of a round. */
  private get isTorn(): boolean {
    return this.filled.revisions > 0 || this.filled.changes > 0;
  }

  private write(fill: (next: Gathering) => void): Promise<void> {
    if (this.refused !== undefined) return Promise.reject(this.refused);
    const next = this.openGathering();
    fill(next);
    this.urgent = true;
    const done = new Promise<void>((resolve, reject) => next.waiters.push({ resolve, reject }));
    this.writeIfDue();
    return done;
  }

  private openGathering(): Gathering {
    this.next ??= new Gathering(this.backend.batch(), this.draft);
    return this.next;
  }

  private writeIfDue(): void {
    const next = this.next;
    if (next === undefined) return;
    if (this.urgent || next.bytes >= this.limits.flushBytes) this.startWrite(next);
    else
      this.timer ??= this.clock.setTimeout(() => {
        this.timer = undefined;
        this.urgent = true;
        this.writeIfDue();
      }, this.limits.flushAfterMs);
  }

  private startWrite(next: Gathering): void {
    if (this.writing !== undefined || this.held) return; // `onWritten` or `release` comes back to it
    if (this.isTorn) return; // so does `endRoundIn`
    this.writing = next;
    this.next = undefined;
    this.urgent = false;
    this.stopTimer();
    next.endBlock();
    next.putState(this.tables);
    this.changesOnDisk += next.addedChanges;
    changeCountRow.put(next.batch, this.changesOnDisk);
    const beganAt = this.clock.now();
    next.batch.write().then(
      () => {
        this.stats.commitSeconds.observe((this.clock.now() - beganAt) / 1_000);
        this.onWritten(next);
      },
      (error: unknown) => this.fail(asError(error)),
    );
  }

  private onWritten(done: Gathering): void {
    this.writing = undefined;
    this.unflushedBytes -= done.bytes;
    this.bytesOnDisk += done.bytes + done.rewrittenBytes;
    for (const { begin, count } of done.blocks) this.blocks.add(begin, count);
    if (done.round !== undefined) this.unflushed.dropThrough(done.round.revision);
    for (const waiter of done.waiters) waiter.resolve();
    this.writeIfDue();
    if (!this.isFull) this.notifyDrained();
  }

  private notifyDrained(): void {
    const drained = this.drained;
    this.drained = [];
    for (const callback of drained) callback();
  }

  /** Ends all writing: the state of the disk is unknown, so nothing may follow. What was applied stays readable. */
  private fail(error: Error): void {
    if (this.refuse(new ReadOnlyError(error))) this.onFailure(error);
  }

  /** Ends all writing. Returns false if it had ended for another reason. */
  private refuse(reason: StoreError): boolean {
    if (this.refused !== undefined) return false;
    this.refused = reason;
    this.stopTimer();
    const waiters = [...(this.writing?.waiters ?? []), ...(this.next?.waiters ?? [])];
    const scheduled = [...this.rounds.flatMap((round) => round.scheduled), ...this.scheduled];
    waiters.push(...scheduled.map(({ waiter }) => waiter), ...this.rounds.flatMap((round) => round.waiters));
    this.rounds = [];
    this.filled = { revisions: 0, changes: 0 };
    this.writing = undefined;
    this.next = undefined;
    this.scheduled = [];
    for (const waiter of waiters) waiter.reject(reason);
    return true;
  }

  private stopTimer(): void {
    if (this.timer === undefined) return;
    this.clock.clearTimeout(this.timer);
    this.timer = undefined;
  }
}
