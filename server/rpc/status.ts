import { StoreError, type StoreErrorCode } from "../../store/index.js";
import { ServerError, type ServerErrorCode } from "../base/index.js";

/** gRPC status codes. */
export const statusCode = {
  ok: 0,
  canceled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** The status of an error for a client. */
export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
}

/** An error with a gRPC status. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  constructor(readonly status: GrpcStatus) {
    super(status.details);
  }
}

const { invalidArgument, outOfRange, notFound, failedPrecondition, resourceExhausted, unavailable, unknown } =
  statusCode;

/** etcd's codes and texts: clients match on both. */
const statusOf = {
  "empty-key": { code: invalidArgument, details: "etcdserver: key is not provided" },
  "value-provided": { code: invalidArgument, details: "etcdserver: value is provided" },
  "lease-provided": { code: invalidArgument, details: "etcdserver: lease is provided" },
  "lease-ttl-too-large": { code: outOfRange, details: "etcdserver: too large lease TTL" },
  "key-of-operation-missing": { code: invalidArgument, details: "etcdserver: key not found" },
  "key-not-found": { code: invalidArgument, details: "etcdserver: key not found" },
  "too-many-operations": { code: invalidArgument, details: "etcdserver: too many operations in txn request" },
  "duplicate-key": { code: invalidArgument, details: "etcdserver: duplicate key given in txn request" },
  "invalid-sort-option": { code: invalidArgument, details: "etcdserver: invalid sort option" },
  "stream-sort": { code: statusCode.unimplemented, details: "RangeStream does not support custom sort orders" },
  "stream-filters": { code: statusCode.unimplemented, details: "RangeStream does not support revision filters" },
  "invalid-client-version": { code: invalidArgument, details: "etcdserver: invalid client api version" },
  "request-too-large": { code: invalidArgument, details: "etcdserver: request is too large" },
  "too-many-requests": { code: unknown, details: "etcdserver: too many requests" },
  "no-space": { code: resourceExhausted, details: "etcdserver: mvcc: database space exceeded" },
  compacted: { code: outOfRange, details: "etcdserver: mvcc: required revision has been compacted" },
  "future-revision": { code: outOfRange, details: "etcdserver: mvcc: required revision is a future revision" },
  "lease-not-found": { code: notFound, details: "etcdserver: requested lease not found" },
  "lease-exists": { code: failedPrecondition, details: "etcdserver: lease already exists" },
  "too-large": { code: resourceExhausted, details: "etcdserver: response is too large, read in pages with a limit" },
  damaged: { code: statusCode.dataLoss, details: "etcdserver: corrupt cluster" },
  closed: { code: unavailable, details: "etcdserver: server stopped" },
  "read-only": { code: unavailable, details: "etcdserver: server stopped" },
  "no-leader": { code: unavailable, details: "etcdserver: no leader" },
  "not-leader": { code: failedPrecondition, details: "etcdserver: not leader" },
  "bad-transferee": { code: failedPrecondition, details: "etcdserver: bad leader transferee" },
  "transfer-failed": { code: unknown, details: "etcdserver: request timed out, leader transfer took too long" },
  "session-expired": { code: unknown, details: "mutex: session is expired" },
  "no-elected-leader": { code: unknown, details: "election: no leader" },
  "not-elected": { code: unknown, details: "election: not leader" },
  "leader-key-missing": { code: unknown, details: '"leader" field must be provided' },
  "downgrade-format": { code: invalidArgument, details: "etcdserver: wrong downgrade target version format" },
  "downgrade-target": { code: invalidArgument, details: "etcdserver: invalid downgrade target version" },
  "downgrade-action": { code: unknown, details: "etcdserver: unknown method" },
  "downgrade-not-supported": {
    code: statusCode.unimplemented,
    details: "etcdserver: a downgrade is not supported, start the members with --emulated-version instead",
  },
  "invalid-alarm-action": { code: invalidArgument, details: "etcdserver: invalid alarm action" },
  "invalid-alarm": { code: invalidArgument, details: "etcdserver: invalid alarm" },
  corrupt: { code: statusCode.dataLoss, details: "etcdserver: corrupt cluster" },
  "auth-not-enabled": { code: failedPrecondition, details: "etcdserver: authentication is not enabled" },
  "root-user-missing": { code: failedPrecondition, details: "etcdserver: root user does not exist" },
  "root-role-missing": { code: failedPrecondition, details: "etcdserver: root user does not have root role" },
  "user-exists": { code: failedPrecondition, details: "etcdserver: user name already exists" },
  "user-name-empty": { code: invalidArgument, details: "etcdserver: user name is empty" },
  "user-not-found": { code: failedPrecondition, details: "etcdserver: user name not found" },
  "role-exists": { code: failedPrecondition, details: "etcdserver: role name already exists" },
  "role-name-empty": { code: invalidArgument, details: "etcdserver: role name is empty" },
  "role-not-found": { code: failedPrecondition, details: "etcdserver: role name not found" },
  "role-not-granted": { code: failedPrecondition, details: "etcdserver: role is not granted to the user" },
  "permission-not-given": { code: invalidArgument, details: "etcdserver: permission not given" },
  "permission-not-granted": {
    code: failedPrecondition,
    details: "etcdserver: permission is not granted to the role",
  },
  "permission-denied": { code: statusCode.permissionDenied, details: "etcdserver: permission denied" },
  "authentication-failed": {
    code: invalidArgument,
    details: "etcdserver: authentication failed, invalid user ID or password",
  },
  "no-password-user": {
    code: unknown,
    details: "auth: authentication failed, password was given for no password user",
  },
  "invalid-auth-token": { code: statusCode.unauthenticated, details: "etcdserver: invalid auth token" },
  "invalid-auth-management": { code: invalidArgument, details: "etcdserver: invalid auth management" },
  "auth-revision-old": { code: invalidArgument, details: "etcdserver: revision of auth store is old" },
  "auth-limit": { code: resourceExhausted, details: "etcdserver: too many users, roles or permissions" },
  "password-too-long": { code: unknown, details: "bcrypt: password length exceeds 72 bytes" },
  "verify-only-key": { code: unknown, details: "auth: token signing attempted with verify-only key" },
  "not-proposed": { code: statusCode.deadlineExceeded, details: "context deadline exceeded" },
  "timed-out": { code: unavailable, details: "etcdserver: request timed out" },
  "leader-lost": {
    code: unavailable,
    details: "etcdserver: request timed out, possibly due to previous leader failure",
  },
  "connection-lost": {
    code: unavailable,
    details: "etcdserver: request timed out, possibly due to connection lost",
  },
  "server-stopped": { code: unavailable, details: "etcdserver: server stopped" },
} satisfies Record<StoreErrorCode | ServerErrorCode, GrpcStatus>;

/** Returns the status of any error of a handler. An unexpected error is INTERNAL, and is passed to `onUnexpected`. */
export const statusOfError = (error: unknown, onUnexpected: (error: unknown) => void): GrpcStatus => {
  if (error instanceof StoreError || error instanceof ServerError) return statusOf[error.code];
  if (error instanceof RpcError) return error.status;
  onUnexpected(error);
  return { code: statusCode.internal, details: "etcdserver: internal error" };
};
