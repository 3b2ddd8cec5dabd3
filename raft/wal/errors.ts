import { errorCode, isError } from "../../platform/index.js";

/**
 * An error for a log on disk that differs from the written bytes. The directory is not changed; a restart does not help.
 * The remedies are in docs/reliability.md, "Disk faults".
 */
export class WalDamagedError extends Error {
  override readonly name = "WalDamagedError";
  constructor(
    readonly file: string,
    /** The byte in `file` at which reading stopped. */
    readonly offset: number,
    readonly reason: string,
  ) {
    super(`Cannot use ${file}: damaged at byte ${offset}: ${reason}`);
  }
}

/** An error for a log that another version wrote; its checksums are correct. */
export class WalVersionError extends Error {
  override readonly name = "WalVersionError";
  constructor(
    readonly file: string,
    readonly offset: number,
    /** The part that this version does not know, e.g. "record type 2". */
    readonly unknown: string,
    /** Versions before the first release are not read. */
    writer: "newer" | "older" = "newer",
  ) {
    super(
      `Cannot read ${file}: ${unknown} at byte ${offset} was written by ${writer === "newer" ? "a" : "an"} ${writer} minietcd`,
    );
  }
}

/** An error for a failed disk operation. A failed write is not retried: afterwards the page cache may differ from the disk. */
export class WalFailedError extends Error {
  override readonly name = "WalFailedError";
  constructor(
    readonly file: string,
    /** The failed operation, e.g. "write". */
    readonly operation: string,
    cause: Error,
  ) {
    super(`Cannot ${operation} ${file}: ${cause.message}`, { cause });
  }
}

/** Adds operation and file to a failure of `work`: the disk's own errors often lack them. @throws WalFailedError */
export const withFileName = async <T>(operation: string, file: string, work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    throw isError(error) ? new WalFailedError(file, operation, error) : error;
  }
};

/** A resource that a log waits for: space on its disk, or file descriptors of the process or the system. */
export type Shortage = "space" | "descriptors";

const shortages: Readonly<Record<string, Shortage>> = {
  ENOSPC: "space",
  EDQUOT: "space",
  EMFILE: "descriptors",
  ENFILE: "descriptors",
};

/** Returns the resource for lack of which an operation failed; undefined if it failed for another reason. */
export const shortageOf = (error: Error): Shortage | undefined => shortages[errorCode(error) ?? ""];
