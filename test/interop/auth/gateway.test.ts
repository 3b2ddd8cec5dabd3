// Users of the JSON gateway of etcd 3.7 and minietcd: each form of header, and each path with and without rights.
import assert from "node:assert/strict";
import { request, type IncomingMessage } from "node:http";
import { after, before, test } from "node:test";
import type { EtcdMember } from "../../support/etcd-process.js";
import { type Headers, tokenForms } from "./gateway-forms.js";
import { addGatewayUsers, type GatewayTokens, normalize } from "./gateway-users.js";
import { callBoth, Servers } from "./servers.js";

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

let servers: Servers;
/** Tokens of `root` and `user`. */
let tokens: GatewayTokens;

const base64 = (text: string): string => Buffer.from(text).toString("base64");

before(async () => {
  servers = await Servers.start();
  tokens = await addGatewayUsers(servers);
});

after(() => servers[Symbol.asyncDispose]());

/** Posts a body, and reads the whole answer; of a stream, the first line. */
const ask = ({ endpoint }: EtcdMember, path: string, body: string, headers: Headers): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const [host, port] = endpoint.split(":");
    const post = request({ host, port, method: "POST", path: `/v3/${path}`, headers });
    post.on("error", reject);
    post.on("response", (response: IncomingMessage) => {
      let text = "";
      const finish = () => {
        resolve({ status: response.statusCode, body: text.split("\n").map(normalize).join("\n") });
        post.destroy();
      };
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        if (path === "watch" && text.includes("\n")) finish();
      });
      response.on("end", finish);
    });
    post.end(body);
  });

/** Posts a body to both servers, with the headers of a user's token, and checks that the answers are equal. Returns minietcd's. */
const askBoth = async (
  path: string,
  body: string,
  user: string,
  headersOf: (token: string) => Headers,
): Promise<Answer> => {
  const [etcd, ours] = await callBoth(servers.members, (member, position) =>
    ask(member, path, body, headersOf(tokens[position][user] ?? "")),
  );
  assert.deepEqual(ours, etcd, `${path} ${body} as ${user}: ${JSON.stringify(headersOf("TOKEN"))}`);
  return ours;
};

test("a token is read from the same headers as by etcd", async () => {
  for (const form of Object.values(tokenForms))
    for (const [path, body] of [
      ["kv/range", `{"key":"${base64("a")}"}`],
      ["kv/range", `{"key":"${base64("z")}"}`],
      ["watch", `{"create_request":{"key":"${base64("a")}"}}`],
      ["auth/status", "{}"],
    ] as const)
      await askBoth(path, body, "user", form);
});

const key = (text: string) => `"key":"${base64(text)}"`;

/** Requests of all paths that minietcd has. */
const requests: readonly (readonly [path: string, body: string])[] = [
  ["kv/put", `{${key("a")},"value":"MQ=="}`],
  ["kv/put", `{${key("z")},"value":"MQ=="}`],
  ["kv/range", `{${key("a")},"range_end":"${base64("c")}"}`],
  ["kv/range", `{${key("a")},"range_end":"AA=="}`],
  ["kv/txn", `{"success":[{"request_range":{${key("z")}}}]}`],
  ["kv/txn", "{}"],
  ["kv/deleterange", `{${key("b")}}`],
  ["kv/deleterange", `{${key("a")},"range_end":"AA=="}`],
  ["kv/compaction", `{"revision":"1000"}`],
  ["watch", `{"create_request":{${key("a")},"range_end":"${base64("c")}"}}`],
  ["watch", `{"create_request":{${key("a")},"range_end":"${base64("d")}"}}`],
  ["lease/grant", `{"ID":"7","TTL":"600"}`],
  ["lease/grant", `{"ID":"7","TTL":"600"}`],
  ["lease/keepalive", `{"ID":"7"}`],
  ["lease/timetolive", `{"ID":"7","keys":true}`],
  ["lease/leases", "{}"],
  ["lease/revoke", `{"ID":"7"}`],
  ["maintenance/alarm", "{}"],
  ["maintenance/alarm", `{"action":"DEACTIVATE","memberID":"5","alarm":"NOSPACE"}`],
  ["maintenance/defragment", "{}"],
  ["maintenance/hashkv", `{"revision":"1000"}`],
  ["maintenance/transfer-leadership", `{"targetID":"5"}`],
  ["maintenance/downgrade", `{"action":"VALIDATE","version":"x"}`],
  ["auth/enable", "{}"],
  ["auth/status", "{}"],
  ["auth/authenticate", `{"name":"user","password":"p"}`],
  ["auth/authenticate", `{"name":"user","password":"wrong"}`],
  ["auth/user/add", `{"name":"other","options":{"no_password":true}}`],
  ["auth/authenticate", `{"name":"other","password":""}`],
  ["auth/user/get", `{"name":"user"}`],
  ["auth/user/get", `{"name":"other"}`],
  ["auth/user/list", "{}"],
  ["auth/user/changepw", `{"name":"other","password":"q"}`],
  ["auth/user/grant", `{"user":"other","role":"user"}`],
  ["auth/user/revoke", `{"name":"other","role":"user"}`],
  ["auth/user/delete", `{"name":"other"}`],
  ["auth/role/add", `{"name":"more"}`],
  ["auth/role/grant", `{"name":"more","perm":{"permType":"READWRITE",${key("a")},"range_end":"AA=="}}`],
  ["auth/role/grant", `{"name":"more","perm":{${key("ro")}}}`],
  ["auth/role/get", `{"role":"more"}`],
  ["auth/role/get", `{"role":"user"}`],
  ["auth/role/list", "{}"],
  ["auth/role/revoke", `{"role":"more",${key("a")},"range_end":"AA=="}`],
  ["auth/role/delete", `{"role":"more"}`],
  ["lock/unlock", `{${key("a")}}`],
  ["lock/unlock", `{${key("z")}}`],
  ["election/leader", `{"name":"${base64("a/x")}"}`],
  ["election/leader", `{"name":"${base64("z/x")}"}`],
];

test("every path answers a request without a user, of a user and of root as etcd does", async () => {
  for (const user of ["nobody", "user", "root"])
    for (const [path, body] of requests)
      await askBoth(path, body, user, (token): Headers => (token === "" ? {} : { Authorization: token }));
  await askBoth("auth/user/add", `{"name":"other","password":"${"p".repeat(73)}"}`, "root", (token) => ({
    Authorization: token,
  }));
  await askBoth("auth/disable", "{}", "user", (token) => ({ Authorization: token }));
  await askBoth("auth/disable", "{}", "root", (token) => ({ Authorization: token }));
});
