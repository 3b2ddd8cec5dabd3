// Properties of all messages: 64-bit values, enum numbers and fields of a newer version, and bytes that are not a message.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "../support/fast-check.js";
import {
  AppliedMarker,
  SeenProposals,
  Compare,
  Event,
  KVDefinition,
  KeyValue,
  LeaseGrantRequest,
  Proposal,
  rangeRequestDecoder,
  RangeRequest,
  RangeRequest_SortTarget,
  RangeResponse,
  RawDeleteRangeResponse,
  RawEvent,
  RawRangeResponse,
  RawTxnResponse,
  DeleteRangeResponse,
  ResponseHeader,
  TxnRequest,
  TxnResponse,
  WatchDefinition,
} from "../../proto/index.js";

const bytes = fc.uint8Array({ maxLength: 20 }).map((given) => Uint8Array.from(given));
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const key = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((given) => Uint8Array.from(given));
const keyValue = fc.record(
  { key, createRevision: int64, modRevision: int64, version: int64, value: bytes, lease: int64 },
  { noNullPrototype: true },
);

describe("64-bit numbers", () => {
  test("an id comes back with every bit", () => {
    fc.assert(
      fc.property(uint64, uint64, int64, (clusterId, memberId, revision) => {
        const header = { clusterId, memberId, revision, raftTerm: 0n };
        assert.deepEqual(ResponseHeader.decode(ResponseHeader.encode(header).finish()), header);
      }),
    );
  });

  test("an id with more than 64 bits is refused, not truncated", () => {
    assert.throws(() => LeaseGrantRequest.encode({ TTL: 1n, ID: 2n ** 63n }).finish(), /too large/);
    assert.throws(() => ResponseHeader.encode(ResponseHeader.create({ memberId: -1n })).finish(), /too large/);
  });
});

test("a key with all its fields comes back", () => {
  fc.assert(fc.property(keyValue, (kv) => assert.deepEqual(KeyValue.decode(KeyValue.encode(kv).finish()), kv)));
});

describe("a message of a newer client", () => {
  test("an unknown enum number stays that number", () => {
    const sent = Uint8Array.of(0x0a, 0x01, 0x61, 0x30, 0x63); // key "a", sort_target 99
    const request = RangeRequest.decode(sent);
    assert.equal(request.sortTarget, 99);
    assert.deepEqual(RangeRequest.encode(request).finish(), sent);
    assert.ok(!Object.values<number>(RangeRequest_SortTarget).includes(99));
  });

  test("unknown fields of each kind are skipped", () => {
    const unknown = [
      [0xa0, 0x06, 0xff, 0x01], // 100: varint
      [0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8], // 100: 64 bits
      [0xa2, 0x06, 0x02, 0x61, 0x62], // 100: bytes
      [0xa5, 0x06, 1, 2, 3, 4], // 100: 32 bits
    ];
    for (const field of unknown) {
      const request = RangeRequest.decode(Uint8Array.of(0x0a, 0x01, 0x61, ...field, 0x18, 0x05));
      assert.equal(Buffer.from(request.key).toString(), "a");
      assert.equal(request.limit, 5n);
    }
  });
});

describe("a malformed message", () => {
  test("a message that ends within a field is an error", () => {
    assert.throws(() => RangeRequest.decode(Uint8Array.of(0x0a, 0x05, 0x61)));
    assert.throws(() => RangeRequest.decode(Uint8Array.of(0x18, 0xff)));
  });

  const nestedBytes = (depth: number): Uint8Array => {
    let inner: Uint8Array = TxnRequest.encode(TxnRequest.create()).finish();
    for (let level = 0; level < depth; level++) {
      const operation = lengthDelimited(4, inner); // RequestOp.request_txn
      inner = lengthDelimited(2, operation); // TxnRequest.success
    }
    return inner;
  };

  test("a stray tag, or a field beyond the end of its message, is an error", () => {
    const malformed = {
      "field 0": [0x0a, 1, 97, 0x00],
      "field 0 with bytes": [0x0a, 1, 97, 0x02, 0x00],
      "the end of a group that has not begun": [0x0a, 1, 97, 0x0c],
      "a tag of no kind": [0x0a, 1, 97, 0x0f, 1],
    };
    for (const [what, bytes] of Object.entries(malformed)) {
      assert.throws(() => RangeRequest.decode(Uint8Array.from(bytes)), Error, what);
      assert.throws(() => rangeRequestDecoder.decode(Uint8Array.from(bytes)), Error, what);
    }
    // A compare of one byte, in which a key of two bytes begins.
    assert.throws(() => TxnRequest.decode(Uint8Array.of(0x0a, 1, 0x1a, 2, 97, 97)));
    assert.deepEqual(RangeRequest.decode(Uint8Array.of(0x0a, 1, 97, 0xc3, 0x3e, 0xc4, 0x3e)).key, Uint8Array.of(97));
  });

  test("nested transactions are decoded to beyond the depth that a server accepts", () => {
    for (const depth of [50, 128, 500, 1_249]) assert.equal(TxnRequest.decode(nestedBytes(depth)).success.length, 1);
  });

  test("endlessly nested transactions are an error, not a stack overflow", () => {
    assert.throws(() => TxnRequest.decode(nestedBytes(5_000)), /recursion limit/);
  });
});

/** A field that holds bytes or a message. */
const lengthDelimited = (field: number, content: Uint8Array): Uint8Array => {
  const head = [(field << 3) | 2];
  let rest = content.length;
  for (; rest > 0x7f; rest >>>= 7) head.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Uint8Array.of(...head, rest), content]);
};

describe("raw twins: keys that are encoded already", () => {
  const header = { clusterId: 1n, memberId: 2n, revision: 3n, raftTerm: 4n };
  const encode = (kv: KeyValue) => KeyValue.encode(kv).finish();

  test("a range's answer reads as the real message", () => {
    fc.assert(
      fc.property(fc.array(keyValue, { maxLength: 3 }), int64, fc.boolean(), (kvs, count, more) => {
        const raw = RawRangeResponse.encode({ header, kvs: kvs.map(encode), more, count }).finish();
        assert.deepEqual(RangeResponse.decode(raw), { header, kvs, more, count });
        assert.deepEqual(raw, RangeResponse.encode({ header, kvs, more, count }).finish());
      }),
    );
  });

  test("a transaction's answer reads as the real message, with each kind of operation inside", () => {
    fc.assert(
      fc.property(keyValue, (kv) => {
        const raw = RawTxnResponse.encode({
          header,
          succeeded: true,
          responses: [
            { response: { $case: "responseRange", value: { header, kvs: [encode(kv)], more: false, count: 1n } } },
            { response: { $case: "responsePut", value: { header, prevKv: encode(kv) } } },
            { response: { $case: "responseDeleteRange", value: { header, deleted: 1n, prevKvs: [encode(kv)] } } },
            { response: { $case: "responseTxn", value: { header, succeeded: false, responses: [] } } },
          ],
        }).finish();
        assert.deepEqual(TxnResponse.decode(raw), {
          header,
          succeeded: true,
          responses: [
            { response: { $case: "responseRange", value: { header, kvs: [kv], more: false, count: 1n } } },
            { response: { $case: "responsePut", value: { header, prevKv: kv } } },
            { response: { $case: "responseDeleteRange", value: { header, deleted: 1n, prevKvs: [kv] } } },
            { response: { $case: "responseTxn", value: { header, succeeded: false, responses: [] } } },
          ],
        });
      }),
    );
  });

  test("a deletion's answer and an event read as the real message; empty bytes are an absent key", () => {
    const kv = KeyValue.create({ key: Uint8Array.of(1), modRevision: 5n });
    const deleted = RawDeleteRangeResponse.encode({ header, deleted: 1n, prevKvs: [encode(kv)] }).finish();
    assert.deepEqual(DeleteRangeResponse.decode(deleted), { header, deleted: 1n, prevKvs: [kv] });
    const event = RawEvent.encode({ type: 1, kv: encode(kv), prevKv: new Uint8Array() }).finish();
    assert.deepEqual(Event.decode(event), { type: 1, kv, prevKv: undefined });
  });
});

describe("entries of the log and the store's marker", () => {
  test("a proposal comes back with its numbers and its command", () => {
    const compare = Compare.create({ key: Uint8Array.of(1), targetUnion: { $case: "lease", value: -1n } });
    const value = TxnRequest.create({ compare: [compare] });
    const numbers = { member: 2n ** 64n - 1n, incarnation: 3n, sequence: 2n ** 60n, floor: 1n };
    const proposal = { ...numbers, user: "u", authRevision: 7n, command: { $case: "txn" as const, value } };
    assert.deepEqual(Proposal.decode(Proposal.encode(proposal).finish()), proposal);
  });

  test("a marker and the proposals seen of a member come back as they were", () => {
    const marker = { index: 10n, term: 2n };
    assert.deepEqual(AppliedMarker.decode(AppliedMarker.encode(marker).finish()), marker);
    const seen = { incarnation: 1n, floor: 5n, bitmap: Uint8Array.of(0, 255) };
    assert.deepEqual(SeenProposals.decode(SeenProposals.encode(seen).finish()), seen);
  });
});

test("services are named as on the wire", () => {
  assert.equal(`/${KVDefinition.fullName}/${KVDefinition.methods.deleteRange.name}`, "/etcdserverpb.KV/DeleteRange");
  const { watch } = WatchDefinition.methods;
  assert.deepEqual([watch.requestStream, watch.responseStream], [true, true]);
});
