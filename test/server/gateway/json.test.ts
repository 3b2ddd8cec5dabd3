// Requests in JSON as etcd's gateway reads them, and responses as it writes them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "../../support/fast-check.js";
import {
  Compare_CompareTarget,
  RangeRequest,
  StatusResponse,
  TxnRequest,
  TxnResponse,
  WatchResponse,
} from "../../../proto/index.js";
import { InvalidJsonError } from "../../../server/gateway/invalid-json-error.js";
import { JsonScanner } from "../../../server/gateway/json-scanner.js";
import { encodeJson } from "../../../server/gateway/message-reader.js";
import { Schemas } from "../../../server/gateway/message-schema.js";
import { jsonOf, jsonSlices } from "../../../server/gateway/message-writer.js";

const schemas = new Schemas();
const kv = (method: string) => schemas.ofMethod(`/etcdserverpb.KV/${method}`);
const utf8 = (text: string) => new TextEncoder().encode(text);

/** Returns the first value of a text, up to its own end or the end of the text. */
const valueIn = (bytes: Buffer): Buffer => {
  const scanner = new JsonScanner();
  const end = scanner.scan(bytes, 0);
  if (end >= 0) return bytes.subarray(0, end);
  scanner.endBody();
  return bytes;
};

const read = (method: string, text: string | Buffer): Buffer =>
  encodeJson(valueIn(Buffer.from(text)), kv(method).request);
const rangeOf = (text: string) => RangeRequest.decode(Uint8Array.from(read("Range", text)));
const problemOf = (method: string, text: string | Buffer): string => {
  try {
    read(method, text);
  } catch (error) {
    if (error instanceof InvalidJsonError) return error.message;
    throw error;
  }
  return "none";
};

describe("requests", () => {
  test("fields have the names of the .proto file or JSON's, and unknown ones are dropped", () => {
    const request = rangeOf('{"key":"Zm9v","range_end":"Zm9w","keysOnly":true,"no":[{"a":"}"},1,null],"KEY":5}');
    assert.deepEqual(request, RangeRequest.create({ key: utf8("foo"), rangeEnd: utf8("fop"), keysOnly: true }));
  });

  test("null counts as an absent field", () => {
    assert.deepEqual(rangeOf('{"key":null,"limit":null,"serializable":null}'), RangeRequest.create());
  });

  test("integers are numbers or strings, with a point or an exponent if they are whole", () => {
    for (const limit of ["20", '"20"', "20.0", '"20.0"', "2e1", '"2E+1"', "200e-1", "0.2e2", '"20,x"'])
      assert.equal(rangeOf(`{"limit":${limit}}`).limit, 20n, limit);
    assert.equal(rangeOf('{"limit":-9223372036854775808}').limit, -(2n ** 63n));
    assert.equal(rangeOf('{"limit":-0.0e99999999999}').limit, 0n);
    for (const limit of [
      "1.5",
      '" 1"',
      '"x"',
      '""',
      "true",
      "9223372036854775808",
      "1e19",
      "1e-1",
      '"1e"',
      '"01"',
      "{}",
    ])
      assert.match(
        problemOf("Range", `{"limit":${limit}}`),
        /^proto: \(line 1:10\): invalid value for int64 field limit: /,
      );
  });

  test("enums are names or numbers; an unknown name is ignored", () => {
    assert.equal(rangeOf('{"sort_order":"DESCEND"}').sortOrder, 2);
    assert.equal(rangeOf('{"sort_order":9}').sortOrder, 9);
    for (const value of ['"descend"', '"2"', '"NOPE"', "null"])
      assert.equal(rangeOf(`{"sort_order":${value}}`).sortOrder, 0);
    assert.match(problemOf("Range", '{"sort_order":1.5}'), /invalid value for enum field sortOrder: 1\.5$/);
  });

  test("bytes are base64 of either alphabet, padded or not", () => {
    for (const key of ["-_8=", "-_8", "+/8=", "+/8", "+/9", "+\\/8="])
      assert.deepEqual(rangeOf(`{"key":"${key}"}`).key, Uint8Array.of(0xfb, 0xff), key);
    assert.deepEqual(rangeOf('{"key":"Zm9v\\nYmFy"}').key, utf8("foobar"));
    for (const key of ["-/8=", "Z", "Zm9v=", "Zg=", "====", "Zm 9", "Z===", "é"])
      assert.equal(
        problemOf("Range", `{"key":"${key}"}`),
        `proto: (line 1:8): invalid value for bytes field key: "${key}"`,
      );
  });

  test("escapes of Unicode in strings are decoded, and invalid ones refused", () => {
    const add = schemas.ofMethod("/etcdserverpb.Auth/UserAdd").request;
    const name = (text: string) => jsonOf(encodeJson(Buffer.from(`{"name":"${text}"}`), add), add);
    assert.equal(name("\\u00e9\\ud83d\\ude00é\\/"), '{"name":"é😀é/"}');
    assert.throws(() => name("\\ud83dxxxxxxx"), {
      message: 'proto: syntax error (line 1:9): invalid escape code "xxxxxx" in string',
    });
    assert.throws(() => name("\\ud83d"), { message: "proto: unexpected EOF" });
    const notUtf8 = Buffer.concat([Buffer.from('{"name":"'), Buffer.of(0xff), Buffer.from('"}')]);
    assert.throws(() => encodeJson(notUtf8, add), {
      message: "proto: syntax error (line 1:9): invalid UTF-8 in string",
    });
  });

  test("messages within messages, lists and oneofs are decoded", () => {
    const text = `{"compare":[{"key":"YQ==","target":"VALUE","value":"Yg=="}],
      "success":[{"requestPut":{"key":"YQ=="}},{"request_txn":{"failure":[{"request_range":{}}]}}], "failure":[]}`;
    const request = TxnRequest.decode(read("Txn", text));
    assert.equal(request.compare[0]?.target, Compare_CompareTarget.VALUE);
    assert.deepEqual(
      request.success.map(({ request: operation }) => operation?.$case),
      ["requestPut", "requestTxn"],
    );
  });

  test("an invalid request is refused in etcd's words, with the position of the fault", () => {
    const problems: [method: string, text: string, problem: string][] = [
      ["Range", '{"rangeEnd":"", "range_end":""}', 'proto: (line 1:17): duplicate field "range_end"'],
      ["Range", '{"key":"$$"}', 'proto: (line 1:8): invalid value for bytes field key: "$$"'],
      ["Range", '{\n "é":1, "serializable":1}', "proto: (line 2:24): invalid value for bool field serializable: 1"],
      ["Range", '"x"', 'proto: syntax error (line 1:1): unexpected token "x"'],
      ["Range", "[]", "proto: syntax error (line 1:1): unexpected token ["],
      ["Range", "null", "proto: syntax error (line 1:1): unexpected token null"],
      ["Txn", '{"success":{}}', "proto: syntax error (line 1:12): unexpected token {"],
      ["Txn", '{"success":[null]}', "proto: syntax error (line 1:13): unexpected token null"],
      [
        "Txn",
        '{"success":[{"request_range":{}, "request_put":{}}]}',
        'proto: (line 1:34): error parsing "request_put", oneof etcdserverpb.RequestOp.request is already set',
      ],
    ];
    for (const [method, text, problem] of problems) assert.equal(problemOf(method, text), problem, text);
  });

  test("the nesting of messages is bounded", () => {
    const nestedJson = (depth: number) => `${'{"success":[{"request_txn":'.repeat(depth)}{}${"}]}".repeat(depth)}`;
    assert.equal(problemOf("Txn", nestedJson(499)), "none");
    assert.equal(problemOf("Txn", nestedJson(500)), "proto: exceeded max recursion depth");
    assert.equal(problemOf("Txn", nestedJson(4_000)), "invalid character '[' exceeded max depth");
  });
});

describe("values in a body", () => {
  test("invalid JSON is refused with the texts of Go's encoding/json", () => {
    const problems: Record<string, string> = {
      "{key": "invalid character 'k' looking for beginning of object key string",
      '{"key":"Zm9v"': "unexpected EOF",
      "{'a'": "invalid character '\\'' looking for beginning of object key string",
      '{"a" 1}': "invalid character '1' after object key",
      '{"a":1 "b"}': "invalid character '\"' after object key:value pair",
      "[1 2]": "invalid character '2' after array element",
      "[01]": "invalid character '1' after array element",
      "[-]": "invalid character ']' in numeric literal",
      "[1.]": "invalid character ']' after decimal point in numeric literal",
      "[1e+]": "invalid character ']' in exponent of numeric literal",
      '["\\x"]': "invalid character 'x' in string escape code",
      '["\\u00g0"]': "invalid character 'g' in \\u hexadecimal character escape",
      '["\n"]': "invalid character '\\n' in string literal",
      "[nul]": "invalid character ']' in literal null (expecting 'l')",
      "[,": "invalid character ',' looking for beginning of value",
      "\u00e9": "invalid character 'Ã' looking for beginning of value",
      "\u0001": "invalid character '\\x01' looking for beginning of value",
      "1e": "unexpected EOF",
      tru: "unexpected EOF",
    };
    for (const [text, problem] of Object.entries(problems)) assert.equal(problemOf("Range", text), problem, text);
  });

  test("any JSON value is accepted, and its end is found, in chunks of any size", () => {
    const pieces = fc.array(fc.nat({ max: 8 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.constantFrom(" ", "\n[", '{"'), pieces, (json, rest, lengths) => {
        const bytes = Buffer.from(`${json}${rest}`);
        const scanner = new JsonScanner();
        let at = 0;
        for (let n = 0; at < bytes.length; n++) {
          const piece = bytes.subarray(at, at + 1 + (lengths[n % lengths.length] ?? 0));
          const end = scanner.scan(piece, 0);
          if (end >= 0) {
            assert.equal(at + end, Buffer.byteLength(json));
            return;
          }
          at += piece.length;
        }
        assert.fail("the value has no end");
      }),
    );
  });

  test("every value that JSON.parse refuses is refused", () => {
    const text = fc.stringMatching(/^[[\]{}:,"\\ 0-9eE.+truefalsn-]{0,12}$/);
    fc.assert(
      fc.property(text, (json) => {
        const isJson = ((): boolean => {
          try {
            JSON.parse(json);
            return true;
          } catch {
            return false;
          }
        })();
        const scanner = new JsonScanner();
        const isTaken = ((): boolean => {
          try {
            const end = scanner.scan(Buffer.from(json), 0);
            return end >= 0 ? json.slice(end).trim() === "" : scanner.endBody();
          } catch (error) {
            if (error instanceof InvalidJsonError) return false;
            throw error;
          }
        })();
        assert.equal(isTaken, isJson);
      }),
    );
  });
});

describe("answers", () => {
  const response = { header: { clusterId: 2n ** 64n - 1n, memberId: 1n, revision: 5n, raftTerm: 2n } };

  test("64-bit numbers are strings, bytes base64, and defaults are left out", () => {
    const watch = WatchResponse.encode(
      WatchResponse.create({
        ...response,
        watchId: -1n,
        events: [{ type: 1, kv: { key: utf8("a"), modRevision: 3n }, prevKv: undefined }, {}],
      }),
    ).finish();
    assert.equal(
      jsonOf(watch, schemas.ofMethod("/etcdserverpb.Watch/Watch").response),
      '{"header":{"cluster_id":"18446744073709551615","member_id":"1","revision":"5","raft_term":"2"},"watch_id":"-1",' +
        '"events":[{"type":"DELETE","kv":{"key":"YQ==","mod_revision":"3"}},{}]}',
    );
  });

  test("strings, booleans and numbers", () => {
    const status = StatusResponse.encode(
      StatusResponse.create({ version: '3"7\n\u2028', errors: ["a", ""], isLearner: true, dbSize: 1n }),
    ).finish();
    assert.deepEqual(JSON.parse(jsonOf(status, schemas.ofMethod("/etcdserverpb.Maintenance/Status").response)), {
      version: '3"7\n\u2028',
      errors: ["a", ""],
      isLearner: true,
      dbSize: "1",
    });
  });

  test("a message encoded in slices has the same text as one encoded at once", () => {
    const kvs = Array.from({ length: 3_000 }, (_, n) => ({
      key: utf8(`key ${n}`),
      value: new Uint8Array(100),
      modRevision: BigInt(n),
    }));
    const message = TxnResponse.encode(
      TxnResponse.create({
        ...response,
        responses: [
          { response: { $case: "responsePut", value: {} } },
          { response: { $case: "responseRange", value: { header: { revision: 4n }, kvs, count: 3_000n } } },
        ],
      }),
    ).finish();
    const { response: schema } = kv("Txn");
    const slices = jsonSlices(message, schema);
    let turns = 0;
    for (;;) {
      const { done, value } = slices.next();
      if (done === true) {
        assert.equal(value.join(""), jsonOf(message, schema));
        break;
      }
      turns++;
    }
    assert.ok(turns > 5, `${turns} slices`);
  });
});

test("an encoded message decodes to the same message", () => {
  const bytes = fc.uint8Array({ maxLength: 20 }).map((given) => Uint8Array.from(given));
  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const put = fc.record({
    key: bytes,
    value: bytes,
    lease: int64,
    prevKv: fc.boolean(),
    ignoreValue: fc.boolean(),
    ignoreLease: fc.boolean(),
  });
  const remove = fc.record({ key: bytes, rangeEnd: bytes, prevKv: fc.boolean() });
  const operation = fc.oneof(
    put.map((value) => ({ request: { $case: "requestPut" as const, value } })),
    remove.map((value) => ({ request: { $case: "requestDeleteRange" as const, value } })),
  );
  const { request: schema } = kv("Txn");
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 5 }), fc.array(operation, { maxLength: 5 }), (success, failure) => {
      const message = TxnRequest.create({ success, failure });
      const again = encodeJson(Buffer.from(jsonOf(TxnRequest.encode(message).finish(), schema)), schema);
      assert.deepEqual(TxnRequest.decode(Uint8Array.from(again)), message);
    }),
  );
});
