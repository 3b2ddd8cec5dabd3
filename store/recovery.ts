import type { Backend, Row } from "./backend.js";
import { DamagedError } from "./errors.js";
import type { KeyIndex } from "./key-index.js";
import { readLeases } from "./lease-rows.js";
import { Attachments, type Leases } from "./leases.js";
import { decodeKeyValue, deletedState, isOnlyKey } from "./key-value.js";
import { finishedCompactionRow, formatRow, rowCountRow, scheduledCompactionRow, stateRow } from "./meta.js";
import { firstRevision, neverCompacted, type Revision } from "./revision.js";
import { endOfChanges, firstRowKeyOf, nameOfRow, openRow, parseChangeRowKey, type RowPosition } from "./rows.js";
import type { ValueCache } from "./value-cache.js";

/** The version of the layout that this code writes, and the only one it reads. */
const formatVersion = 1;

const rowsPerRead = 1_000;

/** The store on disk was written by a newer version. It was left untouched. */
export class NewerFormatError extends Error {
  override readonly name = "NewerFormatError";
  constructor(
    readonly place: string,
    readonly found: number,
  ) {
    super(`Cannot open ${place}: it has store format ${found}, this version knows ${formatVersion}; use a newer one`);
  }
}

/** What was found on disk, beside the keys. */
export interface Recovered {
  readonly revision: Revision;
  readonly compactRevision: Revision;
  /** A compaction that was interrupted. */
  readonly unfinishedCompaction: Revision | undefined;
  readonly marker: Uint8Array | undefined;
  /** How many changes there are. */
  readonly rows: number;
}

/** What is filled from disk. */
export interface Recovering {
  readonly index: KeyIndex;
  readonly cache: ValueCache;
  readonly leases: Leases;
}

/**
 * Fills the index and the leases from the rows on disk.
 *
 * LevelDB drops what it cannot read of its log and opens without it. So it is checked that nothing is missing: rows are
 * counted, and above the compaction revision and sub follow each other without a gap.
 *
 * @throws DamagedError if what is there is not what was written
 * @throws NewerFormatError
 */
export async function recover(backend: Backend, { index, cache, leases }: Recovering): Promise<Recovered> {
  await checkFormat(backend);
  const state = stateRow.get(backend);
  const scheduled = scheduledCompactionRow.get(backend);
  const compactRevision = scheduled ?? neverCompacted;
  await readLeases(backend, leases);
  const reader = new ChangeReader(backend, index, cache, compactRevision);
  await reader.readAll();
  reader.attachments.attachTo(leases, backend.name);
  // A compaction may have removed the newest rows, if they were deletes; never one after its own revision.
  const revision = Math.max(firstRevision, reader.main, compactRevision) as Revision;
  const expected = state?.revision ?? firstRevision;
  if (revision !== expected)
    throw new DamagedError(backend.name, `its rows end at revision ${revision}, should at ${expected}`);
  const rows = rowCountRow.get(backend) ?? 0;
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
  if (found !== undefined) throw new NewerFormatError(backend.name, found);
  const rows = backend.iterate(Buffer.of(0), Buffer.of(0xff));
  const [first] = await rows.next(1);
  await rows.close();
  if (first !== undefined) throw new DamagedError(backend.name, "it has rows, but none that tells its format");
  const batch = backend.batch();
  formatRow.put(batch, formatVersion);
  await batch.write();
}

/** Reads all changes, in the order in which they happened. */
class ChangeReader {
  readonly attachments = new Attachments();
  rows = 0;
  /** The last change read. */
  main = 0;
  private sub = 0;

  constructor(
    private readonly backend: Backend,
    private readonly index: KeyIndex,
    private readonly cache: ValueCache,
    private readonly compactRevision: Revision,
  ) {}

  async readAll(): Promise<void> {
    const rows = this.backend.iterate(firstRowKeyOf(0), endOfChanges);
    try {
      for (;;) {
        const some = await rows.next(rowsPerRead);
        if (some.length === 0) return;
        for (const row of some) this.read(row);
      }
    } finally {
      await rows.close();
    }
  }

  private read([rowKey, row]: Row): void {
    const keyValue = openRow(this.backend.name, rowKey, row);
    const position = parseChangeRowKey(rowKey);
    if (position === undefined) throw this.damage(rowKey, "not the key of a change");
    const { main, sub, tombstone } = position;
    if (!this.follows(position)) throw this.damage(rowKey, `the change after ${this.main}_${this.sub} is missing`);
    const { key, state } = decodeKeyValue(keyValue, sub);
    if (tombstone ? !isOnlyKey(state) : state.mod !== main)
      throw this.damage(rowKey, "it holds another change than its key says");
    const entry = this.index.advance(key, this.index.get(key), tombstone ? deletedState(main as Revision, sub) : state);
    if (tombstone) this.cache.drop(entry);
    else this.cache.hold(entry, keyValue);
    this.attachments.note(key, state.lease); // a tombstone has none
    this.rows += 1;
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
    return new DamagedError(nameOfRow(this.backend.name, rowKey), reason);
  }
}
