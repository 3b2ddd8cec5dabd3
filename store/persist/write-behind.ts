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
  type Lease,
  type Leases,
  type StoreData,
  tombstoneSizeOf,
  type Unflushed,
  writeTombstone,
} from "../mvcc/index.js";

/** The memory of a waiting change beside its bytes: keys, objects, the copy in the batch. */
const changeOverheadBytes = 150;

/** The memory of a waiting change of a lease. */
const leaseChangeBytes = 200;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The next batch, while it is filled. */
class BatchBuilder {
  /** The last round in it; every round is in it as a whole. Undefined: only removals. */
  round: { readonly revision: Revision; readonly state: RoundState } | undefined = undefined;
  bytes = 0;
  /** The number of changes that it adds, minus those that it removes. */
  addedChanges = 0;
  /** The bytes of blocks that a compaction rewrites. */
  rewrittenBytes = 0;
  readonly blocks: Block[] = [];
  readonly waiters: Waiter[] = [];

  constructor(
    readonly batch: Batch,
    private readonly draft: BlockDraft,
  ) {}

  /** Adds the changes of a revision from number `from` to `to`, exclusive. */
  add(changes: Changes, from: number, to: number): void {
    const { draft } = this;
    const main = changes.revision;
    for (let sub = from; sub < to; sub++) {
      const chunk = changes.chunkOf(sub);
      const bytes = changes.sizeOf(sub);
      if (chunk === undefined) this.addDelete(main, sub, changes.entryOf(sub).key);
      else {
        if (!draft.hasRoomFor(bytes)) this.endBlock();
        draft.add({ main, sub, tombstone: false }, chunk.memory, changes.startOf(sub), bytes);
      }
      this.bytes += bytes + changeOverheadBytes;
    }
    this.addedChanges += to - from;
  }

  /** Encodes the KeyValue of a delete directly into the block: a revision may have very many. */
  private addDelete(main: number, sub: number, key: Key): void {
    const length = tombstoneSizeOf(key);
    if (!this.draft.hasRoomFor(length)) this.endBlock();
    const at = this.draft.place({ main, sub, tombstone: true }, length);
    writeTombstone(this.draft.bytes, key, at);
  }

  /** Puts the present block into the batch, unless it is empty. */
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

  /** Puts the state at the last round into the batch, right before it is written. @param tables the tables on disk */
  putState(tables: Tables): void {
    if (this.round === undefined) return;
    const { revision, state } = this.round;
    const changes = tables.replace(state.rowLists());
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

/** Changes that are removed together. */
export interface Removal {
  /** The rows to write; undefined deletes one. */
  readonly rows: readonly (readonly [rowKey: Uint8Array, row: Uint8Array | undefined])[];
  /** The number of removed changes. */
  readonly changes: number;
}

/** A round that has ended. All of it goes into one batch, in slices. */
interface EndedRound {
  readonly revision: Revision;
  readonly state: RoundState;
  /** The changes of each of its revisions. */
  readonly changes: readonly Changes[];
  readonly leaseChanges: readonly LeaseChange[];
  readonly leaseCount: number;
  readonly scheduled: readonly ScheduledCompaction[];
  /** The promises to settle when the round is on disk. */
  readonly waiters: Waiter[];
}

/** A lease after a change; undefined if it is deleted. */
interface LeaseChange {
  readonly id: LeaseId;
  readonly lease: Lease | undefined;
}

interface ScheduledCompaction {
  readonly revision: Revision;
  readonly waiter: Waiter;
}

/**
 * Writes applied changes to disk in the background. Several rounds share one atomic, synced batch, and one batch is written at a time, so
 * the disk always has a prefix of the applied rounds. A round of many changes is put into its batch in slices; the batch is not
 * written before the round is complete.
 */
export class WriteBehind {
  private readonly unflushed: Unflushed;
  private readonly leases: Leases;
  private readonly limits: StoreLimits;
  private readonly blocks: BlockList;
  private readonly stats: StoreStats;
  private readonly draft: BlockDraft;
  private next: BatchBuilder | undefined = undefined;
  private writing: BatchBuilder | undefined = undefined;
  private timer: unknown = undefined;
  /** The next batch must be written as soon as the present write has ended. */
  private isUrgent = false;
  private isHeld = false;
  private unflushedBytes = 0;
  private scheduled: ScheduledCompaction[] = [];
  /** Changes of leases since the last round ended, in order. */
  private leaseChanges: LeaseChange[] = [];
  /** The rounds that have ended and are not completely in a batch, oldest first. A part of the first one may be in `next`. */
  private rounds: EndedRound[] = [];
  /** The position in the first of `rounds` up to which its changes are in `next`: whole revisions, and changes of the revision after. */
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
    /** The number of changes on disk, including the batch that is being written. */
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

  /** The approximate bytes written by batches. */
  get writtenBytes(): number {
    return this.bytesOnDisk;
  }

  /** Tells whether all applied changes are on disk. */
  get isIdle(): boolean {
    if (this.refused !== undefined || this.writing !== undefined || this.next !== undefined) return false;
    return this.rounds.length + this.leaseChanges.length + this.scheduled.length === 0 && this.unflushed.isEmpty;
  }

  /** Tells whether the applied changes that are not on disk have reached their bound. */
  get isFull(): boolean {
    return this.unflushedBytes >= this.limits.unflushedBytes;
  }

  /** Calls `callback` once the store is not full any more. */
  callWhenDrained(callback: () => void): void {
    if (this.isFull) this.drained.push(callback);
    else callback();
  }

  /** Counts applied changes. */
  onApplied(bytes: number, changes: number): void {
    this.unflushedBytes += bytes + changes * changeOverheadBytes;
  }

  /** Adds a changed lease, or a deleted one (`lease` undefined), to the round that is being applied. */
  onLeaseChanged(id: LeaseId, lease: Lease | undefined): void {
    this.leaseChanges.push({ id, lease });
    this.unflushedBytes += leaseChangeBytes;
  }

  /** Adds a compaction to the round that is being applied. Resolves once the round is on disk. */
  schedule(revision: Revision): Promise<void> {
    return new Promise((resolve, reject) => this.scheduled.push({ revision, waiter: { resolve, reject } }));
  }

  /** Ends a round: it contains the revisions after the last round up to `revision`. */
  endRound(revision: Revision, state: RoundState): void {
    if (this.refused !== undefined) return;
    this.rounds.push({
      revision,
      state,
      changes: this.unflushed.listBetween(this.ended + 1, revision),
      leaseChanges: this.leaseChanges,
      leaseCount: this.leases.size,
      scheduled: this.scheduled,
      waiters: [],
    });
    this.leaseChanges = [];
    this.scheduled = [];
    this.ended = revision;
    this.fillSoon(); // not now: the responses to the applied requests are sent first
  }

  /** Removes changes. Resolves once they are removed from disk. */
  remove(removal: Removal): Promise<void> {
    return this.write((next) => next.remove(removal));
  }

  /** Stores that a compaction has removed all its changes. */
  finishCompaction(revision: Revision): Promise<void> {
    return this.write(({ batch }) => finishedCompactionRow.put(batch, revision));
  }

  /** Writes all ended rounds; resolves once they are on disk. */
  flush(): Promise<void> {
    if (this.refused !== undefined) return Promise.reject(this.refused);
    this.fill();
    const last = this.rounds.at(-1) ?? this.next ?? this.writing;
    if (last === undefined) return Promise.resolve();
    this.isUrgent ||= last !== this.writing;
    const done = new Promise<void>((resolve, reject) => last.waiters.push({ resolve, reject }));
    this.writeIfDue();
    return done;
  }

  /** Begins no write until `release`. Resolves once no write is under way. */
  async hold(): Promise<void> {
    this.isHeld = true;
    const { writing } = this;
    if (writing === undefined) return;
    await new Promise<void>((resolve) => writing.waiters.push({ resolve, reject: () => resolve() }));
  }

  /** Allows writes again. */
  release(): void {
    this.isHeld = false;
    this.writeIfDue();
  }

  /** Discards all pending writes: an installed snapshot replaces them. Callers that wait for room continue. */
  discard(): void {
    this.refuse(new ClosedError());
    this.unflushedBytes = 0;
    this.notifyDrained();
  }

  /** Writes all ended rounds, then refuses further writes. */
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

  /** Puts ended rounds into the next batch, as many changes as one turn allows. */
  private fill(): void {
    let left = this.limits.changesPerSlice;
    for (let round = this.rounds[0]; round !== undefined && left > 0; round = this.rounds[0]) {
      const next = this.openBatch();
      left -= this.addChanges(next, round, left);
      if (this.filled.revisions < round.changes.length) break;
      this.endRoundIn(next, round);
    }
  }

  /** Adds changes of a round to the batch. @returns their number, at most `left`; 1 for a round without changes, which costs as much */
  private addChanges(next: BatchBuilder, { changes: revisions }: EndedRound, left: number): number {
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

  private endRoundIn(next: BatchBuilder, round: EndedRound): void {
    for (const { id, lease } of round.leaseChanges) next.changeLease(id, lease);
    if (round.leaseChanges.length > 0) leaseCountRow.put(next.batch, round.leaseCount);
    for (const compaction of round.scheduled) {
      scheduledCompactionRow.put(next.batch, compaction.revision);
      next.waiters.push(compaction.waiter);
      this.isUrgent = true; // a client may wait for the end of its compaction
    }
    if (round.waiters.length > 0) this.isUrgent = true;
    next.waiters.push(...round.waiters);
    next.round = round;
    this.rounds.shift();
    this.filled = { revisions: 0, changes: 0 };
    this.writeIfDue();
  }

  /** Tells whether the next batch contains only a part of a round. */
  private get isTorn(): boolean {
    return this.filled.revisions > 0 || this.filled.changes > 0;
  }

  private write(fill: (next: BatchBuilder) => void): Promise<void> {
    if (this.refused !== undefined) return Promise.reject(this.refused);
    const next = this.openBatch();
    fill(next);
    this.isUrgent = true;
    const done = new Promise<void>((resolve, reject) => next.waiters.push({ resolve, reject }));
    this.writeIfDue();
    return done;
  }

  private openBatch(): BatchBuilder {
    this.next ??= new BatchBuilder(this.backend.batch(), this.draft);
    return this.next;
  }

  private writeIfDue(): void {
    const next = this.next;
    if (next === undefined) return;
    if (this.isUrgent || next.bytes >= this.limits.flushBytes) this.startWrite(next);
    else
      this.timer ??= this.clock.setTimeout(() => {
        this.timer = undefined;
        this.isUrgent = true;
        this.writeIfDue();
      }, this.limits.flushAfterMs);
  }

  private startWrite(next: BatchBuilder): void {
    if (this.writing !== undefined || this.isHeld) return; // `onWritten` or `release` calls this again
    if (this.isTorn) return; // `endRoundIn` calls this again
    this.writing = next;
    this.next = undefined;
    this.isUrgent = false;
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

  private onWritten(done: BatchBuilder): void {
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

  /** Ends all writes: the content of the disk is unknown, so no further batch may follow. Applied changes stay readable. */
  private fail(error: Error): void {
    if (this.refuse(new ReadOnlyError(error))) this.onFailure(error);
  }

  /** Refuses all pending and further writes with `reason`. @returns false if they were already refused */
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
