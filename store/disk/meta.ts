// Rows about the store itself: its format and its state.

import type { Batch, Rows } from "./backend.js";
import { DamagedError, type Revision } from "../base/index.js";
import { metaRowKey, nameOfRow, openRow, encodeRow } from "./rows.js";

/** A named row. */
class MetaRow<T> {
  private readonly rowKey: Uint8Array;

  constructor(
    readonly name: string,
    private readonly encode: (value: T) => Uint8Array,
    private readonly decode: (content: Uint8Array) => T | undefined,
  ) {
    this.rowKey = metaRowKey(name);
  }

  put(batch: Batch, value: T): void {
    batch.put(this.rowKey, encodeRow(this.rowKey, this.encode(value)));
  }

  /** @throws DamagedError if it is not what was written */
  get(rows: Rows): T | undefined {
    const row = rows.get(this.rowKey);
    if (row === undefined) return undefined;
    const value = this.decode(openRow(rows.name, this.rowKey, row));
    if (value === undefined) throw new DamagedError(nameOfRow(rows.name, this.rowKey), "it cannot be decoded");
    return value;
  }
}

function encodeCounter(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function decodeCounter(content: Uint8Array): number | undefined {
  if (content.length !== 8) return undefined;
  const value = Number(Buffer.from(content).readBigUInt64BE());
  return Number.isSafeInteger(value) ? value : undefined;
}

const decodeRevision = (content: Uint8Array): Revision | undefined => decodeCounter(content) as Revision | undefined;

/** The version of everything in `rows.ts` and here. */
export const formatRow = new MetaRow("format", encodeCounter, decodeCounter);
/** Number of changes: a lost one is noticed. */
export const changeCountRow = new MetaRow("changes", encodeCounter, decodeCounter);
/** Number of lease rows, for the same reason. */
export const leaseCountRow = new MetaRow("leases", encodeCounter, decodeCounter);
/** A compaction that has taken effect; its rows may still be there. */
export const scheduledCompactionRow = new MetaRow("scheduled-compaction", encodeCounter, decodeRevision);
/** Number of rows of all tables, for the same reason. */
export const tableRowCountRow = new MetaRow("table-rows", encodeCounter, decodeCounter);
/** A compaction whose rows are gone. */
export const finishedCompactionRow = new MetaRow("finished-compaction", encodeCounter, decodeRevision);

/** The state of the store as of its last round. */
export interface SavedState {
  /** The newest revision on disk; the rows must reach as far. */
  readonly revision: Revision;
  /** The applier's marker. */
  readonly marker: Uint8Array;
}

/** Encodes the state as a row. */
export const stateRow = new MetaRow<SavedState>(
  "state",
  ({ revision, marker }) => Buffer.concat([encodeCounter(revision), marker]),
  (content) => {
    const revision = decodeRevision(content.subarray(0, 8));
    return revision === undefined ? undefined : { revision, marker: Uint8Array.from(content.subarray(8)) };
  },
);
