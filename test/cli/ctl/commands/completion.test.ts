// minietcdctl completion: `test/interop/completion.test.ts` has bash take the script.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startProgram } from "./running-program.js";

test("completion bash is a script that names the commands", async () => {
  const { code, stdout } = await startProgram("127.0.0.1:1", "completion", "bash").ended;
  assert.equal(code, 0);
  assert.match(stdout, /\bendpoint\b/);
});

test("completion refuses other shells, and no shell", async () => {
  const refusal = { code: 4, stdout: "", stderr: 'Error: shell "zsh" is not supported yet\n' };
  assert.deepEqual(await startProgram("127.0.0.1:1", "completion", "zsh").ended, refusal);
  assert.equal((await startProgram("127.0.0.1:1", "completion").ended).code, 128);
});
