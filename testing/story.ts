import { createHash } from "node:crypto";

/** Number of the last lines that are kept. */
const keptLines = 4_000;

/** A record of what happened, line by line. A hash covers all of it: two runs of one seed must have the same. */
export class Story {
  private readonly hash = createHash("sha256");
  private readonly lines: { readonly text: string; readonly isDetail: boolean }[] = [];

  constructor(private readonly now: () => number) {}

  /** Adds a line for readers. */
  tell(text: string): void {
    this.add(text, false);
  }

  /** Adds a line that counts for the hash, and is printed on request only. */
  detail(text: string): void {
    this.add(text, true);
  }

  /** The last lines, without details unless wanted. */
  last(count: number, { details = false } = {}): readonly string[] {
    return this.lines
      .filter(({ isDetail }) => details || !isDetail)
      .slice(-count)
      .map(({ text }) => text);
  }

  /** Returns the digest of everything so far. */
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
