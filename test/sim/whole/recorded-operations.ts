// The clients' operations in the form for `checkLinearizable`, which judges the history that a user of `minietcd/testing` would record.

import assert from "node:assert/strict";
import { checkLinearizable, type Operation, type OperationOutcome } from "../../../testing/kit/index.js";
import type { CallOutcome } from "../../../testing/index.js";
import { isCertainFailure } from "./writes.js";

/** An operation that has been requested. */
export type Asked = {
  readonly [Kind in Operation["kind"]]: {
    readonly kind: Kind;
    readonly client: string;
    readonly invoked: number;
    readonly request: Extract<Operation, { kind: Kind }>["request"];
  };
}[Operation["kind"]];

/** Returns the kind of operation of a method; undefined: it does not operate on keys. */
export const kindOfMethod = ({ path }: { readonly path: string }): Operation["kind"] | undefined => kinds[path];

const kinds: Readonly<Record<string, Operation["kind"]>> = {
  "/etcdserverpb.KV/Put": "put",
  "/etcdserverpb.KV/Range": "get",
  "/etcdserverpb.KV/DeleteRange": "delete",
  "/etcdserverpb.KV/Txn": "txn",
};

const outcomeOf = (outcome: CallOutcome<unknown>): OperationOutcome => {
  if (outcome.kind === "ok") return "ok";
  if (outcome.kind === "error") return isCertainFailure(outcome.status) ? "failed" : "unknown";
  return outcome.kind === "refused" ? "failed" : "unknown";
};

/** All operations of all clients on the keys that begin with `k`. */
export class RecordedOperations {
  private readonly operations: Operation[] = [];

  note(asked: Asked, outcome: CallOutcome<unknown>, returned: number): void {
    const response = outcome.kind === "ok" ? outcome.response : undefined;
    this.operations.push({ ...asked, returned, outcome: outcomeOf(outcome), response } as Operation);
  }

  /**
   * Checks the history.
   * @returns whether the check came to an end: many operations of unknown outcome have too many orders
   */
  checkAtTheEnd(): boolean {
    const { operations } = this;
    const { verdict, explanation } = checkLinearizable(
      { operations, startRevision: 1, startKeys: [] },
      { maxSteps: 200_000 },
    );
    assert.notEqual(verdict, "not-linearizable", `checkLinearizable: ${explanation}`);
    return verdict === "linearizable";
  }
}
