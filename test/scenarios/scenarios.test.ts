// Plays every scenario in this folder: commands, each followed by the `>` lines that it prints.
// UPDATE_SCENARIOS=1 rewrites those lines; review the diff like code.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import test from "node:test";
import { ScenarioCluster } from "./scenario-cluster.js";

const folder = new URL("./", import.meta.url);

/** Returns the same text with the lines that the commands print now. */
function replay(text: string): string {
  const cluster = new ScenarioCluster();
  const lines: string[] = [];
  text.split("\n").forEach((line, i) => {
    if (line.startsWith(">")) return;
    lines.push(line);
    if (line === "" || line.startsWith("#")) return;
    try {
      lines.push(...cluster.play(line).map((printed) => `> ${printed}`));
    } catch (error) {
      throw new Error(`line ${i + 1}: ${line}`, { cause: error });
    }
  });
  return lines.join("\n");
}

for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt")))
  test(`scenario ${name}`, () => {
    const file = new URL(name, folder);
    const expected = readFileSync(file, "utf8");
    const actual = replay(expected);
    if (process.env["UPDATE_SCENARIOS"] === "1") writeFileSync(file, actual);
    else assert.equal(actual, expected);
  });
