import assert from "node:assert/strict";
import { test } from "node:test";
import { exponentialBounds, Histogram } from "../../platform/index.js";

test("a value counts in the first bucket whose bound is not below it, or after the last bucket", () => {
  const histogram = new Histogram([1, 2, 4]);
  for (const value of [0.5, 1, 2, 2.5, 9]) histogram.observe(value);
  assert.deepEqual(histogram.counts, [2, 1, 1, 1]);
  assert.equal(histogram.sum, 15);
});

test("exponential bounds begin with the first, and grow by the factor", () => {
  assert.deepEqual(exponentialBounds(0.5, 2, 4), [0.5, 1, 2, 4]);
});
