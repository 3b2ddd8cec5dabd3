// The codes of errors, and the outcomes of requests.

/** Names of gRPC's status codes by number; 0 is OK. */
export const codes = [
  undefined,
  "cancelled",
  "unknown",
  "invalid-argument",
  "deadline-exceeded",
  "not-found",
  "already-exists",
  "permission-denied",
  "resource-exhausted",
  "failed-precondition",
  "aborted",
  "out-of-range",
  "unimplemented",
  "internal",
  "unavailable",
  "data-loss",
  "unauthenticated",
] as const;

/** The status codes of gRPC. */
export type EtcdErrorCode = NonNullable<(typeof codes)[number]>;

/**
 * The outcome of a request that did not succeed.
 * - `failed`: the request changed nothing, and never will.
 * - `unknown`: the request may have been executed, or may still be executed. Read before writing again.
 */
export type Outcome = "failed" | "unknown";
