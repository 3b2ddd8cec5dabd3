import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyValue } from "../../../proto/index.js";
import { DamagedError } from "../../../store/index.js";
import { crc32c } from "../../../store/disk/crc32c.js";
import { decodeKeyValue, encodeKeyValue, keyAndRevisionsOf, valueOf } from "../../../store/mvcc/key-value.js";
import { noLease } from "../../../store/base/lease-id.js";
import type { Revision } from "../../../store/base/revision.js";
import {
  changeRowKey,
  etcdRowKey,
  openRow,
  parseBlockRowKey,
  removedRowKey,
  encodeRow,
} from "../../../store/disk/rows.js";
import { bytes, text } from "../harness.js";
import { toLeaseId } from "../../../testing/ids.js";

const state = { mod: 7 as Revision, sub: 3, create: 5 as Revision, version: 2, lease: noLease };

/** Numbers that take one byte, several bytes, and more than 32 bits. */
const numbers = [0, 1, 127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER];

test("a KeyValue is encoded as protobuf's canonical encoding, whatever its fields", () => {
  for (const number of numbers) {
    for (const value of ["", "v", "x".repeat(200)]) {
      for (const lease of [0n, 1n, 2n ** 62n, -1n, -(2n ** 63n)].map(toLeaseId)) {
        const given = { mod: number as Revision, sub: 0, create: number as Revision, version: number, lease };
        const encoded = encodeKeyValue("kÿ", given, bytes(value));
        const [createRevision, modRevision, version] = [BigInt(number), BigInt(number), BigInt(number)];
        const whole = { key: bytes("kÿ"), value: bytes(value), createRevision, modRevision, version, lease };
        assert.deepEqual(Buffer.from(encoded), Buffer.from(KeyValue.encode(whole).finish()));
        assert.deepEqual(decodeKeyValue(encoded, 0), { key: "kÿ", state: given });
        assert.equal(text(valueOf(encoded)), value);
        assert.equal(text(KeyValue.decode(keyAndRevisionsOf(encoded)).value), "");
        assert.deepEqual(decodeKeyValue(keyAndRevisionsOf(encoded), 0), { key: "kÿ", state: { ...given, lease: 0n } });
      }
    }
  }
});

test("HashKV hashes etcd's key of each change", () => {
  assert.equal(etcdRowKey({ main: 2, sub: 0 }, false).toString("hex"), "00000000000000025f0000000000000000");
  assert.equal(etcdRowKey({ main: 3, sub: 1 }, true).toString("hex"), "00000000000000035f000000000000000174");
});

test("row keys of blocks sort as the changes happened", () => {
  assert.equal(changeRowKey({ main: 2, sub: 1 }).toString("hex"), "6b" + "00000000000000025f0000000000000001");
  const positions = numbers.flatMap((main) => numbers.map((sub) => ({ main, sub })));
  const keys = positions.map(changeRowKey);
  assert.deepEqual(keys.map(parseBlockRowKey), positions);
  assert.deepEqual(positions.map(removedRowKey).map(parseBlockRowKey), positions);
  assert.deepEqual(
    [...keys].sort((a, b) => Buffer.compare(a, b)),
    keys,
  );
});

test("any flipped bit of a row or of its key is noticed and named", () => {
  const key = changeRowKey({ main: 7, sub: 3 });
  const row = encodeRow(key, encodeKeyValue("k", state, bytes("value")));
  assert.equal(text(valueOf(openRow("here", key, row))), "value");
  for (const flipped of [key, row]) {
    for (let bit = 0; bit < 8 * flipped.length; bit++) {
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => openRow("here", key, row), DamagedError);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
    }
  }
  for (let length = 0; length < row.length; length++)
    assert.throws(() => openRow("here", key, row.subarray(0, length)), /row 7_3 of here/);
});

test("CRC-32C is the one of RFC 3720, in one go or in parts", () => {
  assert.equal(crc32c(bytes("123456789")), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  const all = Uint8Array.from({ length: 100 }, (_, i) => i * 37);
  for (let cut = 0; cut <= all.length; cut++)
    assert.equal(crc32c(all.subarray(cut), crc32c(all.subarray(0, cut))), crc32c(all));
});
