// minietcdctl completion: bash takes the script, and completes by it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { startProgram } from "./running-program.js";

const hasBash = spawnSync("bash", ["--version"]).status === 0;

test("completion bash completes commands, subcommands and flags", { skip: !hasBash }, async () => {
  const { code, stdout: script } = await startProgram("127.0.0.1:1", "completion", "bash").ended;
  assert.equal(code, 0);
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

test("completion refuses other shells, and no shell", async () => {
  const refusal = { code: 4, stdout: "", stderr: 'Error: shell "zsh" is not supported yet\n' };
  assert.deepEqual(await startProgram("127.0.0.1:1", "completion", "zsh").ended, refusal);
  assert.equal((await startProgram("127.0.0.1:1", "completion").ended).code, 128);
});
