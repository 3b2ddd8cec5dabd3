import { readFileSync, statSync } from "node:fs";
import { errorCode } from "../../platform/index.js";
import { type Logger, StartError } from "../base/index.js";

/**
 * A value that is built from the contents of files, and rebuilt when one of them has changed. The files are checked at each
 * call of `get`, which is before a handshake: replaced certificates need no restart.
 */
export class ReloadedFiles<T> {
  private stamp: string;
  private value: T;

  /**
   * @param load builds the value; called with the contents in the order of `paths`
   * @throws StartError if a file cannot be read, and the errors of `load`
   */
  constructor(
    private readonly paths: readonly string[],
    private readonly load: (contents: readonly Buffer[]) => T,
    private readonly logger: Logger,
  ) {
    this.stamp = this.stampNow();
    this.value = load(paths.map(readFile));
  }

  /**
   * Returns the value of the current files; the previous value, if they cannot be used, for example while one of two is
   * replaced.
   */
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

  /** Returns the state of the files; it differs if a file has changed. */
  private stampNow(): string {
    return this.paths
      .map((path) => {
        const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
        return stat === undefined ? "" : [stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join("-");
      })
      .join();
  }
}

/** @throws StartError with Go's text */
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
    // The text of the cause would repeat the message.
    throw reason === undefined
      ? new StartError(`open ${path}: ${code}`, { cause: error })
      : new StartError(`open ${path}: ${reason}`);
  }
};
