import { createHash } from "node:crypto";

/** Number of lines that are kept; older lines are dropped. */
const keptLines = 4_000;

/** A log of a simulation. A hash covers all its lines: two runs of one seed must have the same hash. */
export class EventLog {
  private readonly hash = createHash("sha256");
  private readonly lines: { readonly text: string; readonly isDetail: boolean }[] = [];

  constructor(private readonly now: () => number) {}

  /** Adds a line for people. */
  addLine(text: string): void {
    this.add(text, false);
  }

  /** Adds a line that is part of the hash, but is printed only on request. */
  addDetail(text: string): void {
    this.add(text, true);
  }

  /** Returns the last lines; details only if requested. */
  last(count: number, { details = false } = {}): readonly string[] {
    return this.lines
      .filter(({ isDetail }) => details || !isDetail)
      .slice(-count)
      .map(({ text }) => text);
  }

  /** Returns the digest of all lines so far. */
  digest(): string {
    return this.hash.copy().digest("hex").slice(0, 16);
  }

  private add(text: string, isDetail: boolean): void {
    const line = `${(this.now() / 1_000).toFixed(4).padStart(9)} ${text}`;
    this.hash.update(line);
    this.lines.push({ text: line, isDetail });
    if (this.lines.length > 2 * keptLines) this.lines.splice(0, keptLines);
  }
}
