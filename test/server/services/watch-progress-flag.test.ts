// `--watch-progress-notify-interval`: a duration as Go writes it, at least 100 ms (etcd v3 API, server command line).

import assert from "node:assert/strict";
import { test } from "node:test";
import { configFromFlags, defaultFlags, FlagError } from "../../../server/config/config.js";

const progressMs = (watchProgressNotifyInterval: string): number =>
  configFromFlags({ ...defaultFlags, watchProgressNotifyInterval }).store.watchProgressMs;

test("the flag accepts all units, raises too short intervals, and takes the default of ten minutes for 0 and less", () => {
  const read = {
    "10m0s": 600_000,
    "1h2m3.5s": 3_723_500,
    "250ms": 250,
    "1.5s": 1_500,
    ".5s": 500,
    "200000us": 200,
    "200000µs": 200,
    "200000000ns": 200,
    "+3s": 3_000,
    "1ms": 100,
    "0": 600_000,
    "0s": 600_000,
    "-5s": 600_000,
  };
  for (const [text, expected] of Object.entries(read)) assert.equal(progressMs(text), expected, text);
});

test("the flag refuses an invalid duration", () => {
  for (const text of ["", "5", "s", "5x", "5s6", "1s 2s", "--1s", "1e3s"])
    assert.throws(() => progressMs(text), FlagError, text);
});
