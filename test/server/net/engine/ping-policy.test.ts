import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PingPolicy } from "../../../../server/net/engine/ping-policy.js";

const hours = 60 * 60 * 1_000;

describe("pings, by etcd's rules", () => {
  const verdicts = (policy: PingPolicy, times: readonly number[], hasOpenCalls: boolean): boolean[] =>
    times.map((at) => policy.onPing(at, hasOpenCalls));

  test("the fourth ping within two hours without a call ends the connection", () => {
    assert.deepEqual(verdicts(new PingPolicy(), [0, 60_000, 120_000, 180_000], false), [false, false, false, true]);
    assert.deepEqual(
      verdicts(new PingPolicy(), [0, 2 * hours, 4 * hours, 6 * hours, 8 * hours], false).includes(true),
      false,
    );
  });

  test("a ping every 5 s is allowed while a call is open, more pings are not", () => {
    assert.deepEqual(verdicts(new PingPolicy(), [0, 5_000, 10_000, 15_000, 20_000], true).includes(true), false);
    assert.deepEqual(verdicts(new PingPolicy(), [0, 4_000, 8_000, 12_000], true), [false, false, false, true]);
    assert.deepEqual(verdicts(new PingPolicy(1_000), [0, 4_000, 8_000, 12_000], true).includes(true), false);
    assert.deepEqual(verdicts(new PingPolicy(6_000), [0, 5_000, 10_000, 15_000], true), [false, false, false, true]);
  });

  test("a frame sent to the client clears its strikes", () => {
    const policy = new PingPolicy();
    assert.deepEqual(verdicts(policy, [0, 1, 2], true), [false, false, false]);
    policy.onSent();
    assert.deepEqual(verdicts(policy, [3, 4, 5, 6], true), [false, false, false, true]);
  });
});
