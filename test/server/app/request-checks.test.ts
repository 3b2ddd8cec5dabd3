import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../../support/fast-check.js";
import {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
  type RequestOp,
} from "../../../proto/index.js";
import { ServerError } from "../../../server/base/errors.js";
import { KeyIntervals } from "../../../server/app/key-intervals.js";
import { checkDeleteRange, checkPut, checkRange, checkTxn } from "../../../server/app/request-checks.js";

const key = Buffer.from("k");
const put = (name: string, part: object = {}): RequestOp => ({
  request: { $case: "requestPut", value: PutRequest.fromPartial({ key: Buffer.from(name), ...part }) },
});
const del = (from: string, to = ""): RequestOp => ({
  request: {
    $case: "requestDeleteRange",
    value: DeleteRangeRequest.fromPartial({ key: Buffer.from(from), rangeEnd: Buffer.from(to) }),
  },
});
const get = (name: string, part: object = {}): RequestOp => ({
  request: { $case: "requestRange", value: RangeRequest.fromPartial({ key: Buffer.from(name), ...part }) },
});
const txn = (success: RequestOp[], failure: RequestOp[] = [], compares = 0): TxnRequest =>
  TxnRequest.fromPartial({
    success,
    failure,
    compare: Array.from({ length: compares }, () => Compare.fromPartial({ key })),
  });
const nestedOp = (success: RequestOp[], failure: RequestOp[] = []): RequestOp => ({
  request: { $case: "requestTxn", value: txn(success, failure) },
});

/** A value outside every enum. */
const unknown = 99 as never;

const outcome = (check: () => void): string => {
  try {
    check();
    return "ok";
  } catch (error) {
    assert.ok(error instanceof ServerError, String(error));
    return error.code;
  }
};

test("invalid single requests are refused with etcd's errors", () => {
  const rows: [what: string, check: () => void, expected: string][] = [
    ["a key is needed to read", () => checkRange(RangeRequest.fromPartial({})), "empty-key"],
    ["to put", () => checkPut(PutRequest.fromPartial({})), "empty-key"],
    ["to delete", () => checkDeleteRange(DeleteRangeRequest.fromPartial({})), "empty-key"],
    [
      "an unknown order",
      () => checkRange(RangeRequest.fromPartial({ key, sortOrder: unknown })),
      "invalid-sort-option",
    ],
    [
      "an unknown target",
      () => checkRange(RangeRequest.fromPartial({ key, sortTarget: unknown })),
      "invalid-sort-option",
    ],
    ["known ones", () => checkRange(RangeRequest.fromPartial({ key, sortOrder: 2, sortTarget: 4 })), "ok"],
    [
      "the key is checked before the order",
      () => checkRange(RangeRequest.fromPartial({ sortOrder: unknown })),
      "empty-key",
    ],
    [
      "keep and give a value",
      () => checkPut(PutRequest.fromPartial({ key, value: key, ignoreValue: true })),
      "value-provided",
    ],
    [
      "keep and give a lease",
      () => checkPut(PutRequest.fromPartial({ key, lease: 1n, ignoreLease: true })),
      "lease-provided",
    ],
    [
      "the value is checked before the lease",
      () => checkPut(PutRequest.fromPartial({ key, value: key, ignoreValue: true, lease: 1n, ignoreLease: true })),
      "value-provided",
    ],
    ["keep both", () => checkPut(PutRequest.fromPartial({ key, ignoreValue: true, ignoreLease: true })), "ok"],
  ];
  for (const [what, check, expected] of rows) assert.equal(outcome(check), expected, what);
});

const opsOf = (count: number, make: (n: number) => RequestOp = (n) => get(String(n))): RequestOp[] =>
  Array.from({ length: count }, (_, n) => make(n));

test("a transaction is refused for too many operations, and for the first operation that is malformed", () => {
  const rows: [what: string, request: TxnRequest, expected: string][] = [
    ["nothing at all", txn([]), "ok"],
    ["128 of each", txn(opsOf(128), opsOf(128), 128), "ok"],
    ["129 operations", txn(opsOf(129)), "too-many-operations"],
    ["129 in the other branch", txn([], opsOf(129)), "too-many-operations"],
    ["129 compares", txn([], [], 129), "too-many-operations"],
    ["127 operations leave one for the nested", txn([...opsOf(126), nestedOp([get("a")])]), "ok"],
    ["and no second one", txn([...opsOf(126), nestedOp([get("a"), get("b")])]), "too-many-operations"],
    ["compares, too, leave less", txn([nestedOp([get("a"), get("b")])], [], 127), "too-many-operations"],
    ["the count is checked before the keys", txn(opsOf(129, () => get(""))), "too-many-operations"],
    ["a compare needs a key", TxnRequest.fromPartial({ compare: [{}] }), "empty-key"],
    ["operations are checked like requests", txn([get("a", { sortOrder: 9 })]), "invalid-sort-option"],
    ["in both branches", txn([], [put("")]), "empty-key"],
    ["however deep", txn([nestedOp([], [nestedOp([put("a", { ignoreValue: true, value: key })])])]), "value-provided"],
    ["an empty operation", txn([{ request: undefined }]), "key-of-operation-missing"],
    ["every operation is checked before any duplicate", txn([put("a"), put("a"), put("")]), "empty-key"],
  ];
  for (const [what, request, expected] of rows)
    assert.equal(
      outcome(() => checkTxn(request, 128)),
      expected,
      what,
    );
});

test("the nesting of transactions is bounded, whatever the number of operations", () => {
  const txnOfDepth = (levels: number): TxnRequest =>
    levels === 1 ? txn([]) : txn([nestedOp([...txnOfDepth(levels - 1).success])]);
  checkTxn(txnOfDepth(129), 128);
  checkTxn(txnOfDepth(129), 1_000_000);
  for (const [levels, allowed] of [
    [130, 128],
    [130, 1_000_000],
  ] as const)
    assert.throws(() => checkTxn(txnOfDepth(levels), allowed), { code: "too-many-operations" });
});

test("a transaction that may write a key twice is refused, except in the cases that etcd misses", () => {
  const twice = "duplicate-key";
  const rows: [what: string, request: TxnRequest, expected: string][] = [
    ["two puts", txn([put("a"), put("a")]), twice],
    ["in the branch that will not run", txn([], [put("a"), put("a")]), twice],
    ["one in each branch", txn([put("a")], [put("a")]), "ok"],
    ["a put and a delete", txn([put("a"), del("a")]), twice],
    ["a delete and a put", txn([del("a"), put("a")]), twice],
    ["a put inside a deleted range", txn([del("a", "c"), put("b")]), twice],
    ["a put at the end of a deleted range", txn([del("a", "c"), put("c")]), "ok"],
    ["an empty range deletes nothing", txn([del("c", "a"), put("b")]), "ok"],
    ["deletes may overlap", txn([del("a", "c"), del("b", "d")]), "ok"],
    ["touching deletes cover what lies between", txn([del("a", "b"), del("b", "c"), put("b")]), twice],
    ["hole: an open-ended delete covers nothing", txn([del("a", "\0"), put("b")]), "ok"],
    ["a nested put and one of the parent", txn([nestedOp([put("a")]), put("a")]), twice],
    ["a nested put and a later delete of the parent", txn([nestedOp([put("a")]), del("a")]), twice],
    ["a nested delete and a put of the parent", txn([nestedOp([del("a")]), put("a")]), twice],
    ["then and else of one nested", txn([nestedOp([put("a")], [put("a")])]), "ok"],
    ["nested siblings", txn([nestedOp([put("a")]), nestedOp([put("a")])]), twice],
    ["nested siblings in different branches", txn([nestedOp([put("a")]), nestedOp([], [put("a")])]), twice],
    ["a sibling's delete, then a put", txn([nestedOp([del("a")]), nestedOp([put("a")])]), twice],
    ["hole: a nested put, then a sibling's delete", txn([nestedOp([put("a")]), nestedOp([del("a")])]), "ok"],
    ["two levels down", txn([nestedOp([nestedOp([put("a")])]), put("a")]), twice],
    ["reading what is written", txn([put("a"), get("a"), get("a")]), "ok"],
  ];
  for (const [what, request, expected] of rows)
    assert.equal(
      outcome(() => checkTxn(request, 128)),
      expected,
      what,
    );
});

test("a set of intervals covers a key if one of them does", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\0", "\xff"), maxLength: 3 });
  const interval = fc.tuple(text, text).filter(([from, to]) => from < to);
  fc.assert(
    fc.property(fc.array(interval), fc.array(interval), fc.array(text), (first, then, keys) => {
      const intervals = new KeyIntervals();
      const others = new KeyIntervals();
      const isCovered = (added: [string, string][], each: string): boolean =>
        added.some(([from, to]) => from <= each && each < to);
      for (const [from, to] of first) intervals.add(from, to);
      for (const each of keys) assert.equal(intervals.hasKey(each), isCovered(first, each));
      for (const [from, to] of then) others.add(from, to);
      intervals.addAll(others);
      for (const each of keys) assert.equal(intervals.hasKey(each), isCovered([...first, ...then], each));
    }),
  );
});
