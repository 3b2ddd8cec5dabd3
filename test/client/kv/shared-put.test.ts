// Puts that a server in the same process receives without a copy.

import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";
import { allKeys } from "../../../client/kv/key-space.js";
import { putRequest, toSharedPut } from "../../../client/kv/kv-ops.js";
import { putRequestDecoder, putRequestEncoder } from "../../../proto/index.js";

const bytes = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 100 }),
  fc.uint8Array({ maxLength: 2_000 }),
  fc.string({ minLength: 1_000, maxLength: 1_100 }),
);
const options = fc.record(
  {
    lease: fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }),
    prevKv: fc.boolean(),
    ignoreValue: fc.boolean(),
    ignoreLease: fc.boolean(),
  },
  { requiredKeys: [] },
);

test("a shared put equals its decoded encoding; a put that cannot be encoded is never shared", () => {
  fc.assert(
    fc.property(bytes, bytes, options, (key, value, settings) => {
      const request = putRequest(key, value, settings, allKeys);
      const shared = toSharedPut(request);
      if (shared !== undefined) assert.deepEqual(shared, putRequestDecoder.decode(putRequestEncoder.encode(request)));
    }),
  );
});

test("a small put is shared, with the bytes that it had at the call", () => {
  const given = Uint8Array.of(1, 2, 3);
  const shared = toSharedPut(putRequest(given, given, {}, allKeys));
  given.fill(9);
  assert.deepEqual([...(shared?.key ?? []), ...(shared?.value ?? [])], [1, 2, 3, 1, 2, 3]);
  assert.equal(toSharedPut(putRequest("key", new Uint8Array(1_025), {}, allKeys)), undefined);
  const odd = { prevKv: 1 as unknown as boolean };
  assert.equal(toSharedPut(putRequest("key", "value", odd, allKeys)), undefined);
});
