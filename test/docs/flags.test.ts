import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { flagsDocument } from "./flags-document.js";

test("docs/flags.md matches the table of flags", () => {
  const document = flagsDocument();
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync("docs/flags.md", document);
  assert.equal(readFileSync("docs/flags.md", "utf8"), document);
});
