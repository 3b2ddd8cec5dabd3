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

  /** Reads the row; undefined if it does not exist. @throws DamagedError if it differs from the written one */
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

/** The version of the format of all rows. */
export const formatRow = new MetaRow("format", encodeCounter, decodeCounter);
/** The number of changes on disk, to detect lost ones. */
export const changeCountRow = new MetaRow("changes", encodeCounter, decodeCounter);
/** The number of lease rows, to detect lost ones. */
export const leaseCountRow = new MetaRow("leases", encodeCounter, decodeCounter);
/** The revision of the newest compaction; the changes that it removes may still be on disk. */
export const scheduledCompactionRow = new MetaRow("scheduled-compaction", encodeCounter, decodeRevision);
/** The number of rows of all tables, to detect lost ones. */
export const tableRowCountRow = new MetaRow("table-rows", encodeCounter, decodeCounter);
/** The revision of the last compaction whose changes are removed from disk. */
export const finishedCompactionRow = new MetaRow("finished-compaction", encodeCounter, decodeRevision);

/** The state of the store as of its last round. */
export interface SavedState {
  /** The newest revision on disk: that of the last change. */
  readonly revision: Revision;
  /** The applier's marker. */
  readonly marker: Uint8Array;
}

/** The row with the state. */
export const stateRow = new MetaRow<SavedState>(
  "state",
  ({ revision, marker }) => Buffer.concat([encodeCounter(revision), marker]),
  (content) => {
    const revision = decodeRevision(content.subarray(0, 8));
    return revision === undefined ? undefined : { revision, marker: Uint8Array.from(content.subarray(8)) };
  },
);
