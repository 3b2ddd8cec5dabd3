import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { callMasks } from "../interop/differential/call-masks.js";
import { masks, watchMasks } from "../interop/differential/masks.js";

test("every difference that the comparison with etcd passes over has its row in docs/differences.md", () => {
  const document = readFileSync("docs/differences.md", "utf8");
  for (const { name, row } of [...masks, ...callMasks, ...watchMasks.replies, ...watchMasks.received])
    assert.match(document, new RegExp(`^\\| ${row}[^|]* \\|`, "m"), name);
});
