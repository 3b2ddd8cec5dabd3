// Prints tables like etcdctl's. Only outputs about members and endpoints have tables.
import type { MemberListResult } from "../../../client/index.js";
import type { Io } from "../args/index.js";
import { refuseFormat, type EndpointHash, type EndpointStatus, type Health, type Printer } from "./printer.js";
import { hashTable, healthTable, memberTable, statusTable, type Table } from "./tables.js";

const noTable = refuseFormat("table");

/** Prints tables, as `etcdctl -w table` does; refuses outputs that have no table. */
export class TablePrinter implements Printer {
  readonly get = noTable;
  readonly put = noTable;
  readonly delete = noTable;
  readonly txn = noTable;
  readonly watch = noTable;
  readonly leaseGrant = noTable;
  readonly leaseRevoke = noTable;
  readonly leaseKeepAlive = noTable;
  readonly leaseTimeToLive = noTable;
  readonly leaseList = noTable;
  readonly moveLeader = noTable;
  readonly memberAdd = noTable;
  readonly memberChange = noTable;
  readonly downgrade = noTable;
  readonly alarms = noTable;
  readonly authStatus = noTable;
  readonly authChange = noTable;
  readonly userGet = noTable;
  readonly userList = noTable;
  readonly roleGet = noTable;
  readonly roleList = noTable;

  constructor(private readonly io: Pick<Io, "print">) {}

  leaseExpiry(): void {
    // etcdctl prints the end of a lease in the simple format only
  }
  memberList(result: MemberListResult): void {
    this.io.print(drawTable(memberTable(result)));
  }
  endpointHealth(results: readonly Health[]): void {
    this.io.print(drawTable(healthTable(results)));
  }
  endpointStatus(results: readonly EndpointStatus[]): void {
    this.io.print(drawTable(statusTable(results)));
  }
  endpointHashKv(results: readonly EndpointHash[]): void {
    this.io.print(drawTable(hashTable(results)));
  }
}

/** Draws a table, with centered titles and right-aligned cells. */
function drawTable({ columns, rows }: Table): string {
  const widths = columns.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const rule = ([left, middle, right]: readonly [string, string, string]) =>
    `${left}${widths.map((width) => "─".repeat(width + 2)).join(middle)}${right}`;
  const line = (cells: readonly string[], pad: (cell: string, width: number) => string) =>
    `│${cells.map((cell, column) => ` ${pad(cell, widths[column] ?? 0)} `).join("│")}│`;
  const body = rows.map((row) => line(row, (cell, width) => cell.padStart(width)));
  const head = [rule(["┌", "┬", "┐"]), line(columns, center)];
  const separated = body.length === 0 ? [] : [rule(["├", "┼", "┤"]), ...body];
  return [...head, ...separated, rule(["└", "┴", "┘"]), ""].join("\n");
}

const center = (text: string, width: number): string =>
  text.padStart(text.length + Math.floor((width - text.length) / 2)).padEnd(width);
