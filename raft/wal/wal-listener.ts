import type { Shortage } from "./errors.js";

/** Receives the events of a write-ahead log, also while it is being opened. */
export interface WalListener {
  /** Reports, once, a `WalFailedError` after which nothing becomes durable. The member must stop. */
  onFailure(error: Error): void;
  /** Reports that `Wal.isFull` has changed. */
  onFull(full: boolean, shortage: Shortage): void;
  /** Reports an obsolete segment that could not be removed. The file only takes space; the next removal tries again. */
  onRemovalFailure(error: Error): void;
}
