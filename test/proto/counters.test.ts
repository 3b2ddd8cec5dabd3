import assert from "node:assert/strict";
import { test } from "node:test";
import { CounterError, counterFromRequest, counterFromResponse } from "../../proto/index.js";

const largest = BigInt(Number.MAX_SAFE_INTEGER);

test("a counter of a request is exact up to 2^53-1, and saturates beyond", () => {
  for (const exact of [0n, 1n, -1n, largest, -largest]) assert.equal(counterFromRequest(exact), Number(exact));
  for (const beyond of [largest + 1n, 2n ** 63n - 1n]) assert.equal(counterFromRequest(beyond), Number(largest));
  assert.equal(counterFromRequest(-(2n ** 63n)), -Number(largest));
});

test("a counter of an answer is exact, or an error", () => {
  for (const exact of [0n, -1n, largest, -largest]) assert.equal(counterFromResponse(exact), Number(exact));
  for (const beyond of [largest + 1n, 2n ** 63n - 1n, -largest - 1n])
    assert.throws(
      () => counterFromResponse(beyond),
      (error) => error instanceof CounterError && error.value === beyond,
    );
});
