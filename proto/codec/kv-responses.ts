// Encodes the responses of the KV service and of leases in one pass. Each response begins with the header, which is passed as an
// encoded field.

import type { ResponseHeader } from "../generated/etcdserverpb/header.js";
import type {
  RawDeleteRangeResponse,
  RawPutResponse,
  RawRangeResponse,
  RawResponseOp,
  RawTxnResponse,
} from "../generated/minietcd/raw.js";
import { BackWriter } from "./back-writer.js";

const writer = new BackWriter();
const noHeader = new Uint8Array(0);

/** Encodes the headers of the responses of one member. */
export class HeaderEncoder {
  private readonly ids: Uint8Array;
  private revision = -1;
  private term = -1;
  private field: Uint8Array = noHeader;

  constructor(clusterId: bigint, memberId: bigint) {
    writer.begin();
    writer.uint64Field(16, memberId);
    writer.uint64Field(8, clusterId);
    this.ids = writer.take();
  }

  /** Returns the header as an encoded field of a response. The last header is cached: successive responses often have the same. */
  encode(revision: number, term: number): Uint8Array {
    if (revision === this.revision && term === this.term) return this.field;
    this.revision = revision;
    this.term = term;
    writer.begin();
    writer.counterField(32, term);
    writer.counterField(24, revision);
    writer.writeEncoded(this.ids);
    writer.enclose(10, 0);
    return (this.field = writer.take());
  }
}

/** Encodes a header as a field of a response; returns no bytes without a header. */
export const encodeHeader = (header: ResponseHeader | undefined): Uint8Array => {
  if (header === undefined) return noHeader;
  writer.begin();
  writeHeader(header);
  return writer.take();
};

/** Encodes the fields of a RangeResponse after its keys. */
export const encodeRangeEnd = ({ more, count }: RawRangeResponse): Uint8Array => {
  writer.begin();
  writer.int64Field(32, count);
  writer.boolField(24, more);
  return writer.take();
};

export const encodeRangeResponse = (response: RawRangeResponse, header: Uint8Array): Uint8Array => {
  writer.begin();
  writeRange(response);
  writer.writeEncoded(header);
  return writer.take();
};

export const encodePutResponse = (response: RawPutResponse, header: Uint8Array): Uint8Array => {
  if (response.prevKv.length === 0) return header;
  writer.begin();
  writePut(response);
  writer.writeEncoded(header);
  return writer.take();
};

export const encodeDeleteRangeResponse = (response: RawDeleteRangeResponse, header: Uint8Array): Uint8Array => {
  writer.begin();
  writeDeleteRange(response);
  writer.writeEncoded(header);
  return writer.take();
};

export const encodeTxnResponse = (response: RawTxnResponse, header: Uint8Array): Uint8Array => {
  writer.begin();
  writeTxn(response);
  writer.writeEncoded(header);
  return writer.take();
};

/** Encodes the response to a LeaseKeepAlive, and to a LeaseGrant without an error. */
export const encodeLeaseResponse = (id: bigint, ttlSeconds: bigint, header: Uint8Array): Uint8Array => {
  writer.begin();
  writer.int64Field(24, ttlSeconds);
  writer.int64Field(16, id);
  writer.writeEncoded(header);
  return writer.take();
};

const writeRange = ({ kvs, more, count }: RawRangeResponse): void => {
  writer.int64Field(32, count);
  writer.boolField(24, more);
  writeItems(18, kvs);
};

const writePut = ({ prevKv }: RawPutResponse): void => writer.bytesField(18, prevKv);

const writeDeleteRange = ({ deleted, prevKvs }: RawDeleteRangeResponse): void => {
  writeItems(26, prevKvs);
  writer.int64Field(16, deleted);
};

const writeItems = (tag: number, items: readonly Uint8Array[]): void => {
  for (let n = items.length - 1; n >= 0; n--) writer.item(tag, items[n] ?? noHeader);
};

const writeTxn = ({ succeeded, responses }: RawTxnResponse): void => {
  for (let n = responses.length - 1; n >= 0; n--) {
    const before = writer.written;
    const response = responses[n]?.response;
    if (response !== undefined) writeOperation(response);
    writer.enclose(26, before);
  }
  writer.boolField(16, succeeded);
};

const writeOperation = (response: NonNullable<RawResponseOp["response"]>): void => {
  const before = writer.written;
  switch (response.$case) {
    case "responseRange":
      writeRange(response.value);
      return endOperation(10, response.value.header, before);
    case "responsePut":
      writePut(response.value);
      return endOperation(18, response.value.header, before);
    case "responseDeleteRange":
      writeDeleteRange(response.value);
      return endOperation(26, response.value.header, before);
    case "responseTxn":
      writeTxn(response.value);
      return endOperation(34, response.value.header, before);
  }
};

const endOperation = (tag: number, header: ResponseHeader | undefined, before: number): void => {
  if (header !== undefined) writeHeader(header);
  writer.enclose(tag, before);
};

const writeHeader = ({ clusterId, memberId, revision, raftTerm }: ResponseHeader): void => {
  const before = writer.written;
  writer.uint64Field(32, raftTerm);
  writer.int64Field(24, revision);
  writer.uint64Field(16, memberId);
  writer.uint64Field(8, clusterId);
  writer.enclose(10, before);
};
