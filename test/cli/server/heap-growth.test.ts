import assert from "node:assert/strict";
import { test } from "node:test";
import { growthPercent } from "../../../cli/server/heap-growth.js";

const mebibyte = 1024 * 1024;

test("a small heap may grow to five times its size; a large one is left to V8", () => {
  assert.equal(growthPercent(12 * mebibyte), 400);
  assert.equal(growthPercent(32 * mebibyte), 400);
  assert.equal(growthPercent(32 * mebibyte + 1), 0);
  assert.equal(growthPercent(500 * mebibyte), 0);
});
