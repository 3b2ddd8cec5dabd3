import type { Row } from "../../store/index.js";
import type { AppliedState } from "../applier.js";

/** A store beside the one in use, made from what another member sends. */
export interface NewStore {
  /** Resolves once the rows are on disk. */
  write(rows: readonly Row[]): Promise<void>;
  /**
   * Checks all of it.
   *
   * @returns what it contains of the log, with the rest of the replicated state
   * @throws DamagedError if it is not a whole store
   */
  finish(): Promise<AppliedState>;
  /** From here on it is the store in use, here and after a crash. If this fails, which one is in use only the next start can tell. */
  install(): Promise<void>;
  /** Removes it, unless it is in use. */
  discard(): Promise<void>;
}
