import type { LeaseId } from "./lease-id.js";
import type { Revision } from "./revision.js";

/** Codes of errors that a caller can act on. */
export type StoreErrorCode =
  | "compacted"
  | "future-revision"
  | "lease-not-found"
  | "lease-exists"
  | "key-not-found"
  | "damaged"
  | "too-large"
  | "read-only"
  | "closed";

/** A failure the caller can act on. `code` is API; `message` is for people. */
export abstract class StoreError extends Error {
  abstract readonly code: StoreErrorCode;
}

/** The revision is older than the last compaction. Retry at `compacted` or newer. */
export class CompactedError extends StoreError {
  override readonly name = "CompactedError";
  readonly code = "compacted";
  constructor(
    readonly requested: number,
    readonly compacted: Revision,
  ) {
    super(`Cannot use revision ${requested}: compacted up to ${compacted}`);
  }
}

/** The revision is after the newest one. */
export class FutureRevisionError extends StoreError {
  override readonly name = "FutureRevisionError";
  readonly code = "future-revision";
  constructor(
    readonly requested: number,
    readonly current: Revision,
  ) {
    super(`Cannot use revision ${requested}: the newest is ${current}`);
  }
}

/** A request names a lease that does not exist: it was never granted, was revoked, or has expired. */
export class LeaseNotFoundError extends StoreError {
  override readonly name = "LeaseNotFoundError";
  readonly code = "lease-not-found";
  constructor(readonly lease: LeaseId) {
    super(`Cannot use lease ${BigInt.asUintN(64, lease).toString(16)}: no such lease`);
  }
}

/** The id of a new lease is that of an existing lease. */
export class LeaseExistsError extends StoreError {
  override readonly name = "LeaseExistsError";
  readonly code = "lease-exists";
  constructor(readonly lease: LeaseId) {
    super(`Cannot grant lease ${BigInt.asUintN(64, lease).toString(16)}: it exists already`);
  }
}

/** A put with `ignore_value` or `ignore_lease` names a key that does not exist. */
export class KeyNotFoundError extends StoreError {
  override readonly name = "KeyNotFoundError";
  readonly code = "key-not-found";
  constructor(readonly key: string) {
    super(`Cannot keep value or lease of ${JSON.stringify(key)}: no such key`);
  }
}

/**
 * Rows on disk differ from the written ones. If a read throws it, only that read has failed. If an applied write throws it, this member
 * must stop, as the other members have applied the write.
 */
export class DamagedError extends StoreError {
  override readonly name = "DamagedError";
  readonly code = "damaged";
  constructor(
    readonly where: string,
    reason: string,
    options?: ErrorOptions,
  ) {
    super(`Cannot read ${where}: ${reason}`, options);
  }
}

/** The answer would not fit into memory or a message. Ask for less: a limit, a narrower range. */
export class TooLargeError extends StoreError {
  override readonly name = "TooLargeError";
  readonly code = "too-large";
  constructor(readonly maxBytes: number) {
    super(`Cannot answer: more than ${maxBytes} bytes of keys and values; ask for a narrower range`);
  }
}

/** An earlier write to disk failed. Reads still work; writes need a restart, as the content of the disk is unknown. */
export class ReadOnlyError extends StoreError {
  override readonly name = "ReadOnlyError";
  readonly code = "read-only";
  constructor(cause: Error) {
    super(`Cannot write: the store is read-only since a write to disk failed: ${cause.message}`, { cause });
  }
}

/** The store was closed before the operation ended. */
export class ClosedError extends StoreError {
  override readonly name = "ClosedError";
  readonly code = "closed";
  constructor(options?: ErrorOptions) {
    super("Cannot finish: the store is closed", options);
  }
}
