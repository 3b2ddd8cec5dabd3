import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { compatibilityDocument, findStaleNotes } from "./compatibility-document.js";

test("docs/compatibility.md matches the tables of methods, paths, flags and commands", () => {
  const document = compatibilityDocument();
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync("docs/compatibility.md", document);
  assert.equal(readFileSync("docs/compatibility.md", "utf8"), document);
});

test("every note of docs/compatibility.md names an existing method, field or command", () => {
  assert.deepEqual(findStaleNotes(), []);
});
