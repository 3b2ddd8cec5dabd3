import type { Disk } from "../../platform/index.js";
import { WalDamagedError, WalVersionError } from "./errors.js";
import { recoveredLog, recoverLog, type RecoveredLog } from "./recovery.js";
import { listLogFiles } from "./segment-files.js";

/** What a look at a log's files found. */
export interface WalReport {
  /** What the next start would read; `repaired` is what it would cut off. Undefined if it would refuse to. */
  readonly log: RecoveredLog | undefined;
  /** Why the log cannot be used, with file and offset. */
  readonly problem: WalDamagedError | WalVersionError | undefined;
  /** Segments of the log, oldest first; none if a problem makes these unknown. */
  readonly segments: readonly string[];
  /** Segments that nobody needs, and that the next start removes: it was cut short in removing them. */
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
    const log = recoveredLog(await recoverLog(disk, files));
    return { log, problem: undefined, segments, obsolete };
  } catch (error) {
    if (!(error instanceof WalDamagedError || error instanceof WalVersionError)) throw error;
    return { log: undefined, problem: error, segments, obsolete };
  }
};
