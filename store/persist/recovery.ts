import {
  allRows,
  type Backend,
  endOfChanges,
  finishedCompactionRow,
  firstRowKeyOf,
  formatRow,
  nameOfRow,
  openRow,
  type Pace,
  parseChangeRowKey,
  type Row,
  rowCountRow,
  type RowPosition,
  type Rows,
  scheduledCompactionRow,
  stateRow,
  visitRows,
} from "../disk/index.js";
import { DamagedError, firstRevision, type Key, neverCompacted, type Revision } from "../base/index.js";
import {
  Attachments,
  decodeKeyValue,
  deletedState,
  isOnlyKey,
  isTombstone,
  type KeyIndex,
  type KeyState,
  Leases,
  type ValueCache,
} from "../mvcc/index.js";
import { readLeases } from "./lease-rows.js";
import { readTables, type Tables } from "./tables.js";

/** The version of the layout that this code writes, and the only one it reads. */
const formatVersion = 2;

/** The store on disk was written by another version. It was left untouched. */
export class StoreVersionError extends Error {
  override readonly name = "StoreVersionError";
  constructor(
    readonly place: string,
    readonly found: number,
  ) {
    const advice = found > formatVersion ? "use a newer one" : "it is of before the first release";
    super(`Cannot open ${place}: it has store format ${found}, this version knows ${formatVersion}; ${advice}`);
  }
}

/** The state that was found on disk, beside the keys. */
export interface Recovered {
  readonly revision: Revision;
  readonly compactRevision: Revision;
  /** A compaction that was interrupted. */
  readonly unfinishedCompaction: Revision | undefined;
  readonly marker: Uint8Array | undefined;
  /** Number of changes. */
  readonly rows: number;
}

/** The structures that are filled from disk. */
export interface Recovering {
  readonly index: KeyIndex;
  readonly cache: ValueCache;
  readonly leases: Leases;
  readonly tables: Tables;
}

/**
 * Fills the index and the leases from the rows on disk, in slices.
 *
 * LevelDB drops what it cannot read of its log and opens without it. So it is checked that nothing is missing: rows are
 * counted, and above the compaction revision and sub follow each other without a gap.
 *
 * @throws DamagedError if what is there is not what was written
 * @throws StoreVersionError
 */
export function recover(
  backend: Backend,
  { index, cache, leases, tables }: Recovering,
  pace: Pace,
): Promise<Recovered> {
  const fill: ChangeListener = (key, state, keyValue, rowsLeft) => {
    const entry = index.advance(key, index.get(key), state);
    // Were all that follow as long as this one, it would not stay.
    if (isTombstone(state) || rowsLeft * keyValue.length > cache.maxBytes) cache.drop(entry);
    else cache.holdCopy(entry, keyValue);
  };
  return readAll(backend, { leases, tables }, fill, pace);
}

/** Checks what `recover` checks, and keeps nothing of the keys but which have leases. */
export function verify(backend: Backend, tables: Tables, pace: Pace): Promise<Recovered> {
  return readAll(backend, { leases: new Leases(), tables }, () => undefined, pace);
}

async function readAll(
  backend: Backend,
  { leases, tables }: Pick<Recovering, "leases" | "tables">,
  listener: ChangeListener,
  pace: Pace,
): Promise<Recovered> {
  await checkFormat(backend);
  const state = stateRow.get(backend);
  const scheduled = scheduledCompactionRow.get(backend);
  const compactRevision = scheduled ?? neverCompacted;
  await readLeases(backend, leases, pace);
  await readTables(backend, tables, pace);
  const rows = rowCountRow.get(backend) ?? 0;
  const reader = new ChangeReader(backend.name, compactRevision, rows, listener);
  await visitRows(backend, { from: firstRowKeyOf(0), to: endOfChanges }, pace, (row) => reader.read(row));
  await reader.attachments.attachTo(leases, backend.name, pace);
  // A compaction may have removed the newest rows, if they were deletes; never one after its own revision.
  const revision = Math.max(firstRevision, reader.main, compactRevision) as Revision;
  const expected = state?.revision ?? firstRevision;
  if (revision !== expected)
    throw new DamagedError(backend.name, `its rows end at revision ${revision}, should at ${expected}`);
  if (reader.rows !== rows) throw new DamagedError(backend.name, `it has ${reader.rows} rows, should have ${rows}`);
  return {
    revision,
    compactRevision,
    unfinishedCompaction: scheduled === finishedCompactionRow.get(backend) ? undefined : scheduled,
    marker: state?.marker,
    rows,
  };
}

async function checkFormat(backend: Backend): Promise<void> {
  const found = formatRow.get(backend);
  if (found === formatVersion) return;
  if (found !== undefined) throw new StoreVersionError(backend.name, found);
  if (!(await isEmpty(backend))) throw new DamagedError(backend.name, "it has rows, but none that tells its format");
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

/** Is told of each change, in the order in which they happened. */
type ChangeListener = (key: Key, state: KeyState, keyValue: Uint8Array, rowsLeft: number) => void;

/** Checks all changes, one after the other. */
class ChangeReader {
  readonly attachments = new Attachments();
  rows = 0;
  /** The last change read. */
  main = 0;
  private sub = 0;

  constructor(
    private readonly place: string,
    private readonly compactRevision: Revision,
    /** Number of rows that there should be. */
    private readonly expected: number,
    private readonly listener: ChangeListener,
  ) {}

  read([rowKey, row]: Row): void {
    const keyValue = openRow(this.place, rowKey, row);
    const position = parseChangeRowKey(rowKey);
    if (position === undefined) throw this.damage(rowKey, "not the key of a change");
    const { main, sub, tombstone } = position;
    if (!this.follows(position)) throw this.damage(rowKey, `the change after ${this.main}_${this.sub} is missing`);
    const { key, state } = decodeKeyValue(keyValue, sub);
    if (tombstone ? !isOnlyKey(state) : state.mod !== main)
      throw this.damage(rowKey, "it holds another change than its key says");
    this.rows += 1;
    this.listener(key, tombstone ? deletedState(main as Revision, sub) : state, keyValue, this.expected - this.rows);
    this.attachments.note(key, state.lease); // a tombstone has none
    this.main = main;
    this.sub = sub;
  }

  /** A compaction leaves gaps up to its revision, and nothing leaves any behind. */
  private follows({ main, sub }: RowPosition): boolean {
    if (main <= this.compactRevision) return true;
    if (main === this.main) return sub === this.sub + 1;
    return sub === 0 && main === Math.max(this.main, this.compactRevision, firstRevision) + 1;
  }

  private damage(rowKey: Uint8Array, reason: string): DamagedError {
    return new DamagedError(nameOfRow(this.place, rowKey), reason);
  }
}
