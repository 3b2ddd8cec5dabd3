// bash takes the script of minietcdctl completion, and completes by it.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";

const program = "dist/cli/minietcdctl.js";

test("completion bash completes commands, subcommands and flags", () => {
  const script = execFileSync(process.execPath, [program, "completion", "bash"], { encoding: "utf8" });
  const completed = (...words: readonly string[]) => {
    const line = ["minietcdctl", ...words].map((word) => `'${word}'`).join(" ");
    const ask = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _minietcdctl; echo "\${COMPREPLY[*]}"`;
    const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", `${script}\n${ask}`], { encoding: "utf8" });
    assert.equal(stderr, "");
    return stdout.trim().split(" ");
  };
  assert.deepEqual(completed("de"), ["del", "defrag"]);
  assert.deepEqual(completed("lease", "g"), ["grant"]);
  assert.deepEqual(completed("--hex", "lease", "re"), ["revoke"]);
  assert.deepEqual(completed("get", "--max-"), ["--max-create-rev", "--max-mod-rev"]);
  assert.deepEqual(completed("endpoint", "status", "--cl"), ["--cluster"]);
  assert.deepEqual(completed("get", "some"), [""]);
});
