import type { MemberId } from "./types.js";

/** How many of `members` are a majority. Any two majorities share a member: all of consensus rests on that. */
export const quorumSize = (members: number): number => Math.floor(members / 2) + 1;

/**
 * The greatest value that a majority has reached.
 *
 * @param values one of each voter; sorted in place, so that the hot path allocates nothing
 */
export function quorumValue(values: Float64Array): number {
  values.sort();
  return values[values.length - quorumSize(values.length)] ?? 0;
}

/** Counts the answers to one question that is put to all voters. Each voter's first answer counts. */
export class Ballot {
  private readonly answers = new Map<MemberId, boolean>();
  private readonly quorum: number;
  private yes = 0;

  constructor(voters: readonly MemberId[]) {
    this.quorum = quorumSize(voters.length);
  }

  recordAnswer(voter: MemberId, granted: boolean): void {
    if (this.answers.has(voter)) return;
    this.answers.set(voter, granted);
    if (granted) this.yes++;
  }

  hasAnswered(voter: MemberId): boolean {
    return this.answers.has(voter);
  }

  get isWon(): boolean {
    return this.yes >= this.quorum;
  }
}
