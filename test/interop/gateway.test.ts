// The same JSON over HTTP to etcd 3.7 and minietcd: the answers are equal, also to invalid JSON.

import assert from "node:assert/strict";
import { Agent, request, type IncomingMessage } from "node:http";
import { test } from "node:test";
import fc from "../support/fast-check.js";
import { startEtcdCluster, type EtcdMember } from "../support/etcd-process.js";

const agent = new Agent({ keepAlive: true });

interface Answer {
  readonly status: number | undefined;
  readonly fields: readonly string[];
  readonly body: string;
}

const ask = (member: EtcdMember, method: string, path: string, body: string | Buffer): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port: member.endpoint.split(":")[1], method, path, agent });
    call.on("error", reject);
    call.on("response", (response: IncomingMessage) => {
      response
        .setEncoding("utf8")
        .toArray()
        .then((pieces: string[]) => resolve(answerOf(response, pieces.join(""))), reject);
    });
    call.end(method === "POST" || method === "PUT" ? body : undefined);
  });

/** Fields that do not depend on the server, and the length of bodies in which etcd has spaces. */
const passing = new Set(["date", "connection", "keep-alive", "content-length"]);

const answerOf = ({ statusCode, headers }: IncomingMessage, body: string): Answer => ({
  status: statusCode,
  fields: Object.entries(headers)
    .filter(([name]) => !passing.has(name))
    .map(([name, value]) => `${name}: ${String(value)}`)
    .sort(),
  body: body.split("\n").map(normalize).join("\n"),
});

/**
 * Returns a line of JSON without the values that differ between clusters. protobuf's errors begin with one of two kinds of space,
 * depending on the build.
 */
const normalize = (line: string): string => {
  try {
    return JSON.stringify(JSON.parse(line), (name, value: unknown) => (masked.has(name) ? "…" : value)).replaceAll(
      "proto:\u00a0",
      "proto: ",
    );
  } catch {
    return line;
  }
};

const masked = new Set(["cluster_id", "member_id", "raft_term"]);

const base64 = (text: string): string => Buffer.from(text).toString("base64");

const directed: readonly (readonly [path: string, body: string, method?: string])[] = [
  ["kv/put", `{"key":"${base64("a")}","value":"${base64("1")}"}`],
  ["kv/put", `{"key":"${base64("a")}","value":"${base64("2")}","prev_kv":true,"no":[{}]} trailing`],
  ["kv/put", "{}"],
  ["kv/put", ""],
  ["kv/put", "  "],
  ["kv/put", `{"key":"${base64("x")}","value":"${"A".repeat(2_200_000)}"}`],
  ["kv/range", `{"key":"${base64("a")}"}`],
  ["kv/range", `{"key":"AA==","rangeEnd":"AA==","countOnly":true}`],
  ["kv/range", `{"key":"AA==","range_end":"AA==","keys_only":true,"sort_order":"DESCEND","limit":"1"}`],
  ["kv/range", `{"key":"YQ==","revision":"1000"}`],
  ["kv/range", `{"key":"YQ==","sort_order":9}`],
  ["kv/deleterange", `{"key":"${base64("a")}","prev_kv":true}`],
  ["kv/txn", "{}"],
  [
    "kv/txn",
    `{"compare":[{"key":"YQ==","result":"EQUAL","target":"VERSION","version":"0"}],"success":[{"request_put":{"key":"YQ==","value":"MQ=="}},{"request_range":{"key":"YQ=="}},{"request_delete_range":{"key":"Yg=="}}]}`,
  ],
  ["kv/txn", `{"success":[{}]}`],
  ["kv/compaction", `{"revision":"1000"}`],
  ["lease/grant", `{"ID":"77","TTL":"600"}`],
  ["lease/grant", `{"ID":"77","TTL":"600"}`],
  ["lease/timetolive", `{"ID":"78"}`],
  ["kv/lease/timetolive", `{"ID":78}`],
  ["lease/leases", "{}"],
  ["lease/keepalive", `{"ID":"77"}{"ID":78}`],
  ["lease/keepalive", ""],
  ["lease/keepalive", "nope"],
  ["lease/revoke", `{"ID":"77"}`],
  ["kv/lease/revoke", `{"ID":"77"}`],
  ["maintenance/alarm", "{}"],
  ["maintenance/transfer-leadership", `{"targetID":"1"}`],
  ["kv/put", "{}", "GET"],
  ["kv/put", "", "HEAD"],
  ["kv/put", "{}", "PUT"],
  ["kv/put", "{}", "OPTIONS"],
  ["kv/put/", "{}"],
  ["kv/p%75t", "{}"],
  ["kv/put?key=YQ==", "{}"],
  ["nope", "{}"],
  ["kv", "{}"],
];

test("requests, streams and refusals of the gateway are etcd's", async () => {
  await using etcd = await startEtcdCluster({ kind: "etcd-3.7" });
  await using minietcd = await startEtcdCluster({ kind: "minietcd" });
  for (const [path, body, method = "POST"] of directed)
    assert.deepEqual(
      await ask(minietcd.member(0), method, `/v3/${path}`, body),
      await ask(etcd.member(0), method, `/v3/${path}`, body),
      `${method} ${path} ${body.slice(0, 80)}`,
    );
  assert.equal((await ask(minietcd.member(0), "POST", "/v3beta/kv/range", `{"key":"YQ=="}`)).status, 200);
});

/** Values of fields, most of which are invalid. */
const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(`"${base64("a")}"`, `"${base64("b")}"`, '"-_8"', '"+/8="', '""') },
  fc.constantFrom("1", '"2"', "1.0", '"1e0"', "-1", "0", "1.5", "9223372036854775808", '" 1"', "true", "false", "null"),
  fc.constantFrom("[]", "{}", '[{"a":1}]', '"$$"', '"\\u0041A=="', '"\\ud800"', '"Zg\\n=="', "nul", "01", '"'),
  fc.constantFrom('"DESCEND"', '"ASCEND"', '"VALUE"', '"nope"', '"é"'),
);
const name = fc.constantFrom(
  ...["key", "range_end", "rangeEnd", "limit", "serializable", "sort_order", "sortTarget", "keys_only", "countOnly"],
  ...["value", "prev_kv", "ignore_value", "nope", "KEY", "é"],
);
const space = fc.constantFrom("", "", "", " ", "\n", "\r\n\t");
const member = fc.tuple(space, name, space, value).map(([a, key, b, text]) => `${a}"${key}":${b}${text}`);
const object = fc
  .tuple(
    fc.array(member, { maxLength: 4 }),
    fc.constantFrom(",", ",", ",", ",,", ""),
    fc.constantFrom("}", "}", "}", ""),
  )
  .map(([members, comma, end]) => `{${members.join(comma)}${end}`);
const body = fc.oneof(
  { weight: 8, arbitrary: object },
  fc.tuple(object, object).map(([one, two]) => `{"success":[{"request_range":${one}},{"requestDeleteRange":${two}}]}`),
  fc.json({ maxDepth: 3 }),
);

test("generated requests, most of them invalid, are answered alike", async () => {
  await using etcd = await startEtcdCluster({ kind: "etcd-3.7" });
  await using minietcd = await startEtcdCluster({ kind: "minietcd" });
  const path = fc.constantFrom("/v3/kv/range", "/v3/kv/put", "/v3/kv/txn", "/v3/kv/deleterange");
  await fc.assert(
    fc.asyncProperty(path, body, async (at, text) => {
      const [ours, theirs] = await Promise.all([
        ask(minietcd.member(0), "POST", at, text),
        ask(etcd.member(0), "POST", at, text),
      ]);
      assert.deepEqual(ours, theirs);
    }),
    { numRuns: 2_000 },
  );
});
