import assert from "node:assert/strict";
import { test } from "node:test";
import { PutRequest, type RequestOp, TxnRequest } from "../../../proto/index.js";
import { putCost, txnCost } from "../../../server/app/write-cost.js";

const put = PutRequest.create({ key: Buffer.from("key"), value: Buffer.alloc(41) });
const operation = (value: PutRequest): RequestOp => ({ request: { $case: "requestPut", value } });

test("a put costs 256 bytes beside its key and value", () => {
  assert.equal(putCost(put), 300);
});

test("a transaction costs as much as the branch that costs more, with all that is nested", () => {
  const nested = TxnRequest.create({ success: [operation(put)], failure: [operation(put), operation(put)] });
  const txn = TxnRequest.create({
    success: [operation(put)],
    failure: [operation(put), { request: { $case: "requestTxn", value: nested } }],
  });
  assert.equal(txnCost(txn), 900);
});

test("a transaction that puts nothing costs nothing", () => {
  const { key } = put;
  const value = { key, rangeEnd: new Uint8Array(), prevKv: false };
  assert.equal(txnCost(TxnRequest.create({ success: [{ request: { $case: "requestDeleteRange", value } }] })), 0);
});
