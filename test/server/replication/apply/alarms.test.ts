import assert from "node:assert/strict";
import { test } from "node:test";
import { AlarmType } from "../../../../proto/index.js";
import type { ServerError } from "../../../../server/base/errors.js";
import { Alarms } from "../../../../server/replication/apply/alarms.js";

const { NONE, NOSPACE, CORRUPT } = AlarmType;

test("alarms are distinguished by member and type, and listed in the same order on every member", () => {
  const alarms = new Alarms();
  assert.deepEqual(alarms.activate({ memberID: 2n, alarm: NOSPACE }), [{ memberID: 2n, alarm: NOSPACE }]);
  alarms.activate({ memberID: 1n, alarm: CORRUPT });
  alarms.activate({ memberID: 1n, alarm: NOSPACE });
  alarms.activate({ memberID: 2n, alarm: NOSPACE });
  assert.deepEqual(alarms.all, [
    { memberID: 1n, alarm: NOSPACE },
    { memberID: 2n, alarm: NOSPACE },
    { memberID: 1n, alarm: CORRUPT },
  ]);
  assert.deepEqual(alarms.ofType(NONE), alarms.all);
  assert.deepEqual(alarms.ofType(CORRUPT), [{ memberID: 1n, alarm: CORRUPT }]);
  assert.deepEqual(alarms.deactivate({ memberID: 3n, alarm: NOSPACE }), []);
  assert.deepEqual(alarms.deactivate({ memberID: 1n, alarm: CORRUPT }), [{ memberID: 1n, alarm: CORRUPT }]);
  assert.equal(alarms.isActive(CORRUPT), false);
  assert.equal(alarms.isActive(NOSPACE), true);
});

test("the alarm NONE cannot be activated", () => {
  const alarms = new Alarms();
  assert.deepEqual(alarms.activate({ memberID: 2n, alarm: NONE }), []);
  assert.deepEqual(alarms.all, []);
});

test("a returned list of alarms does not change later", () => {
  const alarms = new Alarms([{ memberID: 2n, alarm: NOSPACE }]);
  const before = alarms.all;
  alarms.activate({ memberID: 1n, alarm: NOSPACE });
  alarms.deactivate({ memberID: 2n, alarm: NOSPACE });
  assert.deepEqual(before, [{ memberID: 2n, alarm: NOSPACE }]);
});

test("alarms beyond the bound are refused", () => {
  const alarms = new Alarms();
  for (let member = 1n; member <= 256n; member++) alarms.activate({ memberID: member, alarm: NOSPACE });
  assert.throws(
    () => alarms.activate({ memberID: 257n, alarm: NOSPACE }),
    (error: ServerError) => error.code === "too-many-requests",
  );
  assert.equal(alarms.activate({ memberID: 256n, alarm: NOSPACE }).length, 1);
});
