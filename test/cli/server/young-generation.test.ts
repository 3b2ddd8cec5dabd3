import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { growthFactor, youngHalfBytes } from "../../../cli/server/young-generation.js";

const mebibyte = 1024 * 1024;

test("a young generation with halves of less than 7 MiB doubles; a larger one stays as it is", () => {
  assert.equal(growthFactor(0), 2);
  assert.equal(growthFactor(7 * mebibyte - 1), 2);
  assert.equal(growthFactor(7 * mebibyte), 1);
});

test("this version of Node has the flag for the growth of the young generation, and reports its size", () => {
  const { status, stderr } = spawnSync(process.execPath, ["--semi-space-growth-factor=1", "--eval", ""], {
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  assert.equal(status, 0);
  assert.ok(youngHalfBytes() > 0);
});
