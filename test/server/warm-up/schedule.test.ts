// The times at which a warm-up may continue, and its end.

import assert from "node:assert/strict";
import test from "node:test";
import { WarmUpSchedule } from "../../../server/warm-up/schedule.js";

const limits = { quietMs: 200, maxWork: 500, maxCpuMs: 1_000, maxMs: 10_000 };

/** A schedule whose observations are given in part. */
const scheduleFrom = (work: number) => {
  const schedule = new WarmUpSchedule(limits, { nowMs: 0, work, cpuMs: 0 });
  return (nowMs: number, more: { readonly work?: number; readonly cpuMs?: number } = {}) =>
    schedule.decide({ nowMs, work, cpuMs: 0, ...more });
};

test("a member that had no work for the quiet time is warmed up", () => {
  const look = scheduleFrom(7);
  assert.deepEqual([look(0), look(199), look(200), look(201)], ["wait", "wait", "go", "go"]);
});

test("a request makes the warm-up wait for the quiet time again", () => {
  const look = scheduleFrom(7);
  assert.equal(look(200), "go");
  assert.deepEqual([look(210, { work: 8 }), look(409, { work: 8 }), look(410, { work: 8 })], ["wait", "wait", "go"]);
});

test("requests in number end the warm-up, before it has begun and after", () => {
  assert.equal(scheduleFrom(7)(10, { work: 507 }), "requests");
  const look = scheduleFrom(7);
  assert.equal(look(200), "go");
  assert.equal(look(300, { work: 506 }), "wait");
  assert.equal(look(310, { work: 507 }), "requests");
});

test("the CPU time of the process bounds the warm-up from its beginning on", () => {
  const look = scheduleFrom(0);
  assert.equal(look(200, { cpuMs: 5_000 }), "go", "a start took this time");
  assert.deepEqual([look(900, { cpuMs: 5_999 }), look(901, { cpuMs: 6_000 })], ["go", "cpu time"]);
});

test("a warm-up ends after its longest time, whatever it waited for", () => {
  const look = scheduleFrom(0);
  assert.equal(look(60_000), "go", "the wait for its beginning does not count");
  assert.deepEqual([look(69_999), look(70_000)], ["go", "time"]);
});
