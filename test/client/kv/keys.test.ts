// Text as keys and values.

import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";
import { toBytes } from "../../../client/kv/keys.js";

test("text is sent as UTF-8, in memory that later texts do not overwrite", () => {
  const text = fc.oneof(fc.string({ maxLength: 100 }), fc.string({ unit: "grapheme", maxLength: 100 }));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 300 }), (texts) => {
      const all = texts.map(toBytes);
      for (const [n, bytes] of all.entries()) assert.deepEqual(bytes, new TextEncoder().encode(texts[n]));
    }),
  );
});
