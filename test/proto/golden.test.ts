// Bytes that etcd 3.4.23 sent, decoded and encoded by our types: the field numbers are etcd's.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  HashKVResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseTimeToLiveResponse,
  MemberListResponse,
  PutResponse,
  RangeResponse,
  StatusResponse,
  TxnResponse,
} from "../../proto/index.js";

const utf8 = (text: string) => new TextEncoder().encode(text);
const unhex = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** Cluster and member ids beyond 2^53, revision 66, term 2. */
const headerHex = "0a1808e39194a988c7df807f1093d7e3d5acac84e12b18422002";
const header = { clusterId: 9151734699010623715n, memberId: 3153101805118352275n, revision: 66n, raftTerm: 2n };
const foo = { key: utf8("foo"), createRevision: 65n, modRevision: 65n, version: 1n, value: utf8("bar"), lease: 0n };

describe("etcd's messages are decoded, and encoded to the same bytes", () => {
  test("a put's answer with the previous key", () => {
    const sent = `${headerHex}12100a03666f6f1041184120012a03626172`;
    assert.deepEqual(PutResponse.decode(unhex(sent)), { header, prevKv: foo });
    assert.equal(hex(PutResponse.encode({ header, prevKv: foo }).finish()), sent);
  });

  test("a range's answer", () => {
    const sent = `${headerHex}12100a03666f6f1041184220022a0362617a2001`;
    const kv = { ...foo, modRevision: 66n, version: 2n, value: utf8("baz") };
    const response = { header, kvs: [kv], more: false, count: 1n };
    assert.deepEqual(RangeResponse.decode(unhex(sent)), response);
    assert.equal(hex(RangeResponse.encode(response).finish()), sent);
  });

  test("a transaction's answer: a count, and a transaction inside with its empty header", () => {
    const sent = `${headerHex}10011a080a060a02184220011a0622040a001001`;
    const noHeader = { clusterId: 0n, memberId: 0n, revision: 0n, raftTerm: 0n };
    const range = { header: { ...noHeader, revision: 66n }, kvs: [], more: false, count: 1n };
    const response = {
      header,
      succeeded: true,
      responses: [
        { response: { $case: "responseRange" as const, value: range } },
        { response: { $case: "responseTxn" as const, value: { header: noHeader, succeeded: true, responses: [] } } },
      ],
    };
    assert.deepEqual(TxnResponse.decode(unhex(sent)), response);
    assert.equal(hex(TxnResponse.encode(response).finish()), sent);
  });

  test("a member list", () => {
    const sent =
      "0a1608e39194a988c7df807f1093d7e3d5acac84e12b2002123e0893d7e3d5acac84e12b12026e31" +
      "1a16687474703a2f2f3132372e302e302e313a32343739312216687474703a2f2f3132372e302e302e313a3234373930";
    const response = MemberListResponse.decode(unhex(sent));
    assert.deepEqual(response.members, [
      {
        ID: 3153101805118352275n,
        name: "n1",
        peerURLs: ["http://127.0.0.1:24791"],
        clientURLs: ["http://127.0.0.1:24790"],
        isLearner: false,
      },
    ]);
    assert.equal(hex(MemberListResponse.encode(response).finish()), sent);
  });

  test("a status of etcd 3.4: fields of 3.6 are empty", () => {
    const sent = `${headerHex}1206332e342e3233188080022093d7e3d5acac84e12b2859300238594880c001`;
    const response = StatusResponse.decode(unhex(sent));
    assert.deepEqual(response, {
      header,
      version: "3.4.23",
      dbSize: 32768n,
      leader: header.memberId,
      raftIndex: 89n,
      raftTerm: 2n,
      raftAppliedIndex: 89n,
      errors: [],
      dbSizeInUse: 24576n,
      isLearner: false,
      storageVersion: "",
      dbSizeQuota: 0n,
      downgradeInfo: undefined,
    });
    assert.equal(hex(StatusResponse.encode(response).finish()), sent);
  });

  test("a hash with all its 32 bits", () => {
    const sent = `${headerHex}10b59bd3f2041807`;
    assert.deepEqual(HashKVResponse.decode(unhex(sent)), {
      header,
      hash: 1314180533,
      compactRevision: 7n,
      hashRevision: 0n,
    });
  });

  test("negative numbers: the time of a lease that is not there, a lease id below 0", () => {
    assert.equal(LeaseTimeToLiveResponse.decode(unhex(`${headerHex}100118ffffffffffffffffff01`)).TTL, -1n);
    const sent = `${headerHex}10ffffffffffffffffff01183c`;
    assert.deepEqual(LeaseGrantResponse.decode(unhex(sent)), { header, ID: -1n, TTL: 60n, error: "" });
    assert.equal(hex(LeaseGrantRequest.encode({ TTL: 60n, ID: -1n }).finish()), "083c10ffffffffffffffffff01");
  });
});
