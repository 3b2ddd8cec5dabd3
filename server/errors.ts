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
 * A member's directory was emptied, or is from another time: it was started later than the directory knows. What it promised
 * then it has forgotten, and what it proposes now all members take for repeats.
 */
export class ForeignPastError extends StartError {
  constructor(knownStart: number, thisStart: number) {
    super(
      `this data directory is not what this member used last: its start ${knownStart} is known, this is start ${thisStart}: ` +
        "put back the directory as it was at its last stop, or leave the member stopped",
    );
  }
}
