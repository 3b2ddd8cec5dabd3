import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { buildSync } from "esbuild";
import { growthFactor } from "../../../cli/server/young-generation.js";

const mebibyte = 1024 * 1024;

/** Keeps each of 600 000 arrays until 20 000 more are made, few in each turn, and prints the size of the young generation. */
const program = `
  import { setImmediate } from "node:timers/promises";
  import { limitYoungGeneration, youngGenerationBytes } from "./cli/server/young-generation.ts";
  limitYoungGeneration();
  const kept = [];
  for (let turn = 0; turn < 3_000; turn++) {
    for (let n = 0; n < 200; n++) kept[(turn * 200 + n) % 20_000] = new Array(100).fill(n);
    await setImmediate();
  }
  console.log(youngGenerationBytes());
`;

test("a young generation below 16 MiB doubles; a larger one stays as it is", () => {
  assert.equal(growthFactor(0), 2);
  assert.equal(growthFactor(16 * mebibyte - 1), 2);
  assert.equal(growthFactor(16 * mebibyte), 1);
});

test("objects that outlive many young collections do not make the young generation grow beyond 16 MiB", () => {
  const [output] = buildSync({
    stdin: { contents: program, resolveDir: process.cwd() },
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
  }).outputFiles;
  const options = ["--input-type=module", "--eval", output?.text ?? ""];
  const bytes = Number(execFileSync(process.execPath, options, { encoding: "utf8" }));
  assert.ok(bytes > 0 && bytes <= 16 * mebibyte, `${bytes} bytes`);
});
