// The common names of clients' certificates as users, on etcd 3.7 and minietcd: valid over gRPC, and not through the JSON gateway.
import assert from "node:assert/strict";
import { request } from "node:https";
import { after, before, test } from "node:test";
import type { IncomingMessage } from "node:http";
import { TestAuthority, type TestCertificate } from "../../support/certificates.js";
import { type EtcdCluster, type ServerKind, startEtcdCluster } from "../../support/etcd-process.js";
import { tempFolder } from "../../support/temp-folder.js";
import { type Call, Caller, type Outcome } from "./calls.js";
import { type Both, callBoth, succeed } from "./servers.js";

/** Common names of certificates: three users, a name without a user, and none. */
const names = ["root", "alice", "bob", "mallory", ""] as const;
type Name = (typeof names)[number];

let folder: Awaited<ReturnType<typeof tempFolder>>;
let authority: TestAuthority;
let certificates: ReadonlyMap<Name, TestCertificate>;
let clusters: Both<EtcdCluster>;
let callers: Both<ReadonlyMap<Name, Caller>>;
/** Tokens of bob. */
let tokens: Both<string>;

const call = (method: string, fields: object, token?: string): Call => ({ method, fields, token });

const certificateOf = (name: Name): TestCertificate => certificates.get(name) ?? assert.fail(name);
const callerOf = (all: ReadonlyMap<Name, Caller>, name: Name): Caller => all.get(name) ?? assert.fail(name);
const addressOf = (cluster: EtcdCluster): string => cluster.member(0).endpoint.replace("https://", "");

before(async () => {
  folder = await tempFolder();
  authority = await TestAuthority.create();
  const ca = await authority.writeTo(folder.path);
  const { files } = await authority.issueTo(folder.path, "server");
  certificates = new Map(
    await Promise.all(names.map(async (commonName) => [commonName, await authority.issue({ commonName })] as const)),
  );
  const { cert, key } = certificateOf("root");
  const flags = [
    ...[`--cert-file=${files.cert}`, `--key-file=${files.key}`, `--trusted-ca-file=${ca}`, "--client-cert-auth"],
    ...["--bcrypt-cost=4", "--unsafe-no-fsync"],
  ];
  const tls = { ca: authority.cert, cert, key };
  const kinds: Both<ServerKind> = ["etcd-3.7", "minietcd"];
  clusters = await callBoth(kinds, (kind) => startEtcdCluster({ kind, tls, flags }));
  callers = await callBoth(clusters, (cluster) =>
    Promise.resolve(
      new Map(
        names.map(
          (name) => [name, new Caller(addressOf(cluster), { ca: authority.cert, ...certificateOf(name) })] as const,
        ),
      ),
    ),
  );
  await callBoth(callers, (all) => succeed(callerOf(all, "root"), setUp));
  tokens = await callBoth(callers, async (all) => {
    const [login] = await succeed(callerOf(all, "mallory"), [
      call("Auth/Authenticate", { name: "bob", password: "p" }),
    ]);
    return String(login?.messages[0]?.["token"]);
  });
});

after(async () => {
  await callBoth(callers, (all) => {
    for (const caller of all.values()) caller.close();
    return Promise.resolve();
  });
  await callBoth(clusters, (cluster) => cluster[Symbol.asyncDispose]());
  await folder[Symbol.asyncDispose]();
});

const perm = (from: string, to: string) => ({ permType: 2, key: Buffer.from(from), rangeEnd: Buffer.from(to) });

const setUp = [
  call("Auth/UserAdd", { name: "root", options: { noPassword: true } }),
  call("Auth/UserAdd", { name: "alice", options: { noPassword: true } }),
  call("Auth/UserAdd", { name: "bob", password: "p" }),
  ...["root", "alice", "bob"].flatMap((name) => [
    call("Auth/RoleAdd", { name }),
    call("Auth/UserGrantRole", { user: name, role: name }),
  ]),
  call("Auth/RoleGrantPermission", { name: "alice", perm: perm("a", "b") }),
  call("Auth/RoleGrantPermission", { name: "bob", perm: perm("b", "c") }),
  call("Auth/AuthEnable", {}),
];

const calls = [
  call("KV/Put", { key: Buffer.from("a") }),
  call("KV/Put", { key: Buffer.from("b") }),
  call("KV/Range", { key: Buffer.from("a") }),
  call("KV/Range", { key: Buffer.from("b") }),
  call("KV/Txn", { success: [{ request: { $case: "requestPut", value: { key: Buffer.from("a") } } }] }),
  call("KV/Txn", {}),
  call("KV/Compact", { revision: 1_000n }),
  call("Lease/LeaseGrant", { ID: 7n, TTL: 1_000n }),
  call("Lease/LeaseLeases", {}),
  call("Cluster/MemberList", {}),
  call("Maintenance/Status", {}),
  call("Maintenance/HashKV", {}),
  call("Auth/AuthStatus", {}),
  call("Auth/UserGet", { name: "alice" }),
  call("Auth/UserList", {}),
  call("Auth/Authenticate", { name: "alice", password: "p" }),
];

/** Returns the status only: messages are compared by other tests. */
const statusOf = ({ code, details }: Outcome): string => `${code} ${details}`;

for (const name of names.filter((each) => each !== ""))
  for (const login of ["no token", "a token of bob", "a wrong token"])
    test(`a certificate of "${name}" with ${login} has the same outcomes on etcd and on minietcd`, async () => {
      const results = await callBoth(callers, async (all, position) => {
        const token = login === "no token" ? undefined : login === "a wrong token" ? "wrong" : tokens[position];
        const lines: string[] = [];
        for (const { method, fields } of calls)
          lines.push(`${method} ${statusOf(await callerOf(all, name).call(call(method, fields, token)))}`);
        const watch = callerOf(all, name).open({ method: "Watch/Watch", token });
        watch.send({ requestUnion: { $case: "createRequest", value: { key: Buffer.from("a") } } });
        const created = await watch.next();
        watch.close();
        return [...lines, `Watch ${JSON.stringify(created, showField)}`];
      });
      assert.deepEqual(results[1], results[0]);
    });

const showField = (name: string, value: unknown): unknown =>
  name === "header" ? undefined : typeof value === "bigint" ? String(value) : value;

test("a certificate without a name gives no user at minietcd, and a user without rights at etcd", async () => {
  const [etcd, ours] = await callBoth(callers, (all) =>
    callerOf(all, "").call(call("KV/Put", { key: Buffer.from("a") })),
  );
  assert.equal(statusOf(etcd), "7 etcdserver: permission denied");
  assert.equal(statusOf(ours), "3 etcdserver: user name is empty");
});

test("the JSON gateway takes no user from a certificate: etcd refuses one that has a name, minietcd uses the token", async () => {
  const body = '{"key":"Yg=="}';
  const refusal = "CommonName of client sending a request against gateway will be ignored and not used as expected";
  const answers = (headers: readonly [etcd: Headers, ours: Headers]) =>
    callBoth(clusters, (cluster, position) =>
      post(cluster, "root", { path: "kv/range", body, headers: headers[position] }),
    );
  const [etcd, ours] = await answers([{}, {}]);
  assert.equal(etcd, `400 ${refusal}\n`);
  assert.equal(ours, '400 {"code":3,"message":"etcdserver: user name is empty"}');
  const [etcdWithToken, oursWithToken] = await answers([{ Authorization: tokens[0] }, { Authorization: tokens[1] }]);
  assert.equal(etcdWithToken, `400 ${refusal}\n`);
  assert.match(oursWithToken, /^200 /);
});

type Headers = Readonly<Record<string, string>>;

interface Post {
  readonly path: string;
  readonly body: string;
  readonly headers: Headers;
}

const post = (cluster: EtcdCluster, name: Name, { path, body, headers }: Post): Promise<string> => {
  const [host, port] = addressOf(cluster).split(":");
  const tls = { ca: authority.cert, ...certificateOf(name) };
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, method: "POST", path: `/v3/${path}`, headers, ...tls });
    asked.on("error", reject);
    asked.on("response", (response: IncomingMessage) => {
      const text = response.setEncoding("utf8").toArray() as Promise<string[]>;
      text.then((pieces) => resolve(`${response.statusCode ?? 0} ${pieces.join("")}`), reject);
    });
    asked.end(body);
  });
};
