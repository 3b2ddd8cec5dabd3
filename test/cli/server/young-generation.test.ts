import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { growthFactor, limitYoungGeneration, youngGenerationBytes } from "../../../cli/server/young-generation.js";

const mebibyte = 1024 * 1024;

test("a young generation below 16 MiB doubles; a larger one stays as it is", () => {
  assert.equal(growthFactor(0), 2);
  assert.equal(growthFactor(16 * mebibyte - 1), 2);
  assert.equal(growthFactor(16 * mebibyte), 1);
});

test("objects that outlive many young collections do not make the young generation grow beyond 16 MiB", async () => {
  limitYoungGeneration();
  const kept: number[][] = [];
  for (let turn = 0; turn < 3_000; turn++) {
    for (let n = 0; n < 200; n++) kept[(turn * 200 + n) % 20_000] = new Array<number>(100).fill(n); // a tenth of a collection's bytes, at most
    await setImmediate();
  }
  assert.equal(kept.length, 20_000);
  assert.ok(youngGenerationBytes() <= 16 * mebibyte, `${youngGenerationBytes()} bytes`);
});
