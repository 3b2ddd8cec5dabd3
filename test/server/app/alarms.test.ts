import assert from "node:assert/strict";
import { test } from "node:test";
import { AlarmRequest, AlarmRequest_AlarmAction as Action, AlarmType } from "../../../proto/index.js";
import { anonymousCaller } from "../../../server/base/caller.js";
import { ServerError } from "../../../server/base/errors.js";
import { alarmOperation } from "../../../server/app/alarms.js";
import type { LinearizableRead } from "../../../server/replication/reads.js";
import type { Revision } from "../../../store/index.js";

interface Ask {
  readonly action: number;
  readonly alarm?: number;
  readonly memberID?: bigint;
}

/** Asks the operation; `confirm` and `fail` are the outcome of the quorum round. */
function ask(request: Ask) {
  let outcome: unknown = "waiting";
  let waiting: LinearizableRead | undefined;
  const alarm = alarmOperation({
    store: { revision: 7 as Revision },
    reads: { whenLinearizable: (read) => void (waiting = read) },
  });
  try {
    alarm(anonymousCaller, AlarmRequest.fromPartial(request as Partial<AlarmRequest>), {
      onResult: (result) => (outcome = result),
      onError: (error) => (outcome = error),
    });
  } catch (error) {
    outcome = error;
  }
  return {
    outcome: () => outcome,
    confirm: () => waiting!.onReady(),
    fail: (error: unknown) => waiting!.onError(error),
  };
}

const empty = { response: { header: undefined, alarms: [] }, revision: 7 };

for (const [what, request] of [
  ["a request for all alarms", { action: Action.GET }],
  ["a request for the alarms of one kind", { action: Action.GET, alarm: AlarmType.NOSPACE }],
  ["a request to deactivate an alarm", { action: Action.DEACTIVATE, alarm: AlarmType.NOSPACE, memberID: 2n }],
  ["a request to activate no alarm", { action: Action.ACTIVATE }],
] as const)
  test(`${what} is answered with an empty list once a quorum has confirmed it`, () => {
    const asked = ask(request);
    assert.equal(asked.outcome(), "waiting");
    asked.confirm();
    assert.deepEqual(asked.outcome(), empty);
  });

test("a request for alarms fails without a quorum", () => {
  const asked = ask({ action: Action.GET });
  const error = new ServerError("timed-out", "no quorum");
  asked.fail(error);
  assert.equal(asked.outcome(), error);
});

for (const [what, request, code] of [
  ["activating NOSPACE", { action: Action.ACTIVATE, alarm: AlarmType.NOSPACE, memberID: 2n }, "alarm-not-supported"],
  ["activating CORRUPT", { action: Action.ACTIVATE, alarm: AlarmType.CORRUPT, memberID: 2n }, "alarm-not-supported"],
  ["an unknown action", { action: 3 }, "invalid-alarm-action"],
] as const)
  test(`${what} is refused at once`, () => {
    const outcome = ask(request).outcome();
    assert.ok(outcome instanceof ServerError);
    assert.equal(outcome.code, code);
  });
