// Values of fields as the readers of single fields return them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { putRequestDecoder, putRequestEncoder, putResponseDecoder } from "../../proto/index.js";
import { PutResponse } from "../../proto/generated/etcdserverpb/kv.js";

test("ids are read as they were written, also ids that share a cache slot", () => {
  const ids = Array.from({ length: 64 }, (_, n) => 0xfedc_ba98_7654_3210n + BigInt(n) * 0x0000_0001_0000_0001n);
  for (const id of [...ids, ...ids, 0n, 1n, 0n]) {
    const header = { clusterId: id, memberId: BigInt.asUintN(64, ~id), revision: 7n, raftTerm: id };
    const bytes = PutResponse.encode({ header, prevKv: undefined }).finish();
    assert.deepEqual(putResponseDecoder.decode(bytes).header, header);
  }
});

test("bytes are a plain view also where the message is a Buffer", () => {
  const request = {
    key: Uint8Array.of(1, 2),
    value: Uint8Array.of(3),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  };
  const message = putRequestEncoder.encode(request);
  assert.ok(Buffer.isBuffer(message));
  assert.deepEqual(putRequestDecoder.decode(message), request);
  const odd = Buffer.concat([message, Uint8Array.of(0xf8, 0xff, 0x01, 0x01)]); // an unknown field
  assert.deepEqual(putRequestDecoder.decode(odd), request);
});
