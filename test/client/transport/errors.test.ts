// Errors of grpc-js for requests without an answer, and the outcome that follows from each.

import { Metadata, status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { CompactedError, ConnectError, EtcdError, LeaseLostError } from "../../../client/index.js";
import { errorFromFailure, mayTryAgain } from "../../../client/transport/errors.js";

const judge = (code: status, details: string, kind: "read" | "write") => {
  const failure = Object.assign(new Error(details), { code, details, metadata: new Metadata() });
  const error = errorFromFailure(failure, kind, "127.0.0.1:2379");
  return { code: error.code, outcome: error.outcome, again: mayTryAgain(error) };
};

test("a read on a broken connection is retried, a write is not", () => {
  const broken = [
    [status.UNAVAILABLE, "Connection dropped"],
    [status.UNAVAILABLE, "read ECONNRESET"],
    [status.INTERNAL, "Received RST_STREAM with code 2 triggered by internal client error: Protocol error"],
    [status.INTERNAL, "Received RST_STREAM with code 0 (Call ended without gRPC status)"],
    [status.CANCELLED, "Call cancelled"],
  ] as const;
  for (const [code, details] of broken) {
    assert.deepEqual(judge(code, details, "read"), { code: "unavailable", outcome: "failed", again: true }, details);
    assert.deepEqual(judge(code, details, "write"), { code: "unavailable", outcome: "unknown", again: false }, details);
  }
});

test("reads and writes that were not sent, or that the server refused unprocessed, are retried", () => {
  const unsent = [
    "No connection established. Last error: connect ECONNREFUSED 127.0.0.1:2379",
    "Name resolution failed for target dns:nowhere:2379",
    "Channel closed before call started",
    "Stream refused by server",
  ];
  for (const details of unsent)
    for (const kind of ["read", "write"] as const)
      assert.deepEqual(judge(status.UNAVAILABLE, details, kind), {
        code: "unavailable",
        outcome: "failed",
        again: true,
      });
});

test("an answer that cannot be read leaves a write's outcome unknown, and no request is retried", () => {
  const details = "Response message parsing error: premature EOF";
  assert.deepEqual(judge(status.INTERNAL, details, "write"), { code: "internal", outcome: "unknown", again: false });
  assert.deepEqual(judge(status.INTERNAL, details, "read"), { code: "internal", outcome: "failed", again: false });
});

test("an error has gRPC's number, whether it is retryable, and a hint", () => {
  const end = { header: { clusterId: 1n, memberId: 1n, revision: 1, raftTerm: 1 }, cancelReason: "" };
  const rows: readonly [EtcdError, number, boolean, RegExp][] = [
    [new ConnectError(new Map([["a", "refused"]])), 14, true, /endpoints/],
    [new EtcdError("unavailable", "etcdserver: no leader", "failed"), 14, true, /again/],
    [new EtcdError("unavailable", "Connection dropped", "unknown"), 14, false, /^Read before writing again/],
    [new EtcdError("deadline-exceeded", "No answer", "failed"), 4, true, /timeoutMs/],
    [new EtcdError("resource-exhausted", "etcdserver: too many requests", "failed"), 8, true, /later/],
    [new EtcdError("resource-exhausted", "etcdserver: mvcc: database space exceeded", "failed"), 8, false, /Compact/],
    [new EtcdError("not-found", "etcdserver: requested lease not found", "failed"), 5, false, /new lease/],
    [new EtcdError("invalid-argument", "etcdserver: key is not provided", "failed"), 3, false, /Correct/],
    [new EtcdError("cancelled", "The client was closed", "failed"), 1, false, /^No action is needed/],
    [new CompactedError(2, 9, end), 11, false, /resync/],
    [new LeaseLostError(1n, "unconfirmed"), 10, false, /again/],
    [new EtcdError("unauthenticated", "etcdserver: invalid auth token", "failed"), 16, false, /Log in/],
  ];
  for (const [error, number, retryable, hint] of rows) {
    assert.deepEqual([error.grpcCode, error.retryable], [number, retryable], error.message);
    assert.match(error.hint, hint);
  }
});
