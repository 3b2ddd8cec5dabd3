import {
  allTables,
  nameOfRow,
  openRow,
  type Pause,
  parseTableRowKey,
  type Rows,
  tableRowCountRow,
  type TablePosition,
  visitRows,
} from "../disk/index.js";
import { DamagedError, type Key } from "../base/index.js";

/** The applier's tables, for reading. */
export interface TableSource {
  /** Returns the rows of a table, by key; none for a table that was never written. */
  table(name: string): ReadonlyMap<Key, Uint8Array>;
}

/** A row of a table. */
export interface TableRow extends TablePosition {
  readonly row: Uint8Array;
}

/** All rows of one or more tables. */
export type RowList = readonly TableRow[];

/** A row of a table after a change; undefined if it is removed. */
export interface TableChange extends TablePosition {
  readonly row: Uint8Array | undefined;
}

/**
 * The applier's state at the end of a round, which later rounds must not change. Encoded when the round is written; never, if a
 * later round is written in the same batch.
 */
export interface RoundState {
  /** Returns the applier's marker, which the store does not interpret. */
  marker(): Uint8Array;
  /**
   * Returns all rows of all tables in lists, always as many, each with all rows of its tables. A list that is the same array as in an
   * earlier round has not changed since.
   */
  rowLists(): readonly RowList[];
}

/**
 * Named tables of rows that the applier keeps beside the keys and the store does not interpret: written with the round that changes
 * them, and part of every snapshot. All rows are in memory, so tables are for small data: members, users, roles.
 */
export class Tables implements TableSource {
  private readonly tables = new Map<string, Map<Key, Uint8Array>>();
  private rows = 0;
  /** The lists of the last round; undefined: none since the start, and so it is unknown which table belongs to which list. */
  private lists: readonly RowList[] | undefined;

  /** Returns the same tables for another store. */
  copy(): Tables {
    const copy = new Tables();
    for (const [name, rows] of this.tables) copy.tables.set(name, new Map(rows));
    copy.rows = this.rows;
    copy.lists = this.lists;
    return copy;
  }

  /** The number of rows of all tables. */
  get size(): number {
    return this.rows;
  }

  table(name: string): ReadonlyMap<Key, Uint8Array> {
    return this.tables.get(name) ?? new Map<Key, Uint8Array>();
  }

  /** Adds a row whose key is not in the table. */
  add({ table, key, row }: TableRow): void {
    const rows = this.tables.get(table) ?? new Map<Key, Uint8Array>();
    rows.set(key, row);
    this.tables.set(table, rows);
    this.rows += 1;
  }

  /** Replaces all rows, and looks only at the lists that have changed. @returns the changed and removed rows */
  replace(lists: readonly RowList[]): TableChange[] {
    const before = this.lists;
    this.lists = lists;
    if (before === undefined) return this.replaceRows(this.positions(), lists.flat());
    return lists.flatMap((list, n) => (list === before[n] ? [] : this.replaceRows(before[n] ?? [], list)));
  }

  /** Replaces the rows at some positions. @returns the changed and removed rows */
  private replaceRows(positions: Iterable<TablePosition>, rows: RowList): TableChange[] {
    const former = new Tables();
    for (const { table, key } of positions) former.add({ table, key, row: this.remove(table, key) });
    for (const row of rows) this.add(row);
    const changed = rows.filter(({ table, key, row }): boolean => {
      const old = former.table(table).get(key);
      return old !== row && (old === undefined || Buffer.compare(old, row) !== 0);
    });
    const removed = Array.from(former.positions()).filter(({ table, key }) => !this.table(table).has(key));
    return [...changed, ...removed.map((position) => ({ ...position, row: undefined }))];
  }

  private remove(table: string, key: Key): Uint8Array {
    const rows = this.tables.get(table);
    const row = rows?.get(key);
    if (rows === undefined || row === undefined) throw new Error(`table ${table} has no row ${key}`);
    rows.delete(key);
    this.rows -= 1;
    return row;
  }

  private *positions(): Generator<TablePosition> {
    for (const [table, rows] of this.tables) for (const key of rows.keys()) yield { table, key };
  }
}

/**
 * Reads all tables.
 *
 * @throws DamagedError if a row is missing or differs from the written one
 */
export async function readTables(rows: Rows, tables: Tables, pause: Pause): Promise<void> {
  await visitRows(rows, allTables, pause, ([rowKey, row]) => {
    const content = openRow(rows.name, rowKey, row);
    const position = parseTableRowKey(rowKey);
    if (position === undefined) throw new DamagedError(nameOfRow(rows.name, rowKey), "not the row of a table");
    tables.add({ ...position, row: Uint8Array.from(content) });
    return 1;
  });
  const expected = tableRowCountRow.get(rows) ?? 0;
  if (tables.size !== expected)
    throw new DamagedError(rows.name, `it has ${tables.size} rows in tables, expected ${expected}`);
}
