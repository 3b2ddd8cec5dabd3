// Decodes the requests of the KV service, without copying.

import {
  type Compare,
  type Compare_CompareResult,
  type Compare_CompareTarget,
  CompactionRequest,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  type RangeRequest_SortOrder,
  type RangeRequest_SortTarget,
  type RequestOp,
  TxnRequest,
} from "../generated/etcdserverpb/kv.js";
import { decoder, type Fields, type Mutable, noBytes } from "./fields.js";

/** Maximum depth of nested transactions; deeper messages are odd. */
const maxDepth = 100;

const readRange = (fields: Fields): RangeRequest => {
  const message: Mutable<RangeRequest> = {
    key: noBytes,
    rangeEnd: noBytes,
    limit: 0n,
    revision: 0n,
    sortOrder: 0,
    sortTarget: 0,
    serializable: false,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0n,
    maxModRevision: 0n,
    minCreateRevision: 0n,
    maxCreateRevision: 0n,
  };
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    if (tag === 10) message.key = fields.bytes();
    else if (tag === 18) message.rangeEnd = fields.bytes();
    else if (tag === 24) message.limit = fields.int64();
    else if (tag === 32) message.revision = fields.int64();
    else if (tag === 40) message.sortOrder = fields.kind() as RangeRequest_SortOrder;
    else if (tag === 48) message.sortTarget = fields.kind() as RangeRequest_SortTarget;
    else if (tag === 56) message.serializable = fields.bool();
    else if (tag === 64) message.keysOnly = fields.bool();
    else if (tag === 72) message.countOnly = fields.bool();
    else if (tag === 80) message.minModRevision = fields.int64();
    else if (tag === 88) message.maxModRevision = fields.int64();
    else if (tag === 96) message.minCreateRevision = fields.int64();
    else if (tag === 104) message.maxCreateRevision = fields.int64();
    else fields.markOdd();
  }
  return message;
};

export const readPut = (fields: Fields): PutRequest => {
  const message: Mutable<PutRequest> = {
    key: noBytes,
    value: noBytes,
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  };
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    if (tag === 10) message.key = fields.bytes();
    else if (tag === 18) message.value = fields.bytes();
    else if (tag === 24) message.lease = fields.int64();
    else if (tag === 32) message.prevKv = fields.bool();
    else if (tag === 40) message.ignoreValue = fields.bool();
    else if (tag === 48) message.ignoreLease = fields.bool();
    else fields.markOdd();
  }
  return message;
};

export const readDeleteRange = (fields: Fields): DeleteRangeRequest => {
  const message: Mutable<DeleteRangeRequest> = { key: noBytes, rangeEnd: noBytes, prevKv: false };
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    if (tag === 10) message.key = fields.bytes();
    else if (tag === 18) message.rangeEnd = fields.bytes();
    else if (tag === 24) message.prevKv = fields.bool();
    else fields.markOdd();
  }
  return message;
};

const readCompare = (fields: Fields): Compare => {
  const message: Mutable<Compare> = { result: 0, target: 0, key: noBytes, targetUnion: undefined, rangeEnd: noBytes };
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    if (tag === 8) message.result = fields.kind() as Compare_CompareResult;
    else if (tag === 16) message.target = fields.kind() as Compare_CompareTarget;
    else if (tag === 26) message.key = fields.bytes();
    else if (tag === 32) message.targetUnion = { $case: "version", value: fields.int64() };
    else if (tag === 40) message.targetUnion = { $case: "createRevision", value: fields.int64() };
    else if (tag === 48) message.targetUnion = { $case: "modRevision", value: fields.int64() };
    else if (tag === 58) message.targetUnion = { $case: "value", value: fields.bytes() };
    else if (tag === 64) message.targetUnion = { $case: "lease", value: fields.int64() };
    else if (tag === 514) message.rangeEnd = fields.bytes();
    else fields.markOdd();
  }
  return message;
};

const readOperation = (fields: Fields, depth: number): RequestOp => {
  let request: RequestOp["request"];
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    const outerEnd = fields.enter();
    if (tag === 10) request = { $case: "requestRange", value: readRange(fields) };
    else if (tag === 18) request = { $case: "requestPut", value: readPut(fields) };
    else if (tag === 26) request = { $case: "requestDeleteRange", value: readDeleteRange(fields) };
    else if (tag === 34) request = { $case: "requestTxn", value: readTxn(fields, depth + 1) };
    else fields.markOdd();
    fields.leave(outerEnd);
  }
  return { request };
};

/** @param depth the number of enclosing transactions */
export const readTxn = (fields: Fields, depth = 0): TxnRequest => {
  const [compare, success, failure]: [Compare[], RequestOp[], RequestOp[]] = [[], [], []];
  if (depth > maxDepth) fields.markOdd();
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    const outerEnd = fields.enter();
    if (tag === 10) compare.push(readCompare(fields));
    else if (tag === 18) success.push(readOperation(fields, depth));
    else if (tag === 26) failure.push(readOperation(fields, depth));
    else fields.markOdd();
    fields.leave(outerEnd);
  }
  return { compare, success, failure };
};

export const readCompaction = (fields: Fields): CompactionRequest => {
  const message: Mutable<CompactionRequest> = { revision: 0n, physical: false };
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    if (tag === 8) message.revision = fields.int64();
    else if (tag === 16) message.physical = fields.bool();
    else fields.markOdd();
  }
  return message;
};

export const rangeRequestDecoder = decoder(readRange, RangeRequest);
export const putRequestDecoder = decoder(readPut, PutRequest);
export const deleteRangeRequestDecoder = decoder(readDeleteRange, DeleteRangeRequest);
export const txnRequestDecoder = decoder(readTxn, TxnRequest);
export const compactionRequestDecoder = decoder(readCompaction, CompactionRequest);
