import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { inliningFlags } from "../../../cli/server/inlining.js";

test("this version of Node has the flags that limit inlining", () => {
  const { status, stderr } = spawnSync(process.execPath, [...inliningFlags, "--eval", ""], { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.equal(status, 0);
});
