import type { Entry } from "./types.js";

/** How much of everything the core holds or sends at once, and what happens there. */
export interface CoreLimits {
  /** Entries beyond this travel in the next append; a single larger entry travels alone. */
  readonly maxAppendBytes: number;
  /** With this many appends unanswered, a follower is sent no further one. */
  readonly maxInflightAppends: number;
  /** With this many bytes unanswered, a follower is sent no further append. */
  readonly maxInflightBytes: number;
  /** Proposals beyond this much uncommitted log are refused as `too-many`; a first one always fits. */
  readonly maxUncommittedBytes: number;
  /** Reads beyond this many unanswered ones are refused as `too-many`; forwarded ones are dropped. */
  readonly maxPendingReads: number;
  /** `takeCommitted` gives about this much at a time; the rest with the next call. */
  readonly maxCommittedBytes: number;
}

const mebibyte = 1024 * 1024;

export const defaultLimits: CoreLimits = {
  maxAppendBytes: mebibyte / 2,
  maxInflightAppends: 256,
  maxInflightBytes: 8 * mebibyte,
  maxUncommittedBytes: 32 * mebibyte,
  maxPendingReads: 10_000,
  maxCommittedBytes: 4 * mebibyte,
};

/** What an entry costs beyond its data, so that bounds in bytes bound the number of small entries too. */
const entryOverheadBytes = 64;

/** An entry's share of every limit in bytes. */
export const entryBytes = (entry: Entry): number => entry.data.length + entryOverheadBytes;
