// Errors of requests, with a code, and whether the request may have been executed.
import { codes, type EtcdErrorCode, type Outcome } from "./codes.js";
import type { Header } from "./header.js";
import { hintFor, isRetryable } from "./hints.js";

/** A "read" may be sent again, and has changed nothing when it fails. */
export type RequestKind = "read" | "write";

/**
 * A request that did not succeed. Decide by `code`. If the server answered, `message` is its text: etcd's texts are fixed, and
 * some conditions differ only in the text.
 *
 * @see etcd v3 API, error codes
 */
export class EtcdError extends Error {
  override readonly name: string = "EtcdError";
  constructor(
    /** The gRPC status as a word, such as "not-found". */
    readonly code: EtcdErrorCode,
    message: string,
    /** Whether the request may have been executed. */
    readonly outcome: Outcome,
    /** The endpoint of the request; absent if it was not sent. */
    readonly endpoint?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** The number of `code` in gRPC, such as 14 for "unavailable". */
  get grpcCode(): number {
    return codes.indexOf(this.code);
  }

  /** Whether the same request can be sent again without a second effect, and may succeed. Never true if `outcome` is unknown. */
  get retryable(): boolean {
    return isRetryable(this);
  }

  /** A sentence for people that names a remedy. */
  get hint(): string {
    return hintFor(this);
  }
}

/**
 * The reason why a server refuses a user.
 * - `wrong-password`: there is no such user, or the password is wrong.
 * - `not-allowed`: the user's roles do not permit it.
 * - `not-enabled`: a login was requested, and authentication is off.
 * - `invalid-token`: the server does not know the token, or it is older than the last change of users and roles.
 * - `no-user`: authentication is on, and the client has no credentials.
 */
export type AuthReason = "wrong-password" | "not-allowed" | "not-enabled" | "invalid-token" | "no-user";

/** A server has refused a user, or a request that the user's roles do not permit. Nothing was changed. */
export class AuthError extends EtcdError {
  override readonly name = "AuthError";
  constructor(
    /** The reason why the server refuses the user. */
    readonly reason: AuthReason,
    code: EtcdErrorCode,
    message: string,
    endpoint?: string,
    options?: ErrorOptions,
  ) {
    super(code, message, "failed", endpoint, options);
  }
}

/** No endpoint could be connected to, so no server has received the request. */
export class ConnectError extends EtcdError {
  override readonly name = "ConnectError";
  /** @param failures the reason for each endpoint */
  constructor(readonly failures: ReadonlyMap<string, string>) {
    const reasons = [...failures].map(([endpoint, reason]) => `${endpoint}: ${reason}`);
    super("unavailable", `Cannot connect to ${reasons.join("; ")}`, "failed");
  }
}

/**
 * Returns the error of a request that was not sent.
 *
 * @param signal the signal of the request; if it is not aborted, the client is closed
 */
export const notSentError = (signal: AbortSignal | undefined): EtcdError =>
  signal?.aborted
    ? new EtcdError("cancelled", "The request was aborted before it was sent", "failed", undefined, {
        cause: signal.reason,
      })
    : new EtcdError("cancelled", "Cannot send a request: the client is closed", "failed");

/** The last response of a server to a watch. */
export interface WatchEnd {
  /** Header of the response: the member that ended or refused the watch. */
  readonly header: Header;
  /** The reason in the server's words, which may quote a status; may be empty. */
  readonly cancelReason: string;
}

/** A server has refused or ended a watch. */
export class WatchEndedError extends EtcdError {
  override readonly name: string = "WatchEndedError";
  constructor(
    code: EtcdErrorCode,
    message: string,
    /** The server's last response to the watch. */
    readonly end: WatchEnd,
  ) {
    super(code, message, "failed");
  }
}

/**
 * A watch needs history that has been compacted: changes between `requested` and `compactRevision` are lost.
 * Read the keys again and watch from that revision, or watch from `compactRevision` on.
 */
export class CompactedError extends WatchEndedError {
  override readonly name = "CompactedError";
  constructor(
    /** The next revision of the watch. */
    readonly requested: number,
    /** The oldest revision that can be read. */
    readonly compactRevision: number,
    end: WatchEnd,
  ) {
    super("out-of-range", `Cannot watch from revision ${requested}: compacted up to ${compactRevision}`, end);
  }
}

/**
 * A lease has ended, or may have ended.
 * - `gone`: the server reported it.
 * - `unconfirmed`: no server has answered for so long that the lease may have expired.
 *
 * Its code is `aborted`: what needs the lease begins again, with another lease.
 */
export class LeaseLostError extends EtcdError {
  override readonly name = "LeaseLostError";
  constructor(
    /** The id of the lease. */
    readonly lease: bigint,
    /** Whether the server reported the end, or renewals were unanswered. */
    readonly reason: "gone" | "unconfirmed",
    options?: ErrorOptions,
  ) {
    const why = reason === "gone" ? "the server does not have it" : "no renewal was answered in time";
    super("aborted", `Lost lease ${lease.toString(16)}: ${why}`, "failed", undefined, options);
  }
}

/** Codes with which a server refuses a write without executing it. */
const refusals: ReadonlySet<EtcdErrorCode> = new Set<EtcdErrorCode>([
  "invalid-argument",
  "not-found",
  "already-exists",
  "permission-denied",
  "failed-precondition",
  "out-of-range",
  "unimplemented",
  "data-loss",
  "unauthenticated",
]);

/**
 * The beginnings of texts that also mean "not executed", under codes that can mean both. "Database space exceeded" is not among
 * them: a write in flight when the quota is reached is executed nevertheless.
 */
const refusalTexts = [
  "etcdserver: no leader",
  "etcdserver: too many requests",
  "grpc: received message larger than max",
  // The following texts are grpc-js's: the request was not sent, or the server guarantees that it has not processed it.
  "No connection established",
  "Name resolution failed",
  "Channel closed before call started",
  "Failed to start HTTP/2 stream",
  "Stream refused by server",
  "Attempted to send message with a size larger than",
  "Request message serialization failure",
];

/** Texts of grpc-js for a broken connection under other codes than UNAVAILABLE. */
const brokenConnection = /^(Received RST_STREAM with code|Call cancelled$)/;

/**
 * Converts a failure that grpc-js reports to the error of a request. The failure is usually a status. It may also be an error of
 * a Node stream, whose `code` is a text, or, if a message cannot be decompressed, a status without content.
 */
export function errorFromFailure(failure: Error, kind: RequestKind, endpoint: string): EtcdError {
  const { code, details } = statusOf(failure, endpoint);
  const reason = authReasonOf(code, details);
  if (reason !== undefined) return new AuthError(reason, code, details, endpoint, { cause: failure });
  const refused = refusals.has(code) || refusalTexts.some((text) => details.startsWith(text));
  const outcome = kind === "read" || refused ? "failed" : "unknown";
  return new EtcdError(code, details, outcome, endpoint, { cause: failure });
}

/** Texts of etcd about users. The codes of these errors are not specific to them. */
const authTexts: readonly (readonly [RegExp, AuthReason])[] = [
  [/authentication failed/, "wrong-password"],
  [/permission denied/, "not-allowed"],
  [/authentication is not enabled/, "not-enabled"],
  [/invalid auth token|revision of auth store is old/, "invalid-token"],
  [/user name is empty/, "no-user"],
];

/** The beginnings of etcd's texts; other texts may contain the same words. */
const authText = /^(?:etcdserver|auth): /;

/** Returns the reason why a server refuses a user; undefined if the error is about something else. */
export const authReasonOf = (code: EtcdErrorCode, details: string): AuthReason | undefined =>
  code === "unauthenticated"
    ? "invalid-token"
    : authText.test(details)
      ? authTexts.find(([text]) => text.test(details))?.[1]
      : undefined;

function statusOf(failure: Error, endpoint: string): { code: EtcdErrorCode; details: string } {
  const { code, details } = failure as Partial<Record<"code" | "details", unknown>>;
  if (typeof code === "string")
    return { code: "unavailable", details: `No answer from ${endpoint}: ${failure.message}` };
  if (typeof details !== "string") return { code: "internal", details: `Cannot read an answer of ${endpoint}` };
  if (code === 0 || brokenConnection.test(details)) return { code: "unavailable", details };
  return { code: codes[Number(code)] ?? "unknown", details };
}

/** Converts the reason why a server ends or refuses a watch to an error. */
export function errorFromWatchEnd(end: WatchEnd): WatchEndedError {
  const { cancelReason: reason } = end;
  const status = parseStatus(reason);
  if (status !== undefined) return new WatchEndedError(status.code, status.text, end);
  const isOurMistake = reason === "mvcc: watcher range is empty";
  return new WatchEndedError(
    isOurMistake ? "invalid-argument" : "unknown",
    reason || "The server ended the watch",
    end,
  );
}

/** Converts the reason why a server did not create a watch to an AuthError; undefined: the reason is not about a user. */
export function authErrorFromWatchEnd(cancelReason: string): AuthError | undefined {
  const { code, text } = parseStatus(cancelReason) ?? {};
  const reason = code && authReasonOf(code, text ?? "");
  return reason && new AuthError(reason, code, text ?? "");
}

/** Parses a gRPC status in Go's text format. */
function parseStatus(reason: string): { readonly code: EtcdErrorCode; readonly text: string } | undefined {
  const [, name = "", text = ""] = /^rpc error: code = (\w+) desc = (.*)$/s.exec(reason) ?? [];
  const code = codes.find((each) => each?.replaceAll("-", "") === name.toLowerCase());
  return code && { code, text };
}

/**
 * Whether to try another endpoint: a read whenever the endpoint could not answer; a write only if the endpoint certainly did not
 * execute it, because executing a write twice may differ from executing it once.
 */
export function mayTryAgain(error: EtcdError): boolean {
  return error.code === "unavailable" && error.outcome === "failed";
}

/** Waits for clean-up after an error, and ignores its failure, which would hide the error. */
export async function settleQuietly(cleanup: Promise<unknown>): Promise<void> {
  try {
    await cleanup;
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
  }
}

/** Returns a thrown value as an Error. */
export const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
