// minietcdctl completion: `test/interop/completion.test.ts` runs the scripts in real shells.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startProgram } from "./running-program.js";

for (const shell of ["bash", "zsh", "fish", "powershell"])
  test(`completion ${shell} is a script that names the commands and flags`, async () => {
    const { code, stdout } = await startProgram("127.0.0.1:1", "completion", shell).ended;
    assert.equal(code, 0);
    assert.match(stdout, /\bendpoint\b[^]*\bhashkv\b[^]*--rev\b/);
    assert.match(stdout, /\boptions'?,? '?version'?,? '?help\b[^]*\bbash'?,? '?zsh'?,? '?fish'?,? '?powershell\b/);
  });

test("completion powershell offers plain words in constrained language mode, which has no CompletionResult", async () => {
  const { stdout } = await startProgram("127.0.0.1:1", "completion", "powershell").ended;
  assert.match(stdout, /LanguageMode -eq 'FullLanguage'\) \{\n.*CompletionResult\]::new.*\n\s*\} else \{ \$_ \}/);
});

test("completion refuses other shells, and no shell, with etcdctl's words", async () => {
  const run = async (...words: string[]) => startProgram("127.0.0.1:1", "completion", ...words).ended;
  const failedRun = (reason: string) => ({ code: 1, stdout: "", stderr: `Error: ${reason}\n` });
  assert.deepEqual(await run("csh"), failedRun('invalid argument "csh" for "minietcdctl completion"'));
  assert.deepEqual(await run(), failedRun("accepts 1 arg(s), received 0"));
  assert.deepEqual(await run("bash", "zsh"), failedRun("accepts 1 arg(s), received 2"));
});
