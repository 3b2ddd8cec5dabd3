import assert from "node:assert/strict";
import { test } from "node:test";
import { omitZeros, writeJson } from "../../../../cli/ctl/output/json.js";

test("64-bit numbers are bare and exact, bytes base64, text escaped as in Go", () => {
  const value = { id: 2n ** 64n - 1n, lease: -5n, key: Uint8Array.of(0, 255), name: 'a<b>&"\u2028', list: [1, true] };
  assert.equal(
    writeJson(value),
    '{"id":18446744073709551615,"lease":-5,"key":"AP8=","name":"a\\u003cb\\u003e\\u0026\\"\\u2028","list":[1,true]}',
  );
  assert.equal(writeJson([]), "[]");
});

test("zero fields are omitted, empty messages are not", () => {
  const message = { a: 0, b: 0n, c: "", d: false, e: [], f: new Uint8Array(), g: undefined, h: {}, i: [0], j: -1 };
  assert.equal(writeJson(omitZeros(message)), '{"h":{},"i":[0],"j":-1}');
});
