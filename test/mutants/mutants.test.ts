// Checks that the list of mutants matches the code: `npm run test:mutants` takes too long to run at every change.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { mutants } from "./mutants.js";

const pathOf = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));

for (const { name, also = [], caughtBy, ...first } of mutants)
  test(`the mutant "${name}" names code that stands exactly once, and tests that exist`, () => {
    for (const { file, snippet } of [first, ...also])
      assert.equal(readFileSync(pathOf(file), "utf8").split(snippet).length, 2, `in ${file}: ${snippet}`);
    for (const check of caughtBy) if (check.kind === "test") assert.ok(existsSync(pathOf(check.file)), check.file);
  });
