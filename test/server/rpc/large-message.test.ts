// Encoding in slices returns the same bytes as the generated code.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeHeader,
  encodeRangeEnd,
  LeaseLeasesResponse,
  LeaseTimeToLiveResponse,
  RawDeleteRangeResponse,
  RawRangeResponse,
  RawTxnResponse,
  RawWatchResponse,
} from "../../../proto/index.js";
import {
  areMany,
  deleteRangeParts,
  encodeParts,
  eventsParts,
  hasMany,
  leasesParts,
  listPieces,
  rangeKvsTag,
  rangeParts,
  txnParts,
  type Part,
} from "../../../server/rpc/large-message.js";
import { encodeLeaseKeys } from "../../../server/lease/lease-keys.js";
import { runAtOnce } from "../../../store/index.js";

const header = { clusterId: 1n, memberId: 2n, revision: 3n, raftTerm: 4n };
/** Values with lengths around those at which the length prefix gets longer. */
const items = [1, 2, 126, 127, 128, 129, 16_383, 16_384, 300_000].map((length, n) => new Uint8Array(length).fill(n));

const encodeAll = (parts: readonly Part[]): Buffer => Buffer.from(runAtOnce(encodeParts(parts, () => true)));

const range = { header, kvs: items, more: true, count: 12n };
const deleteRange = { header, deleted: 9n, prevKvs: items };

test("answers to Range and DeleteRange in slices have the bytes of the generated encoder", () => {
  for (const response of [range, { header, kvs: [], more: false, count: 0n }, { ...range, header: undefined }])
    assert.deepEqual(
      encodeAll(rangeParts(response, encodeHeader(response.header))),
      Buffer.from(RawRangeResponse.encode(response).finish()),
    );
  for (const response of [deleteRange, { header, deleted: 0n, prevKvs: [] }])
    assert.deepEqual(
      encodeAll(deleteRangeParts(response, encodeHeader(header))),
      Buffer.from(RawDeleteRangeResponse.encode(response).finish()),
    );
});

test("an answer to Range in pieces is the same as in one, and no piece but of one item takes long to copy", () => {
  const many = Array.from({ length: 10_000 }, (_, n) => new Uint8Array(100).fill(n));
  for (const kvs of [[], items, many, [...many, ...items, new Uint8Array(3_000_000)]]) {
    const response = { ...range, kvs };
    const head = encodeHeader(header);
    const list = { head, tag: rangeKvsTag, items: kvs, tail: encodeRangeEnd(response) };
    const pieces = runAtOnce(listPieces(list, () => true));
    const bytes = Buffer.concat(pieces.map((piece) => piece.toBytes()));
    assert.deepEqual(bytes, Buffer.from(RawRangeResponse.encode(response).finish()));
    for (const piece of pieces) {
      assert.equal(piece.length, piece.toBytes().length);
      assert.ok(piece.items.length <= 2_048);
      const largest = Math.max(0, ...piece.items.map(({ length }) => length));
      assert.ok(piece.length < 600_000 + 16 * (largest + 4), `${piece.length} bytes`);
    }
  }
});

test("answers to Txn in slices have the bytes of the generated encoder", () => {
  const inner: RawTxnResponse = {
    header,
    succeeded: false,
    responses: [{ response: { $case: "responseRange", value: range } }, { response: undefined }],
  };
  const response: RawTxnResponse = {
    header,
    succeeded: true,
    responses: [
      { response: { $case: "responsePut", value: { header, prevKv: items[4]! } } },
      { response: { $case: "responseDeleteRange", value: deleteRange } },
      { response: { $case: "responseTxn", value: inner } },
      { response: { $case: "responseRange", value: range } },
    ],
  };
  assert.deepEqual(
    encodeAll(txnParts(response, encodeHeader(header))),
    Buffer.from(RawTxnResponse.encode(response).finish()),
  );
  assert.equal(hasMany(response), true);
  assert.equal(hasMany({ ...response, responses: response.responses.slice(0, 1) }), false);
});

test("watch events, keys of a lease and leases in slices have the bytes of the generated encoder", () => {
  const events = RawWatchResponse.encode(RawWatchResponse.create({ events: items })).finish();
  assert.deepEqual(encodeAll(eventsParts(items)), Buffer.from(events));
  const keys = ["a", "\xff", "k".repeat(200)];
  const lease = LeaseTimeToLiveResponse.create({ keys: keys.map((key) => Buffer.from(key, "latin1")) });
  assert.deepEqual(
    Buffer.from(runAtOnce(encodeLeaseKeys(keys, () => true))),
    Buffer.from(LeaseTimeToLiveResponse.encode(lease).finish()),
  );
  const leases = [1n, -1n, 2n ** 62n].map((ID) => ({ ID }));
  const statuses = leases.map(({ ID }) => LeaseLeasesResponse.encode({ header: undefined, leases: [{ ID }] }).finish());
  assert.deepEqual(
    encodeAll(
      leasesParts(
        encodeHeader(header),
        statuses.map((status) => status.subarray(2)),
      ),
    ),
    Buffer.from(LeaseLeasesResponse.encode({ header, leases }).finish()),
  );
});

test("a thousand keys are encoded a hundred at a time", () => {
  const kvs = Array.from({ length: 1_000 }, () => new Uint8Array(10));
  assert.equal(areMany(kvs), true);
  let looked = 0;
  const work = encodeParts(rangeParts({ header, kvs, more: false, count: 1_000n }, encodeHeader(header)), (keys) => {
    looked += keys;
    if (looked < 100) return false;
    looked = 0;
    return true;
  });
  let slices = 1;
  while (work.next().done !== true) slices += 1;
  assert.ok(slices >= 10, `${slices} slices`);
});

test("few small items are encoded at once, many or large ones in slices", () => {
  assert.equal(areMany([]), false);
  assert.equal(areMany(Array.from({ length: 500 }, () => new Uint8Array(100))), false);
  assert.equal(areMany(Array.from({ length: 501 }, () => new Uint8Array(1))), true);
  assert.equal(areMany([new Uint8Array(300_000)]), true);
});
