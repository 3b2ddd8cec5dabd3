import type { Configuration } from "./configuration.js";
import type { MemberId } from "./ids.js";

/** Counts the answers to one vote request: the first answer of each voter. Answers of other members do not count. */
export class Ballot {
  private readonly answers = new Map<MemberId, boolean>();
  private readonly granted = new Set<MemberId>();

  constructor(private readonly configuration: Configuration) {}

  /** Records an answer, unless the voter has answered before. */
  recordAnswer(voter: MemberId, granted: boolean): void {
    if (this.answers.has(voter)) return;
    this.answers.set(voter, granted);
    if (granted) this.granted.add(voter);
  }

  /** Tells whether the voter has answered. */
  hasAnswered(voter: MemberId): boolean {
    return this.answers.has(voter);
  }

  /** Tells whether a majority has granted the request. */
  get isWon(): boolean {
    return this.configuration.hasQuorum(this.granted);
  }
}
