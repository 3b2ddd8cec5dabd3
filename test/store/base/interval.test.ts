// Keys as text.

import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";
import { keyFromBytes } from "../../../store/base/interval.js";

test("a key becomes a string with a character for each byte, at any length and offset", () => {
  const bytes = fc.uint8Array({ maxLength: 150 });
  fc.assert(
    fc.property(bytes, fc.boolean(), fc.nat(150), fc.nat(150), (all, isBuffer, one, other) => {
      const [start, end] = [one, other].map((at) => Math.min(at, all.length)).sort((a, b) => a - b);
      const given = isBuffer ? Buffer.from(all) : all;
      assert.equal(keyFromBytes(given), String.fromCharCode(...all));
      assert.equal(keyFromBytes(given, start, end), String.fromCharCode(...all.subarray(start, end)));
    }),
  );
});
