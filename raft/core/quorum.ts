import type { MemberId } from "./ids.js";

/** Returns the size of a majority of `members` voters. Any two majorities share a voter. */
export const quorumSize = (members: number): number => Math.floor(members / 2) + 1;

/**
 * Returns the greatest value that a majority has reached.
 *
 * @param values one value per voter; sorted in place, so that the hot path allocates nothing
 */
export function quorumValue(values: Float64Array): number {
  values.sort();
  return values[values.length - quorumSize(values.length)] ?? 0;
}

/** Counts the voters' answers to one vote request. Each voter's first answer counts. */
export class Ballot {
  private readonly answers = new Map<MemberId, boolean>();
  private readonly quorum: number;
  private yes = 0;

  constructor(voters: readonly MemberId[]) {
    this.quorum = quorumSize(voters.length);
  }

  /** Records an answer, unless the voter has answered before. */
  recordAnswer(voter: MemberId, granted: boolean): void {
    if (this.answers.has(voter)) return;
    this.answers.set(voter, granted);
    if (granted) this.yes++;
  }

  /** Tells whether the voter has answered. */
  hasAnswered(voter: MemberId): boolean {
    return this.answers.has(voter);
  }

  /** Tells whether a majority has granted the request. */
  get isWon(): boolean {
    return this.yes >= this.quorum;
  }
}
