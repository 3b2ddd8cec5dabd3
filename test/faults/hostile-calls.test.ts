// Hostile requests to every method and path: each ends with an error, other clients are served meanwhile, and no data is lost.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { createFileRegistry, type DescMethod, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Client } from "../../client/index.js";
import { fileDescriptorSet, WatchCreateRequest, WatchRequest } from "../../proto/index.js";
import { routes } from "../../server/gateway/routes.js";
import { seededRandom } from "../../testing/index.js";
import { within } from "../support/deadline.js";
import { startCluster, type TestCluster } from "../support/minietcd-cluster.js";
import { patientClient } from "../support/patient-client.js";
import { type HostileCall, HostileConnection, post } from "./hostile-client.js";

const deadlineMs = 20_000;
const mebibyte = 1024 * 1024;
const zero = Uint8Array.of(0);

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, "base64")));
const methods: readonly DescMethod[] = [...registry].flatMap((each) => (each.kind === "service" ? each.methods : []));
const pathOf = ({ parent, name }: DescMethod): string => `/${parent.typeName}/${name}`;

/** Returns a gRPC message: a flag, a length that may be wrong, and bytes. */
const frameOf = (bytes: Uint8Array, { flag = 0, length = bytes.length } = {}): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
};
const random = seededRandom(7);
const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random.between(0, 255)));
const field = (number: number, content: Uint8Array): Buffer => {
  const head = [(number << 3) | 2];
  let rest = content.length;
  for (; rest > 0x7f; rest >>>= 7) head.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Uint8Array.of(...head, rest), content]);
};
const nestedBytes = (depth: number): Uint8Array => {
  let inner: Uint8Array = Buffer.alloc(0);
  for (let level = 0; level < depth; level++) inner = field(2, inner);
  return inner;
};
/** Appends an invalid byte, so that the request is not executed. */
const spoil = (bytes: Uint8Array): Buffer => Buffer.concat([bytes, Uint8Array.of(0x0f)]);

/** Requests, and the possible ends of a unary call with each. */
const hostile: readonly (readonly [what: string, call: HostileCall, ends: readonly string[]])[] = [
  ["noise", { body: frameOf(spoil(noise(200))) }, ["grpc 13"]],
  ["much noise", { body: frameOf(spoil(noise(100_000))) }, ["grpc 13"]],
  ["a field that is longer than its message", { body: frameOf(Uint8Array.of(0x0a, 0xff, 0x7f, 1)) }, ["grpc 13"]],
  ["messages within each other", { body: frameOf(spoil(nestedBytes(500))) }, ["grpc 13"]],
  ["no message", { body: Buffer.alloc(0) }, ["grpc 2"]],
  ["half a message", { body: frameOf(noise(10), { length: 1_000 }) }, ["grpc 2"]],
  ["half the head of a message", { body: Buffer.alloc(3) }, ["grpc 2"]],
  ["two messages", { body: Buffer.concat([frameOf(spoil(noise(9))), frameOf(noise(9))]) }, ["grpc 13"]],
  ["a message of 4 GiB", { body: frameOf(noise(10), { length: 0xffff_ffff }) }, ["grpc 8"]],
  ["a compressed message without a name of its compression", { body: frameOf(noise(50), { flag: 1 }) }, ["grpc 13"]],
  ["an unknown compression", { body: frameOf(noise(50)), headers: { "grpc-encoding": "nope" } }, ["grpc 13"]],
  ["another content type", { body: Buffer.from("{}"), headers: { "content-type": "application/json" } }, ["grpc 3"]],
  ["a deadline that is none", { body: frameOf(spoil(noise(9))), headers: { "grpc-timeout": "soon" } }, ["grpc 13"]],
  ["GET", { body: Buffer.alloc(0), headers: { ":method": "GET" } }, ["grpc 13"]],
];

/** Ends with grpc-js, which answers as HTTP to a request that is not gRPC. */
const endsByGrpcJs: Readonly<Record<string, readonly string[]>> = {
  "another content type": ["http 415"],
  "a deadline that is none": ["grpc 2"],
  GET: ["http 405", "grpc 2"],
};

/** Another client, which writes and reads continually; every call must succeed. */
class Witness {
  private readonly written = new Map<string, string>();
  private isStopped = false;
  private readonly work: Promise<void>;

  constructor(private readonly client: Client) {
    this.work = this.run();
    this.work.catch(() => undefined); // `stop` reports its failure
  }

  /** Stops the client, and reads all acknowledged writes. */
  async stop(): Promise<number> {
    this.isStopped = true;
    await this.work;
    for (const [key, value] of this.written) assert.equal(await this.client.kv.getText(key), value);
    return this.written.size;
  }

  private async run(): Promise<void> {
    for (let n = 0; !this.isStopped; n++) {
      const key = `witness/${n % 500}`;
      await this.client.kv.put(key, `${n}`);
      assert.equal(await this.client.kv.getText(key), `${n}`);
      this.written.set(key, `${n}`);
    }
  }
}

/** Limit of a member's memory: it bounds everything that it keeps of requests. */
const maxResidentBytes = 400 * mebibyte;

async function readResidentBytes(cluster: TestCluster): Promise<number> {
  const page = await (await fetch(`http://${cluster.member(0).address}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (.*)$/m.exec(page)?.[1]);
}

/** Runs `attack` beside a witness, and checks that the member is unharmed. */
async function besideWitness(engine: string, attack: (address: string) => Promise<void>): Promise<void> {
  await using cluster = await startCluster({ members: 1, flags: [`--rpc-engine=${engine}`] });
  const member = cluster.member(0);
  const { pid } = member.running;
  const witness = new Witness(cluster.client);
  try {
    await attack(member.address);
  } finally {
    assert.ok((await witness.stop()) > 0);
  }
  assert.equal(member.isRunning && member.running.pid, pid);
  assert.deepEqual(
    member.running.log.filter(({ level }) => level === "error" || level === "fatal"),
    [],
  );
  const bytes = await readResidentBytes(cluster);
  assert.ok(bytes < maxResidentBytes, `${Math.round(bytes / mebibyte)} MiB`);
}

for (const engine of ["native", "grpc-js"] as const) {
  test(`${engine}: hostile calls of every method end with an error`, () =>
    besideWitness(engine, async (address) => {
      for (const [what, call, ends] of hostile) {
        using connection = await HostileConnection.open(address);
        const calls = methods.map(async (method) => {
          const end = connection.call(pathOf(method), call);
          if (method.methodKind !== "unary") return undefined; // a stream may stay open
          return { method: pathOf(method), end: await end };
        });
        const unary = calls.filter((_, n) => methods[n]?.methodKind === "unary");
        const outcomes = await within(deadlineMs, `the ends of calls with ${what}`, Promise.all(unary));
        const own = engine === "grpc-js" ? (endsByGrpcJs[what] ?? []) : [];
        const allowed = [...ends, ...own, "grpc 12"]; // UNIMPLEMENTED for methods that a member does not have
        const others = outcomes.filter((outcome) => outcome !== undefined && !allowed.includes(outcome.end));
        assert.deepEqual(others, [], what);
      }
    }));

  test(`${engine}: a message that is too large is refused by every method, on many connections at once`, () =>
    besideWitness(engine, async (address) => {
      const call = { body: frameOf(field(1, Buffer.alloc(3 * mebibyte))) };
      const ends = methods.map(async (method) => {
        using connection = await HostileConnection.open(address);
        return method.methodKind === "unary" ? await connection.call(pathOf(method), call) : undefined;
      });
      const seen = new Set(await within(deadlineMs, "the ends of large messages", Promise.all(ends)));
      assert.deepEqual(
        [...seen].filter((end) => end !== undefined && end !== "grpc 8" && end !== "grpc 12"),
        [],
      );
    }));

  test(`${engine}: calls that never end do not disturb other clients`, () =>
    besideWitness(engine, async (address) => {
      const connections = await Promise.all(Array.from({ length: 20 }, () => HostileConnection.open(address)));
      try {
        for (const connection of connections)
          for (const method of methods) {
            void connection.call(pathOf(method), { body: frameOf(noise(100), { length: mebibyte }), isOver: false });
            void connection.call(pathOf(method), { body: Buffer.alloc(0), isOver: false });
          }
        using client = await HostileConnection.open(address);
        const [method] = methods;
        assert.ok(method);
        await within(deadlineMs, "an answer", client.call(pathOf(method), { body: frameOf(spoil(noise(9))) }));
      } finally {
        for (const connection of connections) connection[Symbol.dispose]();
      }
    }));
}

/** Bodies that are not JSON. A stream of requests has no answer to an empty body. */
const bodies: readonly (readonly [what: string, body: Uint8Array | string])[] = [
  ["noise", noise(1_000)],
  ["half an object", '{"key":"YQ=='],
  ["a list", "[1,2]"],
  ["lists within each other", "[".repeat(5_000)],
  ["objects within each other", `${'{"a":'.repeat(600)}1${"}".repeat(600)}`.replace("}", "")],
  ["bytes that are no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31])],
  ["a string without an end", `{"key":"${"A".repeat(100_000)}`],
];

for (const engine of ["native", "grpc-js"] as const)
  test(`${engine}: bodies that never end, and thousands of unread streams, do not disturb other clients`, () =>
    besideWitness(engine, async (address) => {
      const [host = "", port = ""] = address.split(":");
      const sockets = [...routes.keys()].flatMap((path) =>
        ["content-length: 1000000", "transfer-encoding: chunked"].map((length) => {
          const socket = connect({ host, port: Number(port) });
          socket.on("error", () => undefined); // the member may close the connection
          socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\n${length}\r\n\r\n`);
          socket.write(length.startsWith("c") ? `{"key":"` : `8\r\n{"key":"\r\n`);
          return socket;
        }),
      );
      const connections = await Promise.all(Array.from({ length: 4 }, () => HostileConnection.open(address)));
      try {
        const watch = WatchRequest.encode({
          requestUnion: { $case: "createRequest", value: WatchCreateRequest.create({ key: zero, rangeEnd: zero }) },
        }).finish();
        for (const connection of connections)
          for (let n = 0; n < 500; n++) connection.open("/etcdserverpb.Watch/Watch", frameOf(watch));
        await within(deadlineMs, "an answer", post(address, "/v3/kv/put", Buffer.from("["), "application/json"));
        await using client = patientClient({ endpoints: [address] });
        for (let n = 0; n < 50; n++) await client.kv.put("watched", new Uint8Array(4_096));
      } finally {
        for (const connection of connections) connection[Symbol.dispose]();
        for (const socket of sockets) socket.destroy();
      }
    }));

test("hostile bodies to every path of the gateway are answered with an error", () =>
  besideWitness("native", async (address) => {
    for (const [what, body] of bodies)
      for (const contentType of ["application/json", "application/grpc", "nonsense"]) {
        const answers = [...routes.keys()].map(async (path) => ({
          path,
          answer: await post(address, path, Buffer.from(body), contentType),
        }));
        const all = await within(deadlineMs, `answers to ${what}`, Promise.all(answers));
        assert.deepEqual(
          all.filter(({ answer }) => !/^(400 3|501 12|200 empty)$/.test(answer)),
          [],
          `${what} as ${contentType}`,
        );
      }
  }));
