import type { Entry } from "./types.js";

/** The bounds on what the core holds or sends at once, and what happens beyond each. */
export interface CoreLimits {
  /** The size of an append; further entries go into the next one, a single larger entry goes alone. */
  readonly maxAppendBytes: number;
  /** The number of appends in flight to a follower; beyond it none is sent. */
  readonly maxInflightAppends: number;
  /** The bytes in flight to a follower; beyond them no append is sent. */
  readonly maxInflightBytes: number;
  /** The bytes of uncommitted entries; beyond them proposals are refused as `too-many`. A first one always fits. */
  readonly maxUncommittedBytes: number;
  /** The number of unanswered reads; beyond it reads are refused as `too-many`, forwarded ones are dropped. */
  readonly maxPendingReads: number;
  /** The approximate bytes that one `takeCommitted` returns; the rest follows with the next call. */
  readonly maxCommittedBytes: number;
}

const mebibyte = 1024 * 1024;

/** The bounds of a core that is given none. */
export const defaultLimits: CoreLimits = {
  maxAppendBytes: mebibyte / 2,
  maxInflightAppends: 256,
  maxInflightBytes: 8 * mebibyte,
  maxUncommittedBytes: 64 * mebibyte,
  maxPendingReads: 10_000,
  maxCommittedBytes: 4 * mebibyte,
};

/** The cost of an entry beyond its data, so that bounds in bytes also bound the number of small entries. */
const entryOverheadBytes = 64;

/** The estimated cost of a member of a configuration: id, role, addresses. */
const memberOverheadBytes = 100;

/** Returns the bytes that an entry counts towards the limits. */
export const entryBytes = (entry: Entry): number => {
  switch (entry.kind) {
    case "empty":
      return entryOverheadBytes;
    case "command":
      return entry.data.length + entryOverheadBytes;
    case "configuration":
      return entry.configuration.members.length * memberOverheadBytes + entryOverheadBytes;
  }
};
