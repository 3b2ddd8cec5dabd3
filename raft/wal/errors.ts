import { errorCode } from "../../platform/index.js";

/**
 * The log on disk is not what was written. The directory is left as it was found, and restarting does not help; what does,
 * and what must not be done, is in docs/reliability.md, "Disk faults".
 */
export class WalDamagedError extends Error {
  override readonly name = "WalDamagedError";
  constructor(
    readonly file: string,
    /** Byte in `file` where reading stopped. */
    readonly offset: number,
    readonly reason: string,
  ) {
    super(`Cannot use ${file}: damaged at byte ${offset}: ${reason}`);
  }
}

/** The log was written by a newer version, and is whole as far as this one can tell. */
export class WalVersionError extends Error {
  override readonly name = "WalVersionError";
  constructor(
    readonly file: string,
    readonly offset: number,
    /** What this version does not know, e.g. "record type 2". */
    readonly unknown: string,
  ) {
    super(`Cannot read ${file}: ${unknown} at byte ${offset} was written by a newer minietcd`);
  }
}

/** The disk did not do what it was told. Nothing is tried again: after a failed write the page cache may lie. */
export class WalFailedError extends Error {
  override readonly name = "WalFailedError";
  constructor(
    readonly file: string,
    /** What was tried, e.g. "write". */
    readonly operation: string,
    cause: Error,
  ) {
    super(`Cannot ${operation} ${file}: ${cause.message}`, { cause });
  }
}

/** Adds to a failure of `work` what was tried, and with which file: the disk's own errors often do not say. */
export const withFileName = async <T>(operation: string, file: string, work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    throw error instanceof Error ? new WalFailedError(file, operation, error) : error;
  }
};

/** A resource that a log waits for: space on its disk, or file descriptors of the process or of the system. */
export type Shortage = "space" | "descriptors";

const shortages: Readonly<Record<string, Shortage>> = {
  ENOSPC: "space",
  EDQUOT: "space",
  EMFILE: "descriptors",
  ENFILE: "descriptors",
};

/** Returns the resource that an operation lacked; undefined: it failed for another reason. */
export const shortageOf = (error: Error): Shortage | undefined => shortages[errorCode(error) ?? ""];
