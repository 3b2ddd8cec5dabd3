// Encodes the requests of the KV service in one pass: for clients as messages, for members as parts of proposals.

import type {
  CompactionRequest,
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../generated/etcdserverpb/kv.js";
import { BackWriter } from "./back-writer.js";

/** The writer of requests and of the proposals around them. */
export const requestWriter = new BackWriter();

/** Makes the encoder of a request from a function that writes its fields. */
const encoder = <Request>(write: (request: Request) => void) => ({
  encode(request: Request): Buffer {
    requestWriter.begin();
    write(request);
    return requestWriter.take();
  },
});

export const writePut = (request: PutRequest): void => {
  requestWriter.boolField(48, request.ignoreLease);
  requestWriter.boolField(40, request.ignoreValue);
  requestWriter.boolField(32, request.prevKv);
  requestWriter.int64Field(24, request.lease);
  requestWriter.bytesField(18, request.value);
  requestWriter.bytesField(10, request.key);
};

export const writeDeleteRange = (request: DeleteRangeRequest): void => {
  requestWriter.boolField(24, request.prevKv);
  requestWriter.bytesField(18, request.rangeEnd);
  requestWriter.bytesField(10, request.key);
};

export const writeCompaction = ({ revision, physical }: CompactionRequest): void => {
  requestWriter.boolField(16, physical);
  requestWriter.int64Field(8, revision);
};

const writeRange = (request: RangeRequest): void => {
  requestWriter.int64Field(104, request.maxCreateRevision);
  requestWriter.int64Field(96, request.minCreateRevision);
  requestWriter.int64Field(88, request.maxModRevision);
  requestWriter.int64Field(80, request.minModRevision);
  requestWriter.boolField(72, request.countOnly);
  requestWriter.boolField(64, request.keysOnly);
  requestWriter.boolField(56, request.serializable);
  requestWriter.int64Field(48, BigInt(request.sortTarget));
  requestWriter.int64Field(40, BigInt(request.sortOrder));
  requestWriter.int64Field(32, request.revision);
  requestWriter.int64Field(24, request.limit);
  requestWriter.bytesField(18, request.rangeEnd);
  requestWriter.bytesField(10, request.key);
};

export const writeTxn = ({ compare, success, failure }: TxnRequest): void => {
  for (let n = failure.length - 1; n >= 0; n--) writeOperation(26, failure[n]?.request);
  for (let n = success.length - 1; n >= 0; n--) writeOperation(18, success[n]?.request);
  for (let n = compare.length - 1; n >= 0; n--) {
    const before = requestWriter.written;
    const each = compare[n];
    if (each !== undefined) writeCompare(each);
    requestWriter.enclose(10, before);
  }
};

const writeOperation = (tag: number, request: RequestOp["request"]): void => {
  const outer = requestWriter.written;
  if (request !== undefined) requestWriter.enclose(writeRequest(request), outer);
  requestWriter.enclose(tag, outer);
};

/** Writes the fields of an operation. @returns the tag of its field in RequestOp */
const writeRequest = (request: NonNullable<RequestOp["request"]>): number => {
  switch (request.$case) {
    case "requestRange":
      writeRange(request.value);
      return 10;
    case "requestPut":
      writePut(request.value);
      return 18;
    case "requestDeleteRange":
      writeDeleteRange(request.value);
      return 26;
    case "requestTxn":
      writeTxn(request.value);
      return 34;
  }
};

const writeCompare = ({ result, target, key, targetUnion, rangeEnd }: Compare): void => {
  requestWriter.bytesField(514, rangeEnd);
  switch (targetUnion?.$case) {
    case "version":
      requestWriter.int64Item(32, targetUnion.value);
      break;
    case "createRevision":
      requestWriter.int64Item(40, targetUnion.value);
      break;
    case "modRevision":
      requestWriter.int64Item(48, targetUnion.value);
      break;
    case "value":
      requestWriter.item(58, targetUnion.value);
      break;
    case "lease":
      requestWriter.int64Item(64, targetUnion.value);
      break;
    case undefined:
  }
  requestWriter.bytesField(26, key);
  requestWriter.int64Field(16, BigInt(target));
  requestWriter.int64Field(8, BigInt(result));
};

export const rangeRequestEncoder = encoder(writeRange);
export const putRequestEncoder = encoder(writePut);
export const deleteRangeRequestEncoder = encoder(writeDeleteRange);
export const txnRequestEncoder = encoder(writeTxn);
