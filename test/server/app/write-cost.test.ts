import assert from "node:assert/strict";
import { test } from "node:test";
import { PutRequest, type RequestOp, TxnRequest } from "../../../proto/index.js";
import { putCost, txnCost } from "../../../server/app/write-cost.js";

const put = PutRequest.create({ key: Buffer.from("key"), value: Buffer.alloc(41) });
const operation = (value: PutRequest): RequestOp => ({ request: { $case: "requestPut", value } });

test("the cost of a put is 256 bytes more than its key and value", () => {
  assert.equal(putCost(put), 300);
});

test("the cost of a transaction is that of its more expensive branch, nested transactions included", () => {
  const nested = TxnRequest.create({ success: [operation(put)], failure: [operation(put), operation(put)] });
  const txn = TxnRequest.create({
    success: [operation(put)],
    failure: [operation(put), { request: { $case: "requestTxn", value: nested } }],
  });
  assert.equal(txnCost(txn), 900);
});

test("the cost of a transaction without a put is 0", () => {
  const { key } = put;
  const value = { key, rangeEnd: new Uint8Array(), prevKv: false };
  assert.equal(txnCost(TxnRequest.create({ success: [{ request: { $case: "requestDeleteRange", value } }] })), 0);
});
