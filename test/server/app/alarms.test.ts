import assert from "node:assert/strict";
import { test } from "node:test";
import { type AlarmMember, AlarmRequest, AlarmRequest_AlarmAction as Action, AlarmType } from "../../../proto/index.js";
import { anonymousCaller } from "../../../server/base/caller.js";
import { ServerError } from "../../../server/base/errors.js";
import { alarmOperation, alarmText } from "../../../server/app/alarms.js";
import { resultOf } from "../../../server/app/result-of.js";
import { AuthState } from "../../../server/auth/auth-state.js";
import { Alarms } from "../../../server/replication/apply/alarms.js";
import type { LinearizableRead } from "../../../server/replication/reads.js";
import type { Revision } from "../../../store/index.js";
import { startApplication } from "./application-fixtures.js";

interface Ask {
  readonly action: number;
  readonly alarm?: number;
  readonly memberID?: bigint;
}

const nospace: AlarmMember = { memberID: 2n, alarm: AlarmType.NOSPACE };
const corrupt: AlarmMember = { memberID: 3n, alarm: AlarmType.CORRUPT };

/** Requests the operation while two alarms are active; `confirm` and `fail` end the quorum round. */
function ask(request: Ask) {
  let outcome: unknown = "waiting";
  let waiting: LinearizableRead | undefined;
  const alarm = alarmOperation({
    store: { revision: 7 as Revision },
    applier: { alarms: new Alarms([nospace, corrupt]), auth: new AuthState() },
    proposals: { propose: () => assert.fail("proposed") },
    reads: { startRead: (read) => void (waiting = read) },
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

for (const [what, request, alarms] of [
  ["all alarms", { action: Action.GET }, [nospace, corrupt]],
  ["the alarms of one type", { action: Action.GET, alarm: AlarmType.CORRUPT, memberID: 2n }, [corrupt]],
] as const)
  test(`a request for ${what} is answered once a quorum has confirmed it`, () => {
    const asked = ask(request);
    assert.equal(asked.outcome(), "waiting");
    asked.confirm();
    assert.deepEqual(asked.outcome(), { response: { header: undefined, alarms }, revision: 7 });
  });

test("a request for alarms fails without a quorum", () => {
  const asked = ask({ action: Action.GET });
  const error = new ServerError("timed-out", "no quorum");
  asked.fail(error);
  assert.equal(asked.outcome(), error);
});

for (const [what, request, code] of [
  ["an unknown action", { action: 3 }, "invalid-alarm-action"],
  ["an unknown type of alarm", { action: Action.ACTIVATE, alarm: 3 }, "invalid-alarm"],
] as const)
  test(`${what} is refused at once`, () => {
    const outcome = ask(request).outcome();
    assert.ok(outcome instanceof ServerError);
    assert.equal(outcome.code, code);
  });

test("an alarm reads as in etcd's status", () => {
  assert.equal(alarmText(nospace), "memberID:2  alarm:NOSPACE");
  assert.equal(alarmText({ ...nospace, memberID: 0n }), "alarm:NOSPACE");
});

test("an active alarm refuses puts and is among the errors of its member's status until it is deactivated", async (t) => {
  const { application } = await startApplication(t);
  const key = Buffer.from("k");
  const put = () =>
    resultOf(application.put, anonymousCaller, {
      ...{ key, value: key, lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false },
    });
  const change = async (action: Action): Promise<readonly AlarmMember[]> =>
    (await resultOf(application.alarm, anonymousCaller, { action, ...nospace })).response.alarms;
  const errors = async () => (await resultOf(application.status, anonymousCaller, {})).response.errors;

  await put();
  assert.deepEqual(await change(Action.ACTIVATE), [nospace]);
  assert.deepEqual(await change(Action.ACTIVATE), [nospace]);
  await assert.rejects(put, (error: ServerError) => error.code === "no-space");
  await resultOf(application.deleteRange, anonymousCaller, { key, rangeEnd: new Uint8Array(), prevKv: false });
  assert.deepEqual(await errors(), [alarmText(nospace)]);
  assert.deepEqual(await change(Action.DEACTIVATE), [nospace]);
  assert.deepEqual(await change(Action.DEACTIVATE), []);
  assert.deepEqual(await errors(), []);
  await put();
});
