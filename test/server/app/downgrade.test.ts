import assert from "node:assert/strict";
import { test } from "node:test";
import { DowngradeRequest, DowngradeRequest_DowngradeAction as Action } from "../../../proto/index.js";
import { downgradeOperation } from "../../../server/app/downgrade.js";
import type { ServerError } from "../../../server/base/index.js";
import { anonymousCaller, reportedVersions } from "../../../server/base/index.js";
import type { Revision } from "../../../store/index.js";

/**
 * Requests an action of a 3.7 member with an immediate quorum.
 * @returns the version, or the code of the error
 */
const ask = (action: number, version: string): string => {
  let outcome = "none";
  const operation = downgradeOperation(
    { store: { revision: 7 as Revision }, reads: { startRead: (read) => read.onReady() } },
    reportedVersions("3.7"),
  );
  try {
    operation(anonymousCaller, DowngradeRequest.create({ action: action as Action, version }), {
      onResult: ({ response }) => (outcome = response.version),
      onError: (error) => (outcome = (error as ServerError).code),
    });
  } catch (error) {
    outcome = (error as ServerError).code;
  }
  return outcome;
};

for (const [version, outcome] of [
  ["3.6", "3.7"],
  ["3.6.5", "3.7"],
  ["3.6.0-rc.1", "3.7"],
  ["03.6", "3.7"],
  ["3.7", "downgrade-target"],
  ["3.5", "downgrade-target"],
  ["4.6", "downgrade-target"],
  ["", "downgrade-format"],
  ["3", "downgrade-format"],
  ["v3.6", "downgrade-format"],
  ["3.6 ", "downgrade-format"],
  ["3.6-alpha", "downgrade-format"],
  ["3.6.0.0", "downgrade-format"],
] as const)
  test(`validating a downgrade to "${version}" answers ${outcome}, as etcd does`, () => {
    assert.equal(ask(Action.VALIDATE, version), outcome);
  });

test("enabling a downgrade is refused, and canceling without a downgrade is etcd's error", () => {
  assert.equal(ask(Action.ENABLE, "3.6"), "downgrade-not-supported");
  assert.equal(ask(Action.ENABLE, "3.5"), "downgrade-target");
  assert.equal(ask(Action.CANCEL, "anything"), "3.7");
  assert.equal(ask(7, "3.6"), "downgrade-action");
});
