// The errors of requests in a member. `rpc/status.ts` gives each code its gRPC status and text.

/** The reason of a `ServerError`. */
export type ServerErrorCode =
  | "empty-key"
  | "value-provided"
  | "lease-provided"
  | "lease-ttl-too-large"
  | "key-of-operation-missing"
  | "too-many-operations"
  | "duplicate-key"
  | "invalid-sort-option"
  | "stream-sort"
  | "stream-filters"
  | "invalid-client-version"
  | "request-too-large"
  | "too-many-requests"
  | "no-space"
  | "no-leader"
  | "not-leader"
  | "bad-transferee"
  | "transfer-failed"
  | "session-expired"
  | "no-elected-leader"
  | "not-elected"
  | "leader-key-missing"
  | "downgrade-format"
  | "downgrade-target"
  | "downgrade-action"
  | "downgrade-not-supported"
  | "invalid-alarm-action"
  | "invalid-alarm"
  | "corrupt"
  | "auth-not-enabled"
  | "root-user-missing"
  | "root-role-missing"
  | "user-exists"
  | "user-name-empty"
  | "user-not-found"
  | "role-exists"
  | "role-name-empty"
  | "role-not-found"
  | "role-not-granted"
  | "permission-not-given"
  | "permission-not-granted"
  | "permission-denied"
  | "authentication-failed"
  | "no-password-user"
  | "invalid-auth-token"
  | "invalid-auth-management"
  | "auth-revision-old"
  | "auth-limit"
  | "password-too-long"
  | "verify-only-key"
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

/** The member cannot start or continue as configured; the message has a remedy. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/** Returns the evidence that a directory is stale: its own number of starts, and the greater one that others have seen. */
export const describeStale = (own: number, known: number, witness: string): string =>
  `started ${own === 1 ? "once" : `${own} times`}, ${witness} has seen ${known} starts`;

/**
 * An error for a stale data directory: emptied, or an older copy. The directory lacks votes and acknowledgements of the member,
 * and the member's proposals may be skipped as repeats.
 */
export class StaleDirectoryError extends StartError {
  /** @param evidence the reason why the directory is stale */
  constructor(evidence: string) {
    super(
      `stale data directory: ${evidence}: ` +
        "put back the directory as it was at its last stop, or leave the member stopped",
    );
  }

  /** Returns the error for a later start in the replicated state. */
  static ofLaterStart(known: number, own: number): StaleDirectoryError {
    return new StaleDirectoryError(describeStale(own, known, "the cluster"));
  }
}
