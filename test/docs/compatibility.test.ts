import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { compatibilityDocument, staleNotes } from "./compatibility-document.js";

test("docs/compatibility.md says what the tables of methods, paths, flags and commands say", () => {
  const document = compatibilityDocument();
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync("docs/compatibility.md", document);
  assert.equal(readFileSync("docs/compatibility.md", "utf8"), document);
});

test("every note of docs/compatibility.md is on something that is there", () => {
  assert.deepEqual(staleNotes(), []);
});
