// Decodes the responses of the KV service that clients read most often, without copying.

import { PutResponse, RangeResponse } from "../generated/etcdserverpb/kv.js";
import type { ResponseHeader } from "../generated/etcdserverpb/header.js";
import type { KeyValue } from "../generated/mvccpb/kv.js";
import { decoder, type Fields, type Mutable, noBytes } from "./fields.js";

const readHeader = (fields: Fields): ResponseHeader => {
  const header: Mutable<ResponseHeader> = { clusterId: 0n, memberId: 0n, revision: 0n, raftTerm: 0n };
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    if (tag === 8) header.clusterId = fields.uint64();
    else if (tag === 16) header.memberId = fields.uint64();
    else if (tag === 24) header.revision = fields.int64();
    else if (tag === 32) header.raftTerm = fields.uint64();
    else fields.markOdd();
  }
  return header;
};

const readKeyValue = (fields: Fields): KeyValue => {
  const kv: Mutable<KeyValue> = {
    key: noBytes,
    createRevision: 0n,
    modRevision: 0n,
    version: 0n,
    value: noBytes,
    lease: 0n,
  };
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    if (tag === 10) kv.key = fields.bytes();
    else if (tag === 16) kv.createRevision = fields.int64();
    else if (tag === 24) kv.modRevision = fields.int64();
    else if (tag === 32) kv.version = fields.int64();
    else if (tag === 42) kv.value = fields.bytes();
    else if (tag === 48) kv.lease = fields.int64();
    else fields.markOdd();
  }
  return kv;
};

const readPutResponse = (fields: Fields): PutResponse => {
  const response: Mutable<PutResponse> = { header: undefined, prevKv: undefined };
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    const outerEnd = fields.enter();
    if (tag === 10) response.header = readHeader(fields);
    else if (tag === 18) response.prevKv = readKeyValue(fields);
    else fields.markOdd();
    fields.leave(outerEnd);
  }
  return response;
};

const readRangeResponse = (fields: Fields): RangeResponse => {
  const kvs: KeyValue[] = [];
  const response: Mutable<RangeResponse> = { header: undefined, kvs, more: false, count: 0n };
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    if (tag === 24) response.more = fields.bool();
    else if (tag === 32) response.count = fields.int64();
    else {
      const outerEnd = fields.enter();
      if (tag === 10) response.header = readHeader(fields);
      else if (tag === 18) kvs.push(readKeyValue(fields));
      else fields.markOdd();
      fields.leave(outerEnd);
    }
  }
  return response;
};

export const putResponseDecoder = decoder(readPutResponse, PutResponse);
export const rangeResponseDecoder = decoder(readRangeResponse, RangeResponse);
