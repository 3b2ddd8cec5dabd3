import {
  allTables,
  nameOfRow,
  openRow,
  type Pace,
  parseTableRowKey,
  type Rows,
  tableRowCountRow,
  type TablePosition,
  visitRows,
} from "../disk/index.js";
import { DamagedError, type Key } from "../base/index.js";

/** The tables of a store, as the applier reads them. */
export interface TableSource {
  /** The rows of a table, by key; none for a table that was never written. */
  table(name: string): ReadonlyMap<Key, Uint8Array>;
}

/** A row of a table after a change; undefined: it is gone. */
export interface TableChange extends TablePosition {
  readonly row: Uint8Array | undefined;
}

/**
 * Named tables of opaque rows that the applier keeps beside the keys: written with the round that changed them, part of every
 * snapshot. All rows are in memory, so tables are for what is small: members, users, roles.
 */
export class Tables implements TableSource {
  private readonly tables = new Map<string, Map<Key, Uint8Array>>();
  private rows = 0;

  /** The number of rows of all tables. */
  get size(): number {
    return this.rows;
  }

  table(name: string): ReadonlyMap<Key, Uint8Array> {
    return this.tables.get(name) ?? new Map<Key, Uint8Array>();
  }

  /** Sets or removes a row. @returns whether that changes anything */
  apply({ table, key, row }: TableChange): boolean {
    const rows = this.tables.get(table) ?? new Map<Key, Uint8Array>();
    const before = rows.get(key);
    if (row === undefined ? before === undefined : before !== undefined && Buffer.compare(before, row) === 0)
      return false;
    if (row === undefined) rows.delete(key);
    else rows.set(key, row);
    this.tables.set(table, rows);
    this.rows += (row === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    return true;
  }
}

/**
 * Reads all tables.
 *
 * @throws DamagedError if a row is missing or not what was written
 */
export async function readTables(rows: Rows, tables: Tables, pace: Pace): Promise<void> {
  await visitRows(rows, allTables, pace, ([rowKey, row]) => {
    const content = openRow(rows.name, rowKey, row);
    const position = parseTableRowKey(rowKey);
    if (position === undefined) throw new DamagedError(nameOfRow(rows.name, rowKey), "not the row of a table");
    tables.apply({ ...position, row: Uint8Array.from(content) });
  });
  const expected = tableRowCountRow.get(rows) ?? 0;
  if (tables.size !== expected)
    throw new DamagedError(rows.name, `it has ${tables.size} rows in tables, should have ${expected}`);
}
