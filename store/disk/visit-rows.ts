import { bytesOf, type Row, type Rows } from "./backend.js";
import type { Turns } from "../base/index.js";

/** Called between two slices of long work; the next one begins when it resolves. A rejection ends the work. */
export type Pace = () => Promise<void>;

/** A pace without pauses, for work while no request waits. */
export const neverPause: Pace = () => Promise.resolve();

/** Returns a pace that pauses until a later turn, then calls `check`, which throws to end the work. */
export const paceOf =
  (turns: Turns, check: () => void): Pace =>
  async () => {
    await turns.pause();
    check();
  };

/** Rows per read. */
const rowsPerRead = 500;
/** The items after which a slice ends: about 1 ms. */
const itemsPerSlice = 250;
/** The bytes after which a slice ends, if it has fewer items. */
const bytesPerSlice = 1024 * 1024;

/**
 * Visits the rows in `[from, to)` in key order, in slices. The next rows are requested before the present ones are visited: LevelDB
 * reads them in another thread meanwhile.
 *
 * @param visit returns the number of items in the row
 */
export async function visitRows(
  rows: Rows,
  { from, to }: { readonly from: Uint8Array; readonly to: Uint8Array },
  pace: Pace,
  visit: (row: Row) => number,
): Promise<void> {
  const iterator = rows.iterate(from, to);
  try {
    for (let some = await iterator.next(rowsPerRead); some.length > 0;) {
      const following = iterator.next(rowsPerRead);
      following.catch(() => undefined); // awaited below, unless the visit fails first
      await visitInSlices(some, pace, visit);
      some = await following;
    }
  } finally {
    await iterator.close();
  }
}

async function visitInSlices(rows: readonly Row[], pace: Pace, visit: (row: Row) => number): Promise<void> {
  let bytes = 0;
  let items = 0;
  for (const row of rows) {
    items += visit(row);
    bytes += bytesOf(row);
    if (items < itemsPerSlice && bytes < bytesPerSlice) continue;
    await pace();
    bytes = items = 0;
  }
  await pace();
}
