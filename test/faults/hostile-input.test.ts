// Arbitrary bytes to the ports of a cluster do not affect its clients.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { EtcdError } from "../../client/index.js";
import { within } from "../support/deadline.js";
import { startCluster, type ClusterMember } from "../support/minietcd-cluster.js";
import { MinietcdProcess } from "../support/minietcd-process.js";
import { patientClient } from "../support/patient-client.js";

const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const mebibyte = 1024 * 1024;

/** The engines that a client port may have. */
const engines = ["grpc-js", "native"];

/** Returns an HTTP/2 frame header (RFC 9113 §4.1) with a payload that may have another length. */
const frame = (length: number, type: number, flags: number, payload: Uint8Array = Buffer.alloc(0)): Buffer => {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(1, 5);
  return Buffer.concat([header, payload]);
};

/** Bytes for a port, by their fault. */
const garbage: Readonly<Record<string, Uint8Array>> = {
  nothing: Buffer.alloc(0),
  "one byte": Buffer.from("P"),
  "half a preface": Buffer.from(http2Preface.slice(0, 10)),
  "a preface and no more": Buffer.from(http2Preface),
  "a preface, then noise": Buffer.concat([Buffer.from(http2Preface), randomBytes(4096)]),
  "a frame larger than allowed": Buffer.concat([
    Buffer.from(http2Preface),
    frame(2 ** 24 - 1, 0, 0, randomBytes(4096)),
  ]),
  "headers that are no HPACK": Buffer.concat([
    Buffer.from(http2Preface),
    frame(0, 4, 0),
    frame(512, 1, 4, randomBytes(512)),
  ]),
  noise: randomBytes(64 * 1024),
  zeros: Buffer.alloc(64 * 1024),
  "a length of 4 GiB": Buffer.alloc(4096, 0xff),
  "HTTP/1.1 without an end": Buffer.from(`GET / HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(64 * 1024)}`),
  TLS: Buffer.from("16030100c8010000c40303", "hex"),
};

/** Connects, sends the bytes, and keeps the connection open; the other side may close it. */
const say = async (to: { host: string; port: number } | { path: string }, bytes: Uint8Array): Promise<Socket> => {
  const socket = connect(to);
  socket.on("error", () => undefined); // the member may close the connection
  await within(5_000, "a connection", once(socket, "connect"));
  socket.write(bytes);
  return socket;
};

const addressOf = (member: ClusterMember): { host: string; port: number } => {
  const [host = "", port = ""] = member.address.split(":");
  return { host, port: Number(port) };
};

for (const engine of engines)
  test(`garbage and half-open connections on client and peer ports do not disturb other clients: ${engine}`, async () => {
    await using cluster = await startCluster({ flags: [`--rpc-engine=${engine}`] });
    const before = await cluster.status(cluster.member(0));
    const pids = cluster.members.map((member) => member.running.pid);
    const sockets: Socket[] = [];
    try {
      for (const member of cluster.members)
        for (const bytes of Object.values(garbage)) {
          sockets.push(await say(addressOf(member), bytes));
          sockets.push(await say({ path: join(cluster.folder, `${member.name}.peer`) }, bytes));
        }
      // Writes through every member, while all connections are still open.
      for (const [n, member] of cluster.members.entries()) {
        await using client = member.client();
        await client.kv.put(`k/${n}`, "v");
        assert.equal(await client.kv.getText(`k/${n}`), "v");
      }
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    const after = await cluster.status(cluster.member(0));
    assert.equal(after.leader, before.leader);
    assert.equal(after.raftTerm, before.raftTerm);
    assert.deepEqual(
      cluster.members.map((member) => member.isRunning && member.running.pid),
      pids,
    );
    for (const member of cluster.members)
      assert.deepEqual(
        member.running.log.filter(({ level }) => level === "error" || level === "fatal"),
        [],
      );
  });

test("HTTP and TLS on the peer port are named in the log, once each", async () => {
  await using cluster = await startCluster({ members: 1 });
  const member = cluster.member(0);
  const path = join(cluster.folder, `${member.name}.peer`);
  const reasons = (): string[] =>
    member.running.log.filter(({ msg }) => msg === "refused a peer connection").map(({ reason }) => String(reason));
  for (const bytes of ["GET /health HTTP/1.1\r\nHost: x\r\n\r\n", garbage["TLS"] ?? "", "GET / HTTP/1.1\r\n\r\n"]) {
    const socket = await say({ path }, Buffer.from(bytes));
    if (!socket.destroyed) await within(5_000, "the end of the connection", once(socket, "close"));
  }
  await member.running.waitFor("both are named", () => (reasons().length >= 2 ? true : undefined));
  assert.equal(reasons().length, 2);
  assert.match(reasons()[0] ?? "", /this is HTTP, .*use the client port/);
  assert.match(reasons()[1] ?? "", /this is TLS, and this peer URL is http/);
});

for (const engine of engines)
  test(`an HTTP/1.1 request on the client port gets its page: ${engine}`, async () => {
    await using cluster = await startCluster({ members: 1, flags: [`--rpc-engine=${engine}`] });
    const call = request({ ...addressOf(cluster.member(0)), path: "/health" }).end();
    const [response] = (await within(5_000, "an answer", once(call, "response"))) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    assert.equal((await response.setEncoding("utf8").toArray()).join(""), '{"health":"true","reason":""}');
  });

for (const engine of engines)
  test(`a message over the size limit is refused, and its connection stays open: ${engine}`, async () => {
    await using cluster = await startCluster({ members: 1, flags: [`--rpc-engine=${engine}`] });
    await using client = patientClient({ endpoints: cluster.endpoints, messages: { maxSendBytes: 64 * mebibyte } });
    const failure = async (bytes: number): Promise<EtcdError> => {
      const error: unknown = await client.kv.put("k", new Uint8Array(bytes)).catch((reason: unknown) => reason);
      assert.ok(error instanceof EtcdError, `${bytes} bytes were taken`);
      return error;
    };
    const proposal = await failure(1.5 * mebibyte + 1);
    assert.equal(proposal.code, "invalid-argument");
    assert.equal(proposal.message, "etcdserver: request is too large");
    const message = await failure(32 * mebibyte);
    assert.equal(message.code, "resource-exhausted");
    await client.kv.put("k", new Uint8Array(1.4 * mebibyte));
    assert.equal((await client.kv.get("k")).kvs[0]?.value.length, Math.floor(1.4 * mebibyte));
  });

test("a member of another cluster is refused, and both sides log the reason", async () => {
  await using cluster = await startCluster();
  const peerUrl = (name: string): string => `unix://${join(cluster.folder, `${name}.peer`)}`;
  const names = [...cluster.members.map(({ name }) => name), "stranger"];
  await using stranger = MinietcdProcess.start([
    "--name=stranger",
    `--data-dir=${join(cluster.folder, "stranger")}`,
    `--listen-client-urls=unix://${join(cluster.folder, "stranger.client")}`,
    `--advertise-client-urls=unix://${join(cluster.folder, "stranger.client")}`,
    `--listen-peer-urls=${peerUrl("stranger")}`,
    `--initial-advertise-peer-urls=${peerUrl("stranger")}`,
    `--initial-cluster=${names.map((name) => `${name}=${peerUrl(name)}`).join(",")}`,
    "--initial-cluster-token=another",
  ]);
  const refused = await stranger.waitFor("it is refused by all", ({ log }) => {
    const lines = log.filter(({ msg }) => msg === "peer refused connection");
    return lines.length >= cluster.members.length ? lines : undefined;
  });
  for (const { reason } of refused)
    assert.match(String(reason), /^cluster ID mismatch: member [0-9a-f]+ is of cluster/);
  for (const member of cluster.members)
    await member.running.waitFor("it has refused", ({ log }) =>
      log.find(({ msg }) => msg === "refused a peer connection"),
    );
  await cluster.client.kv.put("k", "v");
  assert.equal((await cluster.client.cluster.memberList()).members.length, cluster.members.length);
});
