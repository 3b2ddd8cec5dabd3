// The calls between members, many in one frame. Renewals of leases have handwritten codecs; other calls use the generated code.

import { type CallRequest, type CallResponse, Calls, LeaseInfo, LeaseQuery } from "../generated/minietcd/calls.js";
import { BackWriter } from "./back-writer.js";
import { Fields } from "./fields.js";

const writer = new BackWriter();

export const encodeCalls = ({ requests, responses }: Calls): Uint8Array => {
  writer.begin();
  for (let n = responses.length - 1; n >= 0; n--) writeResponse(responses[n]);
  for (let n = requests.length - 1; n >= 0; n--) writeRequest(requests[n]);
  return writer.take();
};

const writeRequest = (call: CallRequest | undefined): void => {
  if (call === undefined) return;
  const before = writer.written;
  if (call.request?.$case === "renewLease") writer.int64Item(16, call.request.value);
  else if (call.request !== undefined) writer.item(26, LeaseQuery.encode(call.request.value).finish());
  endCall(10, call.number, before);
};

const writeResponse = (call: CallResponse | undefined): void => {
  if (call === undefined) return;
  const before = writer.written;
  if (call.response?.$case === "renewLease") writer.int64Item(16, call.response.value);
  else if (call.response !== undefined) writer.item(26, LeaseInfo.encode(call.response.value).finish());
  endCall(18, call.number, before);
};

const endCall = (tag: number, number: bigint, before: number): void => {
  writer.uint64Field(8, number);
  writer.enclose(tag, before);
};

/** Decodes calls. @throws Error if the bytes are not an encoded Calls */
export const decodeCalls = (bytes: Uint8Array): Calls => {
  const fields = new Fields(bytes);
  const requests: CallRequest[] = [];
  const responses: CallResponse[] = [];
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    const outerEnd = fields.enter();
    if (tag === 10) {
      const { number, renewal } = readRenewal(fields);
      requests.push({ number, request: renewal });
    } else if (tag === 18) {
      const { number, renewal } = readRenewal(fields);
      responses.push({ number, response: renewal });
    } else fields.markOdd();
    fields.leave(outerEnd);
  }
  return fields.isOdd ? Calls.decode(bytes) : { requests, responses };
};

interface Renewal {
  readonly number: bigint;
  readonly renewal: { readonly $case: "renewLease"; readonly value: bigint } | undefined;
}

/** Reads a call that renews a lease, or its response; any other call makes the message odd. */
const readRenewal = (fields: Fields): Renewal => {
  let number = 0n;
  let renewal: Renewal["renewal"];
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    if (tag === 8) number = fields.uint64();
    else if (tag === 16) renewal = { $case: "renewLease", value: fields.int64() };
    else fields.markOdd();
  }
  return { number, renewal };
};
