import {
  allRemoved,
  allRows,
  type Backend,
  BlockList,
  BlockReader,
  comparePositions,
  endOfChanges,
  finishedCompactionRow,
  firstRowKeyOf,
  formatRow,
  type Pause,
  type Position,
  type Row,
  changeCountRow,
  type Rows,
  scheduledCompactionRow,
  stateRow,
  visitRows,
} from "../disk/index.js";
import { DamagedError, firstRevision, type Key, neverCompacted, type Revision } from "../base/index.js";
import {
  Attachments,
  decodeKeyValue,
  isOnlyKey,
  isTombstone,
  type KeyIndex,
  type KeyState,
  Leases,
  tombstoneOf,
  type ValueCache,
} from "../mvcc/index.js";
import { readLeases } from "./lease-rows.js";
import { readTables, type Tables } from "./tables.js";

/** The version of the layout that this code writes, and the only one it reads. */
const formatVersion = 3;

/** An error for a store that another version wrote. No file is changed. */
export class StoreVersionError extends Error {
  override readonly name = "StoreVersionError";
  constructor(
    readonly place: string,
    readonly found: number,
  ) {
    const advice = found > formatVersion ? "use a newer one" : "it is of before the first release";
    super(`Cannot open ${place}: it has store format ${found}, this version supports ${formatVersion}; ${advice}`);
  }
}

/** The recovered state, without the keys. */
export interface Recovered {
  readonly revision: Revision;
  readonly compactRevision: Revision;
  /** A compaction that was interrupted. */
  readonly unfinishedCompaction: Revision | undefined;
  readonly marker: Uint8Array | undefined;
  /** The number of changes on disk. */
  readonly changes: number;
}

/** The contents of a store in memory: everything in the rows on disk except values. */
export interface StoreImage {
  readonly index: KeyIndex;
  readonly leases: Leases;
  readonly tables: Tables;
  readonly blocks: BlockList;
}

/** The structures that recovery fills. */
export interface RecoveryTarget extends StoreImage {
  readonly cache: ValueCache;
}

/**
 * Fills the index and the leases from the rows on disk, in slices.
 *
 * LevelDB opens without the part of its log that it cannot read. Therefore recovery checks that no change is missing: it counts the
 * changes, and after the compact revision main and sub must continue without a gap.
 *
 * @throws DamagedError if rows are missing or differ from the written ones
 * @throws StoreVersionError
 */
export function recover(
  backend: Backend,
  { index, cache, leases, tables, blocks }: RecoveryTarget,
  pause: Pause,
): Promise<Recovered> {
  const fill: ChangeListener = (key, state, change, changesLeft) => {
    const entry = index.advance(key, index.get(key), state, change.sub);
    // If all later values are as long as this one, it would be evicted before the start ends.
    if (isTombstone(state) || changesLeft * (change.to - change.from) > cache.maxBytes) cache.drop(entry);
    else cache.holdCopy(entry, change.keyValue);
  };
  return readAll(backend, { leases, tables, blocks }, fill, pause);
}

/**
 * Reads only the state of a store whose contents are already in memory: the rows are a copy of a checked store's.
 *
 * @throws DamagedError, StoreVersionError
 */
export async function recoverState(backend: Backend): Promise<Recovered> {
  await checkFormat(backend);
  return stateOn(backend);
}

/** Checks the rows as `recover` does, and keeps neither keys nor values. */
export function verify(backend: Backend, tables: Tables, pause: Pause): Promise<Recovered> {
  return readAll(backend, { leases: new Leases(), tables, blocks: new BlockList() }, () => undefined, pause);
}

async function readAll(
  backend: Backend,
  { leases, tables, blocks }: Pick<RecoveryTarget, "leases" | "tables" | "blocks">,
  listener: ChangeListener,
  pause: Pause,
): Promise<Recovered> {
  await checkFormat(backend);
  const state = stateOn(backend);
  const { compactRevision, changes } = state;
  await readLeases(backend, leases, pause);
  await readTables(backend, tables, pause);
  const removals = await readRemovals(backend, pause);
  const reader = new ChangeReader({ compactRevision, changes }, blocks, removals, listener);
  const range = { from: firstRowKeyOf(0), to: endOfChanges };
  await visitRows(backend, range, pause, ([rowKey, row]) => reader.read(new BlockReader(backend.name, rowKey, row)));
  removals.checkNoneLeft();
  await reader.attachments.attachTo(leases, backend.name, pause);
  // A compaction may have removed the newest changes up to its revision, if they were deletes.
  const revision = Math.max(firstRevision, reader.main, compactRevision) as Revision;
  if (revision !== state.revision)
    throw new DamagedError(backend.name, `its rows end at revision ${revision}, expected ${state.revision}`);
  if (reader.count !== changes)
    throw new DamagedError(backend.name, `it has ${reader.count} changes, expected ${changes}`);
  return state;
}

/** Reads the rows with the state. @throws DamagedError */
function stateOn(backend: Backend): Recovered {
  const state = stateRow.get(backend);
  const scheduled = scheduledCompactionRow.get(backend);
  return {
    revision: state?.revision ?? firstRevision,
    compactRevision: scheduled ?? neverCompacted,
    unfinishedCompaction: scheduled === finishedCompactionRow.get(backend) ? undefined : scheduled,
    marker: state?.marker,
    changes: changeCountRow.get(backend) ?? 0,
  };
}

async function checkFormat(backend: Backend): Promise<void> {
  const found = formatRow.get(backend);
  if (found === formatVersion) return;
  if (found !== undefined) throw new StoreVersionError(backend.name, found);
  if (!(await isEmpty(backend)))
    throw new DamagedError(backend.name, "it has rows, but no row with its format version");
  const batch = backend.batch();
  formatRow.put(batch, formatVersion);
  await batch.write();
}

/** Tells whether a backend has no rows. */
export async function isEmpty(rows: Rows): Promise<boolean> {
  const iterator = rows.iterate(allRows.from, allRows.to);
  const [first] = await iterator.next(1);
  await iterator.close();
  return first === undefined;
}

/** Reads the notes of the changes that are removed from their blocks. */
async function readRemovals(backend: Backend, pause: Pause): Promise<Removals> {
  const rows: Row[] = [];
  await visitRows(backend, allRemoved, pause, (row) => {
    rows.push(row);
    return 1;
  });
  return new Removals(backend.name, rows);
}

/** The removed changes of all blocks, read together with the blocks, in order. */
class Removals {
  private read = 0;
  private next: BlockReader | undefined = undefined;

  constructor(
    private readonly place: string,
    private readonly rows: readonly Row[],
  ) {
    this.readNext();
  }

  /** Returns a reader of the removed changes of the block that begins at `begin`, oldest first; undefined if it has none. @throws DamagedError */
  takeFrom(begin: Position): BlockReader | undefined {
    const { next } = this;
    const difference = next === undefined ? 1 : comparePositions(next.begin, begin);
    if (difference > 0) return undefined;
    if (difference < 0) this.checkNoneLeft();
    this.readNext();
    return next;
  }

  /** Checks, after the last block, that no removals are left. @throws DamagedError if some are of a missing block */
  checkNoneLeft(): void {
    if (this.next !== undefined) throw this.next.createDamagedError("there is no such row");
  }

  private readNext(): void {
    const row = this.rows[this.read++];
    this.next = row && new BlockReader(this.place, ...row);
  }
}

/** Receives each change, oldest first. `change` has its position and KeyValue. */
type ChangeListener = (key: Key, state: KeyState, change: BlockReader, changesLeft: number) => void;

/** Reads and checks all changes, one after the other. */
class ChangeReader {
  readonly attachments = new Attachments();
  count = 0;
  /** The last change read. */
  main = 0;
  private sub = 0;
  private deleted: KeyState | undefined = undefined;

  constructor(
    /** The compact revision, and the number of changes that must be found. */
    private readonly expected: { readonly compactRevision: Revision; readonly changes: number },
    private readonly blocks: BlockList,
    private readonly removals: Removals,
    private readonly listener: ChangeListener,
  ) {}

  /** Reads the next block. @returns the number of changes in it, including removed ones */
  read(block: BlockReader): number {
    const removed = this.removals.takeFrom(block.begin);
    let isRemoved = removed?.next() === true;
    let count = 0;
    while (block.next()) {
      count += 1;
      if (!this.isNext(block)) throw block.createDamagedError(`the change after ${this.main}_${this.sub} is missing`);
      this.main = block.main;
      this.sub = block.sub;
      if (isRemoved && removed?.main === block.main && removed.sub === block.sub) isRemoved = removed.next();
      else this.readBlock(block);
    }
    if (isRemoved)
      throw block.createDamagedError(
        `the change ${removed?.main}_${removed?.sub} is missing, which was removed from it`,
      );
    this.blocks.add(block.begin, count);
    return count;
  }

  private readBlock(block: BlockReader): void {
    const { main, sub, tombstone } = block;
    const { key, state } = decodeKeyValue(block.content, sub, block.from, block.to);
    if (tombstone ? !isOnlyKey(state) : state.mod !== main)
      throw block.createDamagedError(`it holds another change than ${main}_${sub}`);
    this.count += 1;
    const left = this.expected.changes - this.count;
    this.listener(key, tombstone ? this.stateOfDelete(main) : state, block, left);
    this.attachments.note(key, state.lease); // a tombstone has none
  }

  /** Returns the state of the keys that a revision deletes: one object for all of them, to save memory. */
  private stateOfDelete(main: number): KeyState {
    if (this.deleted?.mod !== main) this.deleted = tombstoneOf(main as Revision);
    return this.deleted;
  }

  /** Tells whether a change may follow the last one: up to the compact revision with gaps, after it without. */
  private isNext({ main, sub }: Position): boolean {
    const { compactRevision } = this.expected;
    if (main === this.main && sub === this.sub + 1) return true;
    if (main <= compactRevision) return main > this.main || (main === this.main && sub > this.sub);
    return sub === 0 && main === Math.max(this.main, compactRevision, firstRevision) + 1;
  }
}
