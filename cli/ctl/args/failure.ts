// Failures of commands, with etcdctl's texts and exit codes.
import type { EtcdError } from "../../../client/index.js";
import { CompactedError, ConnectError } from "../../../client/index.js";

/** etcdctl's exit codes. */
export const exitCodes = {
  success: 0,
  /** An error of the server, or an invalid command line. */
  error: 1,
  badConnection: 2,
  /** Malformed standard input. */
  invalidInput: 3,
  /** A value or an output format that is not supported. */
  badFeature: 4,
  /** A watch that the server has ended. */
  interrupted: 5,
  badArguments: 128,
} as const;

/** An exit code: one of `exitCodes`, or the exit code of a program that the command ran. */
export type ExitCode = number;

/** Ends the command with `Error: <message>` on standard error. */
export class Failure extends Error {
  override readonly name = "Failure";
  /** @param hint a line to print after the error */
  constructor(
    readonly exitCode: ExitCode,
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** Ends the command without a message: the command has printed the reason already. */
export class SilentFailure extends Error {
  override readonly name = "SilentFailure";
  constructor(readonly exitCode: ExitCode) {
    super(`Exit code ${exitCode}`);
  }
}

/** gRPC's code names, as Go writes them. */
const goCodeNames: Record<EtcdError["code"], string> = {
  cancelled: "Canceled",
  unknown: "Unknown",
  "invalid-argument": "InvalidArgument",
  "deadline-exceeded": "DeadlineExceeded",
  "not-found": "NotFound",
  "already-exists": "AlreadyExists",
  "permission-denied": "PermissionDenied",
  "resource-exhausted": "ResourceExhausted",
  "failed-precondition": "FailedPrecondition",
  aborted: "Aborted",
  "out-of-range": "OutOfRange",
  unimplemented: "Unimplemented",
  internal: "Internal",
  unavailable: "Unavailable",
  "data-loss": "DataLoss",
  unauthenticated: "Unauthenticated",
};

/** Returns etcdctl's text for a failed request; scripts match it. */
export function etcdText(error: EtcdError): string {
  // etcdctl has one text for both: no connection in time, and no answer in time.
  if (error instanceof ConnectError || error.code === "deadline-exceeded") return "context deadline exceeded";
  if (error instanceof CompactedError) return "etcdserver: mvcc: required revision has been compacted";
  if (error.message.startsWith("etcdserver: ")) return error.message;
  return `rpc error: code = ${goCodeNames[error.code]} desc = ${error.message}`;
}

/** Lists warnings in addition to etcdctl's text: endpoints without a connection, and a write of unknown outcome. */
export function warningsOf(error: EtcdError): string[] {
  const reasons = error instanceof ConnectError ? [...error.failures] : [];
  const warnings = reasons.map(([endpoint, reason]) => `cannot connect to ${endpoint}: ${reason}`);
  if (error.outcome === "unknown") warnings.push("the write may have been carried out all the same");
  return warnings;
}
