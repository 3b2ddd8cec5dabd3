// What can go wrong with a request on its way through a member. `rpc/status.ts` gives each code its gRPC status and text.

export type ServerErrorCode =
  | "empty-key"
  | "value-provided"
  | "lease-provided"
  | "lease-ttl-too-large"
  | "key-of-operation-missing"
  | "too-many-operations"
  | "duplicate-key"
  | "invalid-sort-option"
  | "invalid-client-version"
  | "request-too-large"
  | "too-many-requests"
  | "no-space"
  | "no-leader"
  | "not-leader"
  | "bad-transferee"
  | "transfer-failed"
  | "invalid-alarm-action"
  | "alarm-not-supported"
  | "not-proposed"
  | "timed-out"
  | "leader-lost"
  | "connection-lost"
  | "server-stopped";

/**
 * A request that was refused, or whose outcome is unknown (`timed-out`, `leader-lost`, `connection-lost`,
 * `server-stopped`).
 */
export class ServerError extends Error {
  override readonly name = "ServerError";
  constructor(
    readonly code: ServerErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** The member cannot start or go on as configured; the message says what to do. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/**
 * A member's directory was emptied, or is from another time: it has forgotten what it promised the others, and what it
 * proposes now all members may take for repeats.
 */
export class StaleDirectoryError extends StartError {
  /** @param evidence what is known of it that this directory does not hold */
  constructor(evidence: string) {
    super(
      `this data directory is not what this member used last: ${evidence}: ` +
        "put back the directory as it was at its last stop, or leave the member stopped",
    );
  }

  /** The replicated state tells of a later start. */
  static ofLaterStart(known: number, own: number): StaleDirectoryError {
    return new StaleDirectoryError(`its start ${known} is known, this is start ${own}`);
  }
}
