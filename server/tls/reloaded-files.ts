import { readFileSync, statSync } from "node:fs";
import { errorCode } from "../../platform/index.js";
import { type Logger, StartError } from "../base/index.js";

/**
 * Keeps a value that is made of the contents of files, and makes it anew when one of them has been replaced or written. A file is looked
 * at whenever the value is asked for, which is before a handshake: replaced certificates need no restart.
 */
export class ReloadedFiles<T> {
  private stamp: string;
  private value: T;

  /**
   * @param load makes the value; called with the contents in the order of `paths`
   * @throws StartError if a file cannot be read, and what `load` throws
   */
  constructor(
    private readonly paths: readonly string[],
    private readonly load: (contents: readonly Buffer[]) => T,
    private readonly logger: Logger,
  ) {
    this.stamp = this.stampNow();
    this.value = load(paths.map(readFile));
  }

  /** Returns the value of the files as they are now; the one before, if they cannot be used, as while only one of two is replaced. */
  get(): T {
    const stamp = this.stampNow();
    if (stamp === this.stamp) return this.value;
    this.stamp = stamp;
    try {
      this.value = this.load(this.paths.map(readFile));
      this.logger.info("reloaded TLS files", { files: this.paths });
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.logger.warn("cannot use changed TLS files: the previous files stay in use", { files: this.paths, error });
    }
    return this.value;
  }

  /** Describes the files; another description means that one has changed. */
  private stampNow(): string {
    return this.paths
      .map((path) => {
        const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
        return stat === undefined ? "" : [stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join("-");
      })
      .join();
  }
}

/** @throws StartError in Go's words */
const readFile = (path: string): Buffer => {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: "no such file or directory",
      EACCES: "permission denied",
    };
    const reason = reasons[code];
    // The words of the cause would say the same again.
    throw reason === undefined
      ? new StartError(`open ${path}: ${code}`, { cause: error })
      : new StartError(`open ${path}: ${reason}`);
  }
};
