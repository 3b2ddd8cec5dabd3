// Shells run the scripts of minietcdctl completion, and complete with them.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";

const program = "dist/cli/minietcdctl.js";

/** Completes the last word in one shell. */
type Complete = (script: string, words: readonly string[]) => readonly string[];

function output(shell: string, ...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(shell, args, { encoding: "utf8" });
  assert.equal(stderr, "");
  return stdout.trim();
}

const quoteAll = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");

const shells: Readonly<Record<string, Complete>> = {
  bash: (script, words) => {
    const line = `COMP_WORDS=(${quoteAll(words)}); COMP_CWORD=${words.length - 1}; _minietcdctl`;
    return output("bash", "--norc", "-c", `${script}\n${line}; echo "\${COMPREPLY[*]}"`).split(" ");
  },
  // The builtin `compadd` works only at a prompt. Like it, this one prints the words with the prefix at the cursor.
  zsh: (script, words) => {
    const standIns = "compdef() {}; _files() {}; compadd() { shift; print -rl -- ${(M)@:#$words[CURRENT]*} }";
    const line = `words=(${quoteAll(words)}); CURRENT=${words.length}; _minietcdctl`;
    return output("zsh", "-fc", `${standIns}\n${script}\n${line}`).split("\n");
  },
  fish: (script, words) => {
    const text = output("fish", "--no-config", "-c", `${script}\ncomplete -C '${words.join(" ")}'`);
    return text.split("\n").map((line) => line.split("\t")[0] ?? "");
  },
};

for (const [shell, complete] of Object.entries(shells))
  test(`completion ${shell} completes commands, subcommands and flags`, () => {
    const script = execFileSync(process.execPath, [program, "completion", shell], { encoding: "utf8" });
    const completionsOf = (...words: readonly string[]) => [...complete(script, ["minietcdctl", ...words])].sort();
    assert.deepEqual(completionsOf("de"), ["defrag", "del"]);
    assert.deepEqual(completionsOf("lease", "g"), ["grant"]);
    assert.deepEqual(completionsOf("--hex", "lease", "re"), ["revoke"]);
    assert.deepEqual(completionsOf("get", "--max-c"), ["--max-create-rev"]);
    assert.deepEqual(completionsOf("endpoint", "status", "--cl"), ["--cluster"]);
    assert.deepEqual(completionsOf("completion", "po"), ["powershell"]);
    assert.deepEqual(completionsOf("hel"), ["help"]);
    assert.deepEqual(completionsOf("help", "de"), ["defrag", "del"]);
    assert.deepEqual(completionsOf("get", "no-such-file"), [""]);
  });
