// The hand-written codecs against the generated code: equal on messages that clients send, and on arbitrary ones.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "../support/fast-check.js";
import {
  Calls,
  CompactionRequest,
  compactionRequestDecoder,
  decodeCalls,
  decodeProposal,
  DeleteRangeRequest,
  deleteRangeRequestDecoder,
  deleteRangeRequestEncoder,
  encodeCalls,
  encodeDeleteRangeResponse,
  encodeEvent,
  encodeLeaseResponse,
  encodeProposal,
  encodePutResponse,
  encodeRangeEnd,
  encodeRangeResponse,
  encodeTxnResponse,
  HeaderEncoder,
  type KeyValue,
  LeaseKeepAliveResponse,
  Proposal,
  PutRequest,
  putRequestDecoder,
  putRequestEncoder,
  PutResponse,
  putResponseDecoder,
  RangeRequest,
  rangeRequestDecoder,
  rangeRequestEncoder,
  RangeResponse,
  rangeResponseDecoder,
  RawDeleteRangeResponse,
  RawEvent,
  RawPutResponse,
  RawRangeResponse,
  type RawResponseOp,
  RawTxnResponse,
  type RequestOp,
  type ResponseHeader,
  TxnRequest,
  txnRequestDecoder,
  txnRequestEncoder,
} from "../../proto/index.js";

const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true });

const edges64 = [0n, 1n, 127n, 128n, 2n ** 28n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 56n, 2n ** 62n];
const int64 = fc.oneof(
  fc.constantFrom(...edges64, ...edges64.map((edge) => -edge), ...edges64.map((edge) => edge - 1n), -(2n ** 63n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: 0n, max: 1000n }),
);
const uint64 = int64.map((value) => BigInt.asUintN(64, value));
const counter = fc.oneof(
  fc.nat(300),
  fc.nat(),
  fc.maxSafeNat().map((value) => Math.floor(value / 16)),
);
const bytes = fc
  .oneof(
    { weight: 9, arbitrary: fc.uint8Array({ maxLength: 20 }) },
    fc.constantFrom(127, 128, 300, 20_000).map((length) => new Uint8Array(length).fill(7)),
  )
  .map((given) => Uint8Array.from(given));
const bool = fc.boolean();
const kind = fc.constantFrom(0, 1, 2, 3, 4, 99, -1) as fc.Arbitrary<never>;

const range = record<RangeRequest>({
  ...{ key: bytes, rangeEnd: bytes, limit: int64, revision: int64, sortOrder: kind, sortTarget: kind },
  ...{ serializable: bool, keysOnly: bool, countOnly: bool, minModRevision: int64, maxModRevision: int64 },
  ...{ minCreateRevision: int64, maxCreateRevision: int64 },
});
const put = record<PutRequest>({
  ...{ key: bytes, value: bytes, lease: int64, prevKv: bool, ignoreValue: bool, ignoreLease: bool },
});
const deleteRange = record<DeleteRangeRequest>({ key: bytes, rangeEnd: bytes, prevKv: bool });
const numberOperand = ($case: "version" | "createRevision" | "modRevision" | "lease") =>
  record({ $case: fc.constant($case), value: int64 });
const operand = fc.oneof(
  ...[numberOperand("version"), numberOperand("createRevision"), numberOperand("modRevision"), numberOperand("lease")],
  record({ $case: fc.constant("value" as const), value: bytes }),
  fc.constant(undefined),
);
const compare = record({ result: kind, target: kind, key: bytes, targetUnion: operand, rangeEnd: bytes });
const { txn } = fc.letrec<{ txn: TxnRequest; operations: RequestOp[] }>((tie) => ({
  txn: record<TxnRequest>({
    compare: fc.array(compare, { maxLength: 3 }),
    success: tie("operations"),
    failure: tie("operations"),
  }),
  operations: fc.array(
    fc.oneof(
      { maxDepth: 2 },
      ...[range.map((value) => ({ request: { $case: "requestRange" as const, value } }))],
      put.map((value) => ({ request: { $case: "requestPut" as const, value } })),
      deleteRange.map((value) => ({ request: { $case: "requestDeleteRange" as const, value } })),
      fc.constant({ request: undefined }),
      tie("txn").map((value) => ({ request: { $case: "requestTxn" as const, value } })),
    ),
    { maxLength: 3 },
  ),
}));
const compaction = record<CompactionRequest>({ revision: int64, physical: bool });

interface Generated<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

interface Decoder<Message> {
  decode(bytes: Uint8Array): Message;
}

/** Returns the decoded value with all bytes in one class, or that decoding fails. */
const outcome = (decode: () => unknown): unknown => {
  try {
    return plainOf(decode());
  } catch {
    return "fails";
  }
};

const plainOf = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(plainOf);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plainOf(field)]));
};

/** Compares the two decoders on messages, concatenated messages (repeated fields, in any order), and truncated and damaged ones. */
const compareDecoders = <Message>(
  decoder: Decoder<Message>,
  generated: Generated<Message>,
  messages: fc.Arbitrary<Message>,
): void => {
  const assertSameDecoding = (given: Uint8Array): void =>
    assert.deepEqual(
      outcome(() => decoder.decode(given)),
      outcome(() => generated.decode(given)),
    );
  fc.assert(
    fc.property(messages, messages, fc.nat(), fc.nat(255), bytesOfFields, (one, other, position, byte, unknown) => {
      const first = generated.encode(one).finish();
      const second = generated.encode(other).finish();
      assertSameDecoding(first);
      assertSameDecoding(Buffer.concat([first, second]));
      assertSameDecoding(Buffer.concat([first, unknown, second]));
      assertSameDecoding(first.subarray(0, position % (first.length + 1)));
      if (first.length > 0) assertSameDecoding(first.with(position % first.length, byte));
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), assertSameDecoding));
};

/** Fields that no message has, and known fields with a wrong wire type. */
const bytesOfFields = fc.oneof(
  fc.constantFrom(
    ...[[0xa0, 0x06, 0x05], [0x0d, 1, 2, 3, 4], [0x0c], [0x0b, 0x0c], [0x00], [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]].map(
      (field) => Uint8Array.from(field),
    ),
  ),
  fc.uint8Array({ maxLength: 12 }),
);

describe("requests are decoded as by the generated code", () => {
  test("Range", () => compareDecoders(rangeRequestDecoder, RangeRequest, range));
  test("Put", () => compareDecoders(putRequestDecoder, PutRequest, put));
  test("DeleteRange", () => compareDecoders(deleteRangeRequestDecoder, DeleteRangeRequest, deleteRange));
  test("Txn", () => compareDecoders(txnRequestDecoder, TxnRequest, txn));
  test("Compact", () => compareDecoders(compactionRequestDecoder, CompactionRequest, compaction));

  test("a transaction as deep as the generated code allows", () => {
    let nested: TxnRequest = { compare: [], success: [], failure: [] };
    for (let depth = 0; depth < 300; depth++)
      nested = { compare: [], success: [{ request: { $case: "requestTxn", value: nested } }], failure: [] };
    const encoded = TxnRequest.encode(nested).finish();
    assert.deepEqual(txnRequestDecoder.decode(encoded), TxnRequest.decode(encoded));
  });

  test("bytes are not copied", () => {
    const encoded = PutRequest.encode(PutRequest.create({ key: Uint8Array.of(1, 2) })).finish();
    assert.equal(putRequestDecoder.decode(encoded).key.buffer, encoded.buffer);
  });
});

describe("requests are encoded as by the generated code", () => {
  const check = <Request>(
    encoder: { encode(request: Request): Uint8Array },
    generated: Generated<Request>,
    requests: fc.Arbitrary<Request>,
  ): void =>
    fc.assert(
      fc.property(requests, (request) =>
        assert.deepEqual(Buffer.from(encoder.encode(request)), Buffer.from(generated.encode(request).finish())),
      ),
    );

  test("Range", () => check(rangeRequestEncoder, RangeRequest, range));
  test("Put", () => check(putRequestEncoder, PutRequest, put));
  test("DeleteRange", () => check(deleteRangeRequestEncoder, DeleteRangeRequest, deleteRange));
  test("Txn", () => check(txnRequestEncoder, TxnRequest, txn));

  test("a number that is no int64 is refused", () => {
    for (const lease of [2n ** 63n, -(2n ** 63n) - 1n, 5 as never, "5" as never])
      assert.throws(() => putRequestEncoder.encode({ ...PutRequest.create({}), lease }), /Cannot encode/);
  });
});

const command = fc.oneof(
  put.map((value) => ({ $case: "put" as const, value })),
  deleteRange.map((value) => ({ $case: "deleteRange" as const, value })),
  txn.map((value) => ({ $case: "txn" as const, value })),
  compaction.map((value) => ({ $case: "compact" as const, value })),
  record({ $case: fc.constant("leaseGrant" as const), value: record({ TTL: int64, ID: int64 }) }),
);
const numbers = { member: uint64, incarnation: counter, sequence: counter, floor: counter };
const user = fc.option(
  record({ name: fc.string({ unit: "grapheme", maxLength: 20 }), revision: fc.nat().map((n) => BigInt(n) + 1n) }),
  { nil: undefined },
);

describe("proposals", () => {
  test("are encoded as by the generated code, and come back", () => {
    fc.assert(
      fc.property(record(numbers), command, user, (given, proposed, by) => {
        const { member, incarnation, sequence, floor } = given;
        const encoded = encodeProposal({ ...given, user: by, command: proposed });
        const counters = { incarnation: BigInt(incarnation), sequence: BigInt(sequence), floor: BigInt(floor) };
        const who = { user: by?.name ?? "", authRevision: by?.revision ?? 0n };
        const expected = Proposal.encode({ member, ...counters, ...who, command: proposed }).finish();
        assert.deepEqual(Buffer.from(encoded), Buffer.from(expected));
        assert.deepEqual(
          outcome(() => decodeProposal(encoded)),
          outcome(() => ({ ...given, user: by, command: proposed })),
        );
      }),
    );
  });

  test("plain puts of all short lengths are encoded as by the generated code", () => {
    const idsOf = (n: number) => ({ member: 7n, incarnation: 3, sequence: 1 + n * 300, floor: n });
    for (let keyLength = 1; keyLength < 140; keyLength++)
      for (const valueLength of [0, 1, 5, 63, 122 - keyLength, 123 - keyLength, 124 - keyLength, 130]) {
        if (valueLength < 0) continue;
        const given = idsOf(keyLength + valueLength);
        const value = {
          ...{ key: new Uint8Array(keyLength).fill(200), value: new Uint8Array(valueLength).fill(7), lease: 0n },
          ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
        };
        const proposed = { $case: "put" as const, value };
        const encoded = encodeProposal({ ...given, user: undefined, command: proposed });
        const { member, incarnation, sequence, floor } = given;
        const counters = { incarnation: BigInt(incarnation), sequence: BigInt(sequence), floor: BigInt(floor) };
        const expected = Proposal.encode(Proposal.create({ member, ...counters, command: proposed })).finish();
        assert.deepEqual(Buffer.from(encoded), Buffer.from(expected), `${keyLength} ${valueLength}`);
      }
  });

  test("damaged proposals are refused as by the generated code", () => {
    fc.assert(
      fc.property(record(numbers), command, user, fc.nat(), fc.nat(255), (given, proposed, by, position, byte) => {
        const encoded = encodeProposal({ ...given, user: by, command: proposed });
        const damaged = encoded.with(position % encoded.length, byte);
        assert.deepEqual(
          outcome(() => decodeProposal(damaged)),
          outcome(() => {
            const { incarnation, sequence, floor, user: name, authRevision, ...rest } = Proposal.decode(damaged);
            const counters = { incarnation: Number(incarnation), sequence: Number(sequence), floor: Number(floor) };
            return { ...rest, ...counters, user: authRevision === 0n ? undefined : { name, revision: authRevision } };
          }),
        );
      }),
    );
  });
});

const calls: fc.Arbitrary<Calls> = (() => {
  const renewal = record({ $case: fc.constant("renewLease" as const), value: int64 });
  const query = record({ $case: fc.constant("queryLease" as const), value: record({ lease: int64, keys: bool }) });
  const info = record({ grantedSeconds: int64, remainingSeconds: int64, encodedKeys: bytes });
  const answer = record({ $case: fc.constant("queryLease" as const), value: info });
  const requests = record({ number: uint64, request: fc.oneof(renewal, renewal, query, fc.constant(undefined)) });
  const responses = record({ number: uint64, response: fc.oneof(renewal, renewal, answer, fc.constant(undefined)) });
  return record({ requests: fc.array(requests, { maxLength: 4 }), responses: fc.array(responses, { maxLength: 4 }) });
})();

describe("calls between members", () => {
  test("are encoded as by the generated code", () =>
    fc.assert(
      fc.property(calls, (given) => {
        assert.deepEqual(Buffer.from(encodeCalls(given)), Buffer.from(Calls.encode(given).finish()));
      }),
    ));
  test("are decoded as by the generated code", () => compareDecoders({ decode: decodeCalls }, Calls, calls));
});

const header = record<ResponseHeader>({ clusterId: uint64, memberId: uint64, revision: int64, raftTerm: uint64 });
const noHeader = fc.constant(undefined);
const optionalHeader = fc.option(header, { nil: undefined });
const keyValue = record<KeyValue>({
  ...{ key: bytes, createRevision: int64, modRevision: int64, version: int64, value: bytes, lease: int64 },
});

describe("responses are decoded as by the generated code", () => {
  test("Put", () => {
    const responses = record<PutResponse>({ header: optionalHeader, prevKv: fc.option(keyValue, { nil: undefined }) });
    compareDecoders(putResponseDecoder, PutResponse, responses);
  });
  test("Range", () => {
    const kvs = fc.array(keyValue, { maxLength: 4 });
    compareDecoders(
      rangeResponseDecoder,
      RangeResponse,
      record<RangeResponse>({ header: optionalHeader, kvs, more: bool, count: int64 }),
    );
  });
});

const items = fc.array(bytes, { maxLength: 4 });
const rangeResponse = (headers: fc.Arbitrary<ResponseHeader | undefined>) =>
  record<RawRangeResponse>({ header: headers, kvs: items, more: bool, count: int64 });
const putResponse = (headers: fc.Arbitrary<ResponseHeader | undefined>) =>
  record<RawPutResponse>({ header: headers, prevKv: bytes });
const deleteRangeResponse = (headers: fc.Arbitrary<ResponseHeader | undefined>) =>
  record<RawDeleteRangeResponse>({ header: headers, deleted: int64, prevKvs: items });
const { txnResponse } = fc.letrec<{ txnResponse: RawTxnResponse; nested: RawTxnResponse; operations: RawResponseOp[] }>(
  (tie) => ({
    txnResponse: record<RawTxnResponse>({ header: noHeader, succeeded: bool, responses: tie("operations") }),
    nested: record<RawTxnResponse>({ header, succeeded: bool, responses: tie("operations") }),
    operations: fc.array(
      fc.oneof(
        { maxDepth: 2 },
        ...[rangeResponse(header).map((value) => ({ response: { $case: "responseRange" as const, value } }))],
        putResponse(header).map((value) => ({ response: { $case: "responsePut" as const, value } })),
        deleteRangeResponse(noHeader).map((value) => ({ response: { $case: "responseDeleteRange" as const, value } })),
        fc.constant({ response: undefined }),
        tie("nested").map((value) => ({ response: { $case: "responseTxn" as const, value } })),
      ),
      { maxLength: 3 },
    ),
  }),
);

describe("responses are encoded as by the generated code", () => {
  const ids = { clusterId: 2n ** 64n - 2n, memberId: 0x8e9e_05c5_2164_694dn };
  const encoder = new HeaderEncoder(ids.clusterId, ids.memberId);
  /** Encodes with a header; a response without content is the header itself. */
  const check = <Response>(
    generated: Generated<Response>,
    responses: fc.Arbitrary<Response>,
    encode: (response: Response, header: Uint8Array) => Uint8Array,
  ): void =>
    fc.assert(
      fc.property(responses, counter, counter, (response, revision, term) => {
        const own = { ...ids, revision: BigInt(revision), raftTerm: BigInt(term) };
        const expected = generated.encode({ ...response, header: own }).finish();
        assert.deepEqual(Buffer.from(encode(response, encoder.encode(revision, term))), Buffer.from(expected));
      }),
    );

  test("Range", () => check(RawRangeResponse, rangeResponse(noHeader), encodeRangeResponse));
  test("Put", () => check(RawPutResponse, putResponse(noHeader), encodePutResponse));
  test("DeleteRange", () => check(RawDeleteRangeResponse, deleteRangeResponse(noHeader), encodeDeleteRangeResponse));
  test("Txn", () => check(RawTxnResponse, txnResponse, encodeTxnResponse));
  test("LeaseKeepAlive", () =>
    check(
      LeaseKeepAliveResponse,
      record<LeaseKeepAliveResponse>({ header: noHeader, ID: int64, TTL: int64 }),
      ({ ID, TTL }, own) => encodeLeaseResponse(ID, TTL, own),
    ));
  test("the end of a Range", () =>
    fc.assert(
      fc.property(rangeResponse(noHeader), (response) => {
        const expected = RawRangeResponse.encode({ ...response, kvs: [] }).finish();
        assert.deepEqual(Buffer.from(encodeRangeEnd(response)), Buffer.from(expected));
      }),
    ));

  test("an Event", () =>
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array(), fc.uint8Array(), (isDelete, kv, prevKv) => {
        const expected = RawEvent.encode({ type: isDelete ? 1 : 0, kv, prevKv }).finish();
        assert.deepEqual(Buffer.from(encodeEvent(isDelete, kv, prevKv)), Buffer.from(expected));
      }),
    ));

  test("a header is encoded once for many responses of a revision", () => {
    assert.equal(encoder.encode(7, 2), encoder.encode(7, 2));
    assert.notDeepEqual(encoder.encode(7, 2), encoder.encode(8, 2));
  });
});
