import type { Backend, Row } from "./backend.js";
import { DamagedError } from "./errors.js";
import type { KeyIndex } from "./key-index.js";
import { decodeKeyValue, deletedState, isOnlyKey } from "./key-value.js";
import { finishedCompactionRow, formatRow, scheduledCompactionRow, stateRow } from "./meta.js";
import { firstRevision, neverCompacted, type Revision } from "./revision.js";
import { endOfChanges, firstRowKeyOf, nameOfRow, openRow, parseChangeRowKey } from "./rows.js";
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
}

/**
 * Fills the index from the rows on disk.
 *
 * @throws DamagedError if anything there is not what was written
 * @throws NewerFormatError
 */
export async function recover(backend: Backend, index: KeyIndex, cache: ValueCache): Promise<Recovered> {
  await checkFormat(backend);
  const state = stateRow.get(backend);
  const scheduled = scheduledCompactionRow.get(backend);
  const finished = finishedCompactionRow.get(backend);
  const compactRevision = scheduled ?? neverCompacted;
  const last = await readChanges(backend, index, cache);
  // A compaction may have removed the newest rows, if they were deletes; never one after its own revision.
  const revision = Math.max(firstRevision, last, compactRevision) as Revision;
  const expected = state?.revision ?? firstRevision;
  if (revision !== expected)
    throw new DamagedError(backend.name, `its rows end at revision ${revision}, should at ${expected}`);
  return {
    revision,
    compactRevision,
    unfinishedCompaction: scheduled === finished ? undefined : scheduled,
    marker: state?.marker,
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

/** @returns the newest revision found, 0 if none */
async function readChanges(backend: Backend, index: KeyIndex, cache: ValueCache): Promise<number> {
  const rows = backend.iterate(firstRowKeyOf(0), endOfChanges);
  try {
    let last = 0;
    for (;;) {
      const some = await rows.next(rowsPerRead);
      if (some.length === 0) return last;
      for (const row of some) last = readChange(backend.name, row, index, cache);
    }
  } finally {
    await rows.close();
  }
}

function readChange(place: string, [rowKey, row]: Row, index: KeyIndex, cache: ValueCache): number {
  const keyValue = openRow(place, rowKey, row);
  const position = parseChangeRowKey(rowKey);
  if (position === undefined) throw new DamagedError(nameOfRow(place, rowKey), "not the key of a change");
  const { main, sub, tombstone } = position;
  const { key, state } = decodeKeyValue(keyValue, sub);
  if (tombstone ? !isOnlyKey(state) : state.mod !== main)
    throw new DamagedError(nameOfRow(place, rowKey), "it holds another change than its key says");
  const entry = index.advance(key, index.get(key), tombstone ? deletedState(main as Revision, sub) : state);
  if (tombstone) cache.drop(entry);
  else cache.hold(entry, keyValue);
  return main;
}
