// Cells of the matrix: one operation of one user, called on both servers, and the differences of their answers.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { Call, Outcome } from "./calls.js";
import { showFields } from "../differential/show.js";
import type { Both } from "./servers.js";

export interface Cell {
  readonly operation: string;
  readonly user: string;
  /** Undefined for an operation without a range. */
  readonly shape?: string | undefined;
  readonly call: Call;
}

/** A known difference, with its row in docs/differences.md. */
export interface CellMask {
  readonly name: string;
  readonly reason: string;
  /** Tells whether the answers differ in this way, and in no other. */
  readonly hides: (cell: Cell, etcd: Outcome, ours: Outcome) => boolean;
}

/** Number of concurrent calls. */
const concurrency = 48;

/** Number of differences that a failure shows; there may be thousands. */
const maxShown = 40;

const show = ({ code, details, messages }: Outcome): string =>
  `${code} ${details}${messages.map((message) => ` ${showFields(message)}`).join("")}`;

/** Counts the cells of one part of the matrix, and collects the differences of their answers. */
export class Comparison {
  private readonly different = new Map<string, string[]>();
  private readonly codes = new Map<number, number>();
  private count = 0;

  constructor(private readonly masks: readonly CellMask[]) {}

  note(cell: Cell, [etcd, ours]: Both<Outcome>): void {
    this.count++;
    this.codes.set(etcd.code, (this.codes.get(etcd.code) ?? 0) + 1);
    if (isDeepStrictEqual(etcd, ours) || this.masks.some(({ hides }) => hides(cell, etcd, ours))) return;
    const how = `${cell.operation}\n    etcd: ${show(etcd)}\n    ours: ${show(ours)}`;
    this.different.set(how, [...(this.different.get(how) ?? []), `${cell.user} / ${cell.shape ?? "-"}`]);
  }

  /** Calls both servers for all cells, many at a time. */
  async compare(cells: readonly Cell[], ask: (cell: Cell) => Promise<Both<Outcome>>): Promise<void> {
    let next = 0;
    const work = async () => {
      for (let cell = cells[next++]; cell !== undefined; cell = cells[next++]) this.note(cell, await ask(cell));
    };
    await Promise.all(Array.from({ length: concurrency }, work));
  }

  /** The number of cells by code. */
  get summary(): string {
    const codes = [...this.codes].sort(([a], [b]) => a - b).map(([code, count]) => `${count} with code ${code}`);
    return `${this.count} cells: ${codes.join(", ")}`;
  }

  /**
   * Checks that no answers differed.
   * @throws AssertionError that shows the differences, those of most cells first
   */
  assertAlike(): void {
    const sorted = [...this.different].sort(([, a], [, b]) => b.length - a.length).slice(0, maxShown);
    const lines = sorted.map(([how, where]) => `${where.length} cells, as ${where.slice(0, 3).join("; ")}: ${how}`);
    assert.equal(this.different.size, 0, `${this.different.size} kinds of difference\n${lines.join("\n")}`);
  }
}
