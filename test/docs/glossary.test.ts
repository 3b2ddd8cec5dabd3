// The glossary: each term has one entry, and words to avoid occur in no other file.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const glossary = readFileSync("docs/glossary.md", "utf8");
const [entries = "", avoided = ""] = glossary.split("\n## Words to avoid\n");

/** Returns the words in the first column of all tables, without the heads. */
const firstCellsOf = (text: string): string[] =>
  [...text.matchAll(/^\| (?!(?:term|word|---) )([^|]+) \|/gm)].flatMap(([, cell = ""]) => cell.split(", "));

test("each term of the glossary has one entry", () => {
  const terms = firstCellsOf(entries);
  assert.ok(terms.length > 100, "the tables are there");
  assert.deepEqual(
    terms.filter((term, at) => terms.indexOf(term) !== at),
    [],
  );
});

/** Files that are written by hand and describe the present product. */
const files = [
  "README.md",
  ...["docs", "server", "raft", "store", "client", "cli", "platform", "testing", "test", "examples", "bench"].flatMap(
    (folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => join(folder, path)),
  ),
].filter((path) => /\.(md|ts|txt)$/.test(path) && path !== "docs/glossary.md");

test("no file uses a word that the glossary says to avoid", () => {
  const words = firstCellsOf(avoided);
  assert.ok(words.length > 5, "the table is there");
  const forms = words.map((word) => word.replace(/^hand /, "hand(?:s|ed|ing)? ").replaceAll(" ", "\\s+"));
  const pattern = new RegExp(`\\b(?:${forms.join("|")})(?:s|ed)?\\b`, "i");
  const found = files.flatMap((path) => {
    const word = pattern.exec(readFileSync(path, "utf8"))?.[0];
    return word === undefined ? [] : [`${path}: ${word}`];
  });
  assert.deepEqual(found, []);
});
