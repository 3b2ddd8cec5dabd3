// Hostile input: both servers have the same answers or refuse it, and minietcd's memory stays bounded.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { inspect } from "node:util";
import { status } from "@grpc/grpc-js";
import { type Call, Caller, hasEndedWith, type Outcome } from "./calls.js";
import { type Both, callBoth, Servers, succeed } from "./servers.js";

let servers: Servers;
let root: Both<string>;

const password = "secret";
const auth = (method: string, fields: object = {}): Call => ({ method: `Auth/${method}`, fields });

before(async () => {
  servers = await Servers.start();
  root = await callBoth(servers.callers, async (caller) => {
    await succeed(caller, [
      auth("UserAdd", { name: "root", password }),
      auth("RoleAdd", { name: "root" }),
      auth("UserGrantRole", { user: "root", role: "root" }),
      auth("UserAdd", { name: "user", password }),
      auth("RoleAdd", { name: "role" }),
      auth("UserGrantRole", { user: "user", role: "role" }),
      auth("AuthEnable"),
    ]);
    const [login] = await succeed(caller, [auth("Authenticate", { name: "root", password })]);
    return String(login?.messages[0]?.["token"]);
  });
});

after(() => servers[Symbol.asyncDispose]());

const asRoot = (call: Call): Promise<Both<Outcome>> =>
  callBoth(servers.callers, (caller, position) => caller.call({ ...call, token: root[position] }));

const kibi = 1024;
const longName = (count: number): string => "n".repeat(count);
const range: Call = { method: "KV/Range", fields: { key: Buffer.from("k") } };

/** Unusual names and passwords. */
const odd = ["a b", "\0", "a\0b", "é", "\u{1f600}", "../../etc", "a/b:c", " ", "\n", "root ", "ROOT", longName(kibi)];

test("users and roles with unusual names and passwords are accepted or refused as by etcd", async () => {
  for (const name of odd)
    for (const call of [
      auth("UserAdd", { name, password: "é".repeat(36) }),
      auth("UserAdd", { name: `${name}2`, password: `${"é".repeat(36)}x` }),
      auth("Authenticate", { name, password: "é".repeat(36) }),
      auth("Authenticate", { name, password: `${"é".repeat(36)}x` }),
      auth("Authenticate", { name, password: "é".repeat(35) }),
      auth("RoleAdd", { name }),
      auth("UserGrantRole", { user: name, role: name }),
      auth("UserGet", { name }),
      auth("RoleGet", { role: name }),
      auth("UserRevokeRole", { name, role: name }),
      auth("RoleDelete", { role: name }),
      auth("UserDelete", { name }),
    ]) {
      const [etcd, ours] = (await asRoot(call)).map(({ code, details }) => `${code} ${details}`);
      assert.equal(ours, etcd, `${call.method} of ${JSON.stringify(name)}`);
    }
});

/** Returns the permissions of an answer, sorted: beyond twelve, etcd does not sort those of one key. */
const permissionsOf = ({ messages: [message] }: Outcome): string[] =>
  (message?.["perm"] as object[]).map((each) => inspect(each)).sort();

test("permissions of any key are kept and given back as in etcd", async () => {
  const keys = ["\0", "\xff", "\xff\xff", "a\0", longName(kibi)].map((key) => Buffer.from(key, "latin1"));
  const perms = keys.flatMap((key) => [...keys, Buffer.of()].map((rangeEnd) => ({ permType: 2, key, rangeEnd })));
  for (const perm of [...perms, { permType: 7, key: Buffer.from("k") }, { permType: -1, key: Buffer.from("l") }]) {
    const [etcd, ours] = await asRoot(auth("RoleGrantPermission", { name: "role", perm }));
    assert.deepEqual(ours, etcd, JSON.stringify(perm));
  }
  const [etcd, ours] = (await asRoot(auth("RoleGet", { role: "role" }))).map(permissionsOf);
  assert.deepEqual(ours, etcd);
  for (const { key, rangeEnd } of perms) {
    const [etcd, ours] = await asRoot(auth("RoleRevokePermission", { role: "role", key, rangeEnd }));
    assert.deepEqual(ours, etcd);
  }
});

/** Tokens that were never issued. */
const falseTokens = [
  ...[
    "",
    " ",
    ".",
    "a.b",
    "AAAAAAAAAAAAAAAA.",
    ".7",
    "AAAAAAAAAAAAAAAA.7.7",
    "AAAAAAAAAAAAAAAA.-1",
    "__proto__",
    "Bearer",
  ],
  ...["eyJhbGciOiJub25lIn0.eyJ1c2VybmFtZSI6InJvb3QifQ.", "e30.e30.e30", longName(7 * kibi)],
];

test("tokens that were never issued are refused as by etcd", async () => {
  for (const token of falseTokens)
    for (const header of ["token", "authorization", "bearer"] as const) {
      const [etcd, ours] = await callBoth(servers.callers, (caller) => caller.call({ ...range, token, header }));
      assert.deepEqual(ours, etcd, `${header}: ${token.slice(0, 60)}`);
    }
});

test("a token of a megabyte is refused, and other clients are served", async () => {
  const token = longName(kibi * kibi);
  const outcomes = await callBoth(servers.members, async ({ endpoint }) => {
    const caller = new Caller(endpoint);
    const outcome = await caller.call({ ...range, token });
    caller.close();
    return outcome;
  });
  for (const { code, details } of outcomes) assert.notEqual(code, status.OK, details);
  const [, ours] = await asRoot(range);
  assert.equal(ours.code, status.OK);
});

test("names that are too long for a request are refused as by etcd", async () => {
  for (const size of [1.6, 2.2].map((mebi) => mebi * kibi * kibi)) {
    const name = longName(size);
    for (const call of [
      auth("UserAdd", { name, password }),
      auth("RoleAdd", { name }),
      auth("Authenticate", { name, password }),
      auth("RoleGrantPermission", { name: "role", perm: { permType: 0, key: Buffer.from(name) } }),
    ]) {
      const [etcd, ours] = await asRoot(call);
      assert.equal(ours.code, etcd.code, `${call.method}: etcd ${etcd.details}, ours ${ours.details}`);
    }
  }
});

/** Returns the memory of minietcd's process in bytes. */
const readResidentBytes = (): number => {
  const [, kibis] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${servers.members[1].pid}/status`, "utf8")) ?? [];
  return Number(kibis) * kibi;
};

/** Makes many calls of one server, several at a time. */
async function flood(
  count: number,
  callOf: (index: number) => Promise<Outcome>,
  judge: (outcome: Outcome) => void,
): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) judge(await callOf(next++));
  };
  await Promise.all(Array.from({ length: 100 }, work));
}

/** Two thirds of the bytes sent. */
const maxGrowth = 120 * kibi * kibi;

test("unauthenticated clients cannot fill minietcd's log", async (t) => {
  const [, ours] = servers.callers;
  const before = readResidentBytes();
  const filler = longName(60 * kibi);
  await flood(
    1_500,
    (index) => ours.call({ ...range, token: `${filler}.${index}` }),
    ({ code }) => assert.equal(code, status.UNAUTHENTICATED),
  );
  await flood(
    1_500,
    (index) => ours.call(auth("Authenticate", { name: `${filler}${index}`, password: "wrong" })),
    (outcome) => assert.ok(hasEndedWith(outcome, status.INVALID_ARGUMENT, status.UNKNOWN), outcome.details),
  );
  const growth = readResidentBytes() - before;
  t.diagnostic(`${(growth / kibi / kibi).toFixed(0)} MiB more`);
  assert.ok(growth < maxGrowth, `${growth} bytes more than ${before}`);
  const [, outcome] = await asRoot(range);
  assert.equal(outcome.code, status.OK);
});

test("many users, and many roles of one, are managed as in etcd", async () => {
  const roles = Array.from({ length: 50 }, (_, index) => `r${index}`);
  const users = Array.from({ length: 200 }, (_, index) => `many${index}`);
  const all = [
    roles.flatMap((name) => [auth("RoleAdd", { name })]),
    roles.map((name) => auth("RoleGrantPermission", { name, perm: { permType: 2, key: Buffer.from(name) } })),
    users.map((name) => auth("UserAdd", { name, options: { noPassword: true } })),
    roles.map((role) => auth("UserGrantRole", { user: "many0", role })),
  ];
  for (const calls of all)
    for (const outcomes of await Promise.all(calls.map(asRoot)))
      assert.deepEqual(
        outcomes.map(({ code, details }) => `${code} ${details}`),
        ["0 ", "0 "],
      );
  for (const call of [auth("UserList"), auth("RoleList"), auth("UserGet", { name: "many0" })]) {
    const [etcd, ours] = await asRoot(call);
    assert.deepEqual(ours, etcd);
  }
});
