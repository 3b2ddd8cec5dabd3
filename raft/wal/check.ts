import type { Disk } from "../../platform/index.js";
import { WalDamagedError, WalVersionError } from "./errors.js";
import { toRecoveredLog, recoverLog, type RecoveredLog } from "./recovery.js";
import { listLogFiles } from "./segment-files.js";

/** The result of `checkWal`. */
export interface WalReport {
  /**
   * The log that the next start would read; `repaired` is the part that it would cut off. Undefined if there is a `problem`, for which
   * the next start would fail, or if the log has not begun.
   */
  readonly log: RecoveredLog | undefined;
  /** The reason why the log cannot be used, with file and offset. */
  readonly problem: WalDamagedError | WalVersionError | undefined;
  /** The segments of the log, oldest first; none if a problem makes them unknown. */
  readonly segments: readonly string[];
  /** The obsolete segments that the next start removes: their removal was interrupted. */
  readonly obsolete: readonly string[];
}

/**
 * Reads the log in `directory` as `openWal` does, every checksum included, and changes nothing: nothing is repaired,
 * removed or created, and no file is opened for writing. The log must not be in use.
 *
 * @throws WalFailedError if a file cannot be read; the disk's own error if the directory cannot
 */
export const checkWal = async (disk: Disk, directory: string): Promise<WalReport> => {
  let segments: readonly string[] = [];
  let obsolete: readonly string[] = [];
  try {
    const files = await listLogFiles(disk, directory);
    segments = files.segments.map(({ file }) => file);
    obsolete = files.obsolete.map(({ file }) => file);
    const recovery = await recoverLog(disk, files);
    const log = recovery && toRecoveredLog(recovery);
    return { log, problem: undefined, segments, obsolete };
  } catch (error) {
    if (!(error instanceof WalDamagedError || error instanceof WalVersionError)) throw error;
    return { log: undefined, problem: error, segments, obsolete };
  }
};
