import type { Backend, Batch } from "./backend.js";
import type { StoreClock } from "./clock.js";
import { ClosedError, ReadOnlyError, type StoreError } from "./errors.js";
import { leaseRow, leaseRowKey } from "./lease-rows.js";
import type { Lease, Leases } from "./leases.js";
import type { StoreLimits } from "./limits.js";
import { finishedCompactionRow, leaseCountRow, rowCountRow, scheduledCompactionRow, stateRow } from "./meta.js";
import { isTombstone } from "./key-value.js";
import { changeRowKey, sealRow } from "./rows.js";
import type { RemovedChange } from "./key-index.js";
import type { Revision } from "./revision.js";
import type { StoreData } from "./store-data.js";
import type { Change, Unflushed } from "./unflushed.js";

/** What a change costs beside its bytes while it waits: keys, objects, the batch's own copy. */
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
  round: { readonly revision: Revision; readonly marker: Uint8Array } | undefined = undefined;
  bytes = 0;
  /** How many more change rows there will be. */
  addedRows = 0;
  readonly waiters: Waiter[] = [];

  constructor(readonly batch: Batch) {}

  add({ state, row }: Change): void {
    const rowKey = changeRowKey(state.mod, state.sub, isTombstone(state));
    sealRow(rowKey, row);
    this.batch.put(rowKey, row);
    this.bytes += costOf(row);
    this.addedRows += 1;
  }

  changeLease(id: bigint, lease: Lease | undefined): void {
    const rowKey = leaseRowKey(id);
    if (lease === undefined) this.batch.delete(rowKey);
    else this.batch.put(rowKey, leaseRow(rowKey, lease));
    this.bytes += leaseChangeBytes;
  }

  remove(rowKey: Uint8Array): void {
    this.batch.delete(rowKey);
    this.addedRows -= 1;
  }
}

/**
 * Writes what was applied to disk, behind the back of those who apply: many rounds are one atomic, synced batch, and
 * one batch at a time is on its way, so what the disk has is always a prefix of what was applied.
 */
export class WriteBehind {
  private readonly unflushed: Unflushed;
  private readonly leases: Leases;
  private readonly limits: StoreLimits;
  private next: Gathering | undefined = undefined;
  private writing: Gathering | undefined = undefined;
  private timer: unknown = undefined;
  /** Write as soon as the one on its way is done. */
  private urgent = false;
  private held = false;
  private unflushedBytes = 0;
  private scheduled: { readonly revision: Revision; readonly waiter: Waiter }[] = [];
  /** What became of leases since the last round ended, in order; undefined: it is gone. */
  private leaseChanges: { readonly id: bigint; readonly lease: Lease | undefined }[] = [];
  private drained: (() => void)[] = [];
  private refused: StoreError | undefined = undefined;
  private ended: Revision;
  /** Change rows on disk, with the batch on its way. */
  private rows: number;

  constructor(
    private readonly backend: Backend,
    private readonly clock: StoreClock,
    { unflushed, leases, limits }: StoreData,
    private readonly onFailure: (error: Error) => void,
    rows: number,
  ) {
    this.unflushed = unflushed;
    this.leases = leases;
    this.limits = limits;
    this.rows = rows;
    this.ended = (unflushed.firstRevision - 1) as Revision;
  }

  /** Why nothing can be written any more. */
  get refusal(): StoreError | undefined {
    return this.refused;
  }

  get full(): boolean {
    return this.unflushedBytes >= this.limits.unflushedBytes;
  }

  /** Calls back once, when the store is not full any more. */
  whenDrained(callback: () => void): void {
    if (this.full) this.drained.push(callback);
    else callback();
  }

  /** Counts changes that were applied. */
  applied(changes: readonly Change[]): void {
    for (const { row } of changes) this.unflushedBytes += costOf(row);
  }

  /** Makes the grant of a lease, or its end (`lease` undefined), part of the round that is being applied. */
  leaseChanged(id: bigint, lease: Lease | undefined): void {
    this.leaseChanges.push({ id, lease });
    this.unflushedBytes += leaseChangeBytes;
  }

  /** Makes the compaction part of the round that is being applied. Resolves once that is on disk. */
  schedule(revision: Revision): Promise<void> {
    return new Promise((resolve, reject) => this.scheduled.push({ revision, waiter: { resolve, reject } }));
  }

  /** Closes a round: it holds everything up to `revision` that no earlier round does. */
  endRound(revision: Revision, marker: Uint8Array): void {
    if (this.refused !== undefined) return;
    const next = this.gathering();
    for (const changes of this.unflushed.between(this.ended + 1, revision))
      for (const change of changes) next.add(change);
    this.endLeaseChanges(next);
    for (const compaction of this.scheduled) {
      scheduledCompactionRow.put(next.batch, compaction.revision);
      next.waiters.push(compaction.waiter);
      this.urgent = true; // a client may be waiting for its compaction to be finished
    }
    this.scheduled = [];
    next.round = { revision, marker };
    this.ended = revision;
    this.writeIfDue();
  }

  /** Removes rows. Resolves once they are gone. */
  remove(changes: readonly RemovedChange[]): Promise<void> {
    return this.write((next) => {
      for (const { main, sub } of changes) next.remove(changeRowKey(main, sub < 0 ? ~sub : sub, sub < 0));
    });
  }

  /** Notes that a compaction has removed all that it had to. */
  finishCompaction(revision: Revision): Promise<void> {
    return this.write(({ batch }) => finishedCompactionRow.put(batch, revision));
  }

  /** Resolves once every round ended so far is on disk. */
  flush(): Promise<void> {
    if (this.refused !== undefined) return Promise.reject(this.refused);
    const last = this.next ?? this.writing;
    if (last === undefined) return Promise.resolve();
    this.urgent ||= last === this.next;
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
    this.callDrained();
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

  private endLeaseChanges(next: Gathering): void {
    if (this.leaseChanges.length === 0) return;
    for (const { id, lease } of this.leaseChanges) next.changeLease(id, lease);
    this.leaseChanges = [];
    leaseCountRow.put(next.batch, this.leases.size);
  }

  private write(fill: (next: Gathering) => void): Promise<void> {
    if (this.refused !== undefined) return Promise.reject(this.refused);
    const next = this.gathering();
    fill(next);
    this.urgent = true;
    const done = new Promise<void>((resolve, reject) => next.waiters.push({ resolve, reject }));
    this.writeIfDue();
    return done;
  }

  private gathering(): Gathering {
    this.next ??= new Gathering(this.backend.batch());
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
    if (this.writing !== undefined || this.held) return; // `written` or `release` comes back to it
    this.writing = next;
    this.next = undefined;
    this.urgent = false;
    this.stopTimer();
    if (next.round !== undefined) stateRow.put(next.batch, next.round);
    this.rows += next.addedRows;
    rowCountRow.put(next.batch, this.rows);
    next.batch.write().then(
      () => this.written(next),
      (error: unknown) => this.fail(error instanceof Error ? error : new Error(String(error))),
    );
  }

  private written(done: Gathering): void {
    this.writing = undefined;
    this.unflushedBytes -= done.bytes;
    if (done.round !== undefined) this.unflushed.dropThrough(done.round.revision);
    for (const waiter of done.waiters) waiter.resolve();
    this.writeIfDue();
    if (!this.full) this.callDrained();
  }

  private callDrained(): void {
    const drained = this.drained;
    this.drained = [];
    for (const callback of drained) callback();
  }

  /** Nobody knows what the disk holds now, so nothing may follow. What was applied stays readable. */
  private fail(error: Error): void {
    if (this.refuse(new ReadOnlyError(error))) this.onFailure(error);
  }

  /** From now on nothing is written. False: for another reason it was so already. */
  private refuse(reason: StoreError): boolean {
    if (this.refused !== undefined) return false;
    this.refused = reason;
    this.stopTimer();
    const waiters = [...(this.writing?.waiters ?? []), ...(this.next?.waiters ?? [])];
    for (const { waiter } of this.scheduled) waiters.push(waiter);
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

const costOf = (row: Uint8Array): number => row.length + changeOverheadBytes;
