import { bytesOf, type Row, type Rows } from "./backend.js";
import type { Turns } from "../base/index.js";

/** Comes between two slices of long work. Rejects if the work is to end. */
export type Pace = () => Promise<void>;

/** A pace without pauses, for work beside which nothing waits. */
export const withoutPauses: Pace = () => Promise.resolve();

/** Lets everybody else run, then asks whether to go on. */
export const pacedBy =
  (turns: Turns, check: () => void): Pace =>
  async () => {
    await turns.pause();
    check();
  };

/** A slice ends after so many rows, about 2 ms … */
const rowsPerSlice = 250;
/** … or so many bytes. */
const bytesPerSlice = 1024 * 1024;

/** Visits the rows in `[from, to)` in key order, in slices. */
export async function visitRows(
  rows: Rows,
  { from, to }: { readonly from: Uint8Array; readonly to: Uint8Array },
  pace: Pace,
  visit: (row: Row) => void,
): Promise<void> {
  const iterator = rows.iterate(from, to);
  try {
    for (;;) {
      const some = await iterator.next(rowsPerSlice);
      if (some.length === 0) return;
      await visitSlice(some, pace, visit);
    }
  } finally {
    await iterator.close();
  }
}

async function visitSlice(rows: readonly Row[], pace: Pace, visit: (row: Row) => void): Promise<void> {
  let bytes = 0;
  for (const row of rows) {
    visit(row);
    bytes += bytesOf(row);
    if (bytes < bytesPerSlice) continue;
    await pace();
    bytes = 0;
  }
  await pace();
}
