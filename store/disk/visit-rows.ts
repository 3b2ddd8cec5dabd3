import { bytesOf, type Row, type Rows } from "./backend.js";
import type { Turns } from "../base/index.js";

/** Called after each slice of long work; the next one begins when it resolves. A rejection ends the work. */
export type Pause = () => Promise<void>;

/** Continues at once, for work while no request waits. */
export const neverPause: Pause = () => Promise.resolve();

/** Returns a function that waits for a later turn, then calls `check`, which throws to end the work. */
export const pauseOf =
  (turns: Turns, check: () => void): Pause =>
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
  pause: Pause,
  visit: (row: Row) => number,
): Promise<void> {
  const iterator = rows.iterate(from, to);
  try {
    for (let part = await iterator.next(rowsPerRead); part.length > 0;) {
      const nextPart = iterator.next(rowsPerRead);
      nextPart.catch(() => undefined); // awaited below, unless the visit fails first
      await visitInSlices(part, pause, visit);
      part = await nextPart;
    }
  } finally {
    await iterator.close();
  }
}

async function visitInSlices(rows: readonly Row[], pause: Pause, visit: (row: Row) => number): Promise<void> {
  let bytes = 0;
  let items = 0;
  for (const row of rows) {
    items += visit(row);
    bytes += bytesOf(row);
    if (items < itemsPerSlice && bytes < bytesPerSlice) continue;
    await pause();
    bytes = items = 0;
  }
  await pause();
}
