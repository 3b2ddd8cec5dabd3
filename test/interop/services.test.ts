// Compares RangeStream, Lock, Election, Downgrade and Health with etcd 3.7: the same requests to both, one after the other.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, credentials, Metadata, type StatusObject } from "@grpc/grpc-js";
import {
  ElectionDefinition,
  HealthDefinition,
  KVDefinition,
  LeaseDefinition,
  LockDefinition,
  MaintenanceDefinition,
} from "../../proto/index.js";
import { type EtcdCluster, startEtcdClusters } from "../support/etcd-process.js";
import { scaleMs } from "../support/machine-speed.js";

const services = [
  KVDefinition,
  LeaseDefinition,
  LockDefinition,
  ElectionDefinition,
  MaintenanceDefinition,
  HealthDefinition,
];

interface MethodDefinition {
  readonly name: string;
  readonly requestType: { fromPartial(fields: object): unknown; encode(message: never): { finish(): Uint8Array } };
  readonly responseType: { decode(bytes: Uint8Array): unknown };
}

const methods = new Map(
  services.flatMap(({ fullName, methods }) =>
    Object.values(methods as unknown as Record<string, MethodDefinition>).map((method) => [
      `/${fullName}/${method.name}`,
      method,
    ]),
  ),
);

const deadlineMs = scaleMs(30_000);

/** Fields that differ between clusters. */
const idFields = new Set(["clusterId", "memberId", "raftTerm"]);
const omitIds = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (name, inner: unknown) => {
      if (idFields.has(name)) return "id";
      if (inner instanceof Uint8Array) return Buffer.from(inner).toString("latin1");
      return typeof inner === "bigint" ? `${inner}` : inner;
    }),
  );

interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly messages: readonly unknown[];
}

let clusters: readonly EtcdCluster[] = [];
let clients: Client[] = [];

before(async () => {
  clusters = await startEtcdClusters([{ kind: "etcd-3.7" }, { kind: "minietcd" }]);
  clients = clusters.map((cluster) => new Client(cluster.member(0).endpoint, credentials.createInsecure()));
});

after(async () => {
  for (const client of clients) client.close();
  await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
});

/** Sends bytes as the request of a method. @returns its status */
const statusOf = (client: Client, path: string, request: Buffer): Promise<string> => {
  const call = client.makeServerStreamRequest(
    path,
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    request,
    new Metadata(),
    { deadline: Date.now() + deadlineMs },
  );
  call.on("data", () => undefined).on("error", () => undefined); // the status event reports it
  return new Promise((resolve) => call.on("status", ({ code, details }) => resolve(`${code} ${details}`)));
};

/** Calls a method of one server as a stream, which also works for unary methods. */
const callOn = (client: Client, path: string, fields: object, onMessage?: (count: number) => boolean) => {
  const method = methods.get(path);
  assert.ok(method, path);
  const messages: unknown[] = [];
  const call = client.makeServerStreamRequest(
    path,
    (message: unknown) => Buffer.from(method.requestType.encode(message as never).finish()),
    (bytes: Buffer) => method.responseType.decode(new Uint8Array(bytes)),
    method.requestType.fromPartial(fields),
    new Metadata(),
    { deadline: Date.now() + deadlineMs },
  );
  call.on("data", (message: unknown) => {
    messages.push(omitIds(message));
    if (onMessage?.(messages.length) === true) call.cancel();
  });
  call.on("error", () => undefined); // the status event reports it
  return new Promise<Outcome>((resolve) =>
    call.on("status", ({ code, details }: StatusObject) => resolve({ code, details, messages })),
  );
};

/** Calls both servers, and checks that their answers are equal. Returns minietcd's. */
const callBoth = async (path: string, fields: object): Promise<Outcome> => {
  const [etcd, ours] = await Promise.all(clients.map((client) => callOn(client, path, fields)));
  assert.ok(etcd !== undefined && ours !== undefined);
  assert.deepEqual(ours, etcd, path);
  return ours;
};

const bytes = (text: string): Uint8Array => Buffer.from(text);
const kv = (name: string): string => `/etcdserverpb.KV/${name}`;
const lock = (name: string): string => `/v3lockpb.Lock/${name}`;
const election = (name: string): string => `/v3electionpb.Election/${name}`;
const grant = (ID: bigint) => callBoth("/etcdserverpb.Lease/LeaseGrant", { ID, TTL: 3_600n });

test("a RangeStream has the chunks and errors of etcd's", async () => {
  for (let n = 0; n < 100; n++)
    await callBoth(kv("Put"), {
      key: bytes(`s/${String(n).padStart(3, "0")}`),
      value: Buffer.alloc(n < 40 ? 100_000 : 9),
    });
  const all = { key: bytes("s/"), rangeEnd: bytes("s0") };
  for (const more of [
    {},
    { limit: 5n },
    { limit: 10n },
    { limit: 33n },
    { limit: 100n },
    { limit: 101n },
    { keysOnly: true },
    { countOnly: true, limit: 3n },
    { serializable: true },
    { revision: 60n },
    { revision: 60n, limit: 3n },
    { revision: 9_999n },
    { sortOrder: 1 },
    { sortOrder: 2 },
    { sortOrder: 1, sortTarget: 2 },
    { sortTarget: 3 },
    { sortTarget: 9 },
    { minModRevision: 1n },
    { maxCreateRevision: 1n, sortOrder: 2 },
    { key: new Uint8Array() },
    { rangeEnd: new Uint8Array() },
    { key: bytes("s/003"), rangeEnd: new Uint8Array() },
    { key: bytes("s0"), rangeEnd: bytes("s/") },
  ])
    await callBoth(kv("RangeStream"), { ...all, ...more });
});

test("locks are taken, waited for and released as etcd's", async () => {
  for (const id of [11n, 12n]) await grant(id);
  const name = bytes("l");
  await callBoth(lock("Lock"), { name, lease: 99n });
  await callBoth(lock("Lock"), { name, lease: -5n });
  await callBoth(lock("Unlock"), {});
  await callBoth(lock("Unlock"), { key: bytes("no key") });
  await callBoth(lock("Lock"), { name, lease: 11n });
  await callBoth(lock("Lock"), { name, lease: 11n });
  const second = callBoth(lock("Lock"), { name, lease: 12n });
  await queueOf("l/", 2);
  await callBoth(lock("Unlock"), { key: bytes("l/b") });
  await second;
  await callBoth(kv("Range"), { key: bytes("l/"), rangeEnd: bytes("l0") });
  const late = callBoth(lock("Lock"), { name, lease: 11n });
  await queueOf("l/", 2);
  await callBoth("/etcdserverpb.Lease/LeaseRevoke", { ID: 11n });
  await callBoth(lock("Unlock"), { key: bytes("l/c") });
  assert.equal((await late).details, "mutex: session is expired");
});

test("candidates campaign, proclaim and resign as etcd's", async () => {
  for (const id of [21n, 22n]) await grant(id);
  const name = bytes("e");
  await callBoth(election("Leader"), { name });
  for (const method of ["Proclaim", "Resign"])
    for (const request of [{}, { leader: {} }]) await callBoth(election(method), request);
  await callBoth(election("Campaign"), { name, lease: 99n });
  const won = await callBoth(election("Campaign"), { name, lease: 21n, value: bytes("1") });
  const rev = BigInt((won.messages[0] as { leader: { rev: string } }).leader.rev);
  const leader = { name, key: bytes("e/15"), rev, lease: 21n };
  for (const value of ["1", "2"]) await callBoth(election("Campaign"), { name, lease: 21n, value: bytes(value) });
  for (const other of [{}, { rev: 1n }, { lease: 22n }, { key: bytes("") }, { key: bytes("zz") }, { lease: 123n }])
    await callBoth(election("Proclaim"), { leader: { ...leader, ...other }, value: bytes("3") });
  await callBoth(election("Leader"), { name });
  const second = callBoth(election("Campaign"), { name, lease: 22n, value: bytes("second") });
  await queueOf("e/", 2);
  await callBoth(election("Resign"), { leader: { ...leader, rev: 1n } });
  await callBoth(election("Resign"), { leader });
  await second;
  await callBoth(election("Resign"), { leader });
  await callBoth(election("Proclaim"), { leader, value: bytes("late") });
  await callBoth(kv("Range"), { key: bytes("e/"), rangeEnd: bytes("e0") });
});

test("an observer gets the same leaders as from etcd", async () => {
  await grant(31n);
  const name = bytes("o");
  const observed = clients.map((client) => {
    let onBegin: () => void = () => undefined;
    const first = new Promise<void>((resolve) => (onBegin = resolve));
    const outcome = callOn(client, election("Observe"), { name }, (count) => {
      onBegin();
      return count === 3;
    });
    return { first, outcome };
  });
  const won = await callBoth(election("Campaign"), { name, lease: 31n, value: bytes("1") });
  await Promise.all(observed.map(({ first }) => first));
  const rev = BigInt((won.messages[0] as { leader: { rev: string } }).leader.rev);
  for (const value of ["2", "3"])
    await callBoth(election("Proclaim"), {
      leader: { name, key: bytes("o/1f"), rev, lease: 31n },
      value: bytes(value),
    });
  const [etcd, ours] = await Promise.all(observed.map(({ outcome }) => outcome));
  assert.deepEqual(ours?.messages, etcd?.messages);
});

test("downgrades, leaders and health are answered as by etcd", async () => {
  const downgrade = "/etcdserverpb.Maintenance/Downgrade";
  for (const version of [
    "3.6",
    "3.6.0",
    "3.6.5",
    "3.7",
    "3.5",
    "4.0",
    "",
    "3",
    "x",
    "v3.6",
    "3.6 ",
    "3.6-alpha",
    "03.6",
  ])
    await callBoth(downgrade, { action: 0, version });
  for (const request of [{ action: 1, version: "3.5" }, { action: 1, version: "x" }, { action: 2 }, { action: 7 }])
    await callBoth(downgrade, request);
  await callBoth("/etcdserverpb.Maintenance/HashKV", {});
  await callBoth("/etcdserverpb.Maintenance/Defragment", {});
  for (const targetID of [0n, 5n]) await callBoth("/etcdserverpb.Maintenance/MoveLeader", { targetID });
  for (const service of ["", "etcdserverpb.KV", "nope"]) await callBoth("/grpc.health.v1.Health/Check", { service });
  await callBoth("/grpc.health.v1.Health/List", {});
});

/** Waits until both servers have `count` keys under a prefix. */
const queueOf = async (prefix: string, count: number): Promise<void> => {
  const request = { key: bytes(prefix), rangeEnd: bytes(`${prefix}\xff`), countOnly: true };
  for (const client of clients)
    for (;;) {
      const { messages } = await callOn(client, kv("Range"), request);
      if ((messages[0] as { count: string }).count === String(count)) break;
    }
};

test("a string that is no UTF-8 is refused alike, and changes nothing", async () => {
  for (const path of [
    "/etcdserverpb.Auth/UserAdd",
    "/etcdserverpb.Auth/RoleAdd",
    "/etcdserverpb.Auth/Authenticate",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
  ]) {
    const [ofEtcd, ofMinietcd] = await Promise.all(
      clients.map((client) => statusOf(client, path, Buffer.from([0x0a, 2, 0xff, 0xfe]))),
    );
    assert.equal(ofMinietcd, ofEtcd, path);
  }
});
