// Unfinished handshakes and requests at ports with TLS do not affect other clients.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectOpenly, type Socket } from "node:net";
import test from "node:test";
import { connect } from "node:tls";
import type { Client, TlsOptions } from "../../client/index.js";
import { eventually } from "../support/deadline.js";
import { type EtcdMember, startEtcdCluster } from "../support/etcd-process.js";
import { scaleMs } from "../support/machine-speed.js";
import { mutualTls } from "../support/mutual-tls.js";
import { patientClient } from "../support/patient-client.js";
import { tempFolder } from "../support/temp-folder.js";

/** The engines that a client port may have. */
const engines = ["native", "grpc-js"];
/** Number of connections of each kind. */
const repeats = 25;
/** More handshakes than a member has in progress at a time. */
const handshakes = 1_050;
const callTimeoutMs = 10_000;

/** The first bytes of handshakes. */
const unfinishedHandshakes: Readonly<Record<string, Uint8Array>> = {
  nothing: Buffer.alloc(0),
  "a record's header": Buffer.from("1603010200", "hex"),
  "half a ClientHello": Buffer.from("16030100c8010000c40303", "hex"),
  "a ClientHello of noise": Buffer.concat([Buffer.from("1603010200010001fc0303", "hex"), randomBytes(505)]),
  "a request without TLS": Buffer.from("GET /health HTTP/1.1\r\n\r\n"),
};

const key = Buffer.from("watched").toString("base64");
const post = (path: string, body: string, length = body.length): Uint8Array =>
  Buffer.from(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n${body}`);

/** Requests after a handshake that are never finished, or whose answers are never read. */
const unfinishedRequests: Readonly<Record<string, Uint8Array>> = {
  nothing: Buffer.alloc(0),
  "half a request line": Buffer.from("POST /v3/kv"),
  "half a body": post("/v3/kv/put", '{"key":"', 1_000_000),
  "a watch that nobody reads": post("/v3/watch", `{"create_request":{"key":"${key}"}}`),
  "keep-alives without an end": post("/v3/lease/keepalive", '{"ID":1}', 1_000_000),
  "large ranges that nobody reads": Buffer.concat(Array(20).fill(post("/v3/kv/range", `{"key":"${key}"}`))),
  "half a preface": Buffer.from("PRI * HTTP/2.0\r\n"),
  "a record of noise": randomBytes(16_384),
};

const portOf = ({ endpoint }: EtcdMember): number => Number(endpoint.split(":").at(-1));

const clientOf = ({ endpoint }: EtcdMember, tls: TlsOptions): Client => patientClient({ endpoints: [endpoint], tls });

/** Connects without TLS, sends the bytes, and keeps the connection open. */
const begin = async (port: number, bytes: Uint8Array): Promise<Socket> => {
  const socket = connectOpenly(port, "127.0.0.1");
  socket.on("error", () => undefined); // the member may close the connection
  await once(socket, "connect");
  socket.write(bytes);
  return socket;
};

/** Does a handshake, sends a request, and does not read the answer. */
const request = async (port: number, { ca, cert, key }: TlsOptions, bytes: Uint8Array): Promise<Socket> => {
  const pem = { ca: ca as string, cert: cert as string, key: key as string };
  const socket = connect({ host: "127.0.0.1", port, ...pem, ALPNProtocols: ["http/1.1"] });
  await once(socket, "secureConnect");
  socket.on("error", () => undefined);
  socket.pause();
  socket.write(bytes);
  return socket;
};

/** Makes calls that must all succeed. They enlarge the value that hostile clients request and do not read. */
const useAll = async (client: Client, name: string): Promise<void> => {
  const options = { timeoutMs: scaleMs(callTimeoutMs) };
  for (let n = 0; n < 20; n++) {
    await client.kv.put("watched", "x".repeat(100_000), options);
    await client.kv.put(`${name}/${n}`, "v", options);
    assert.equal(await client.kv.getText(`${name}/${n}`, options), "v");
  }
};

for (const engine of engines)
  test(`unfinished handshakes and requests over TLS do not disturb other clients: ${engine}`, async () => {
    await using folder = await tempFolder();
    const { tls, flags } = await mutualTls(folder.path);
    await using cluster = await startEtcdCluster({
      kind: "minietcd",
      tls,
      flags: [...flags, `--rpc-engine=${engine}`],
    });
    const member = cluster.member(0);
    const port = portOf(member);
    await using open = clientOf(member, tls);
    await open.kv.put("watched", "v");
    const sockets: Socket[] = [];
    try {
      for (const bytes of Object.values(unfinishedHandshakes))
        for (let n = 0; n < repeats; n++) sockets.push(await begin(port, bytes));
      for (const bytes of Object.values(unfinishedRequests))
        for (let n = 0; n < repeats; n++) sockets.push(await request(port, tls, bytes));
      await using fresh = clientOf(member, tls);
      await Promise.all([useAll(open, "open"), useAll(fresh, "fresh")]);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

test("a connected client is served while there are more handshakes than a port allows", async () => {
  await using folder = await tempFolder();
  const { tls, flags } = await mutualTls(folder.path);
  await using cluster = await startEtcdCluster({ kind: "minietcd", tls, flags });
  const member = cluster.member(0);
  await using open = clientOf(member, tls);
  await open.kv.put("k", "v");
  const sockets: Socket[] = [];
  try {
    for (let n = 0; n < handshakes; n++) sockets.push(await begin(portOf(member), Buffer.alloc(0)));
    await eventually(callTimeoutMs, "a line about the handshakes", () =>
      Promise.resolve(member.log.includes("too many handshakes are under way") || undefined),
    );
    await useAll(open, "open");
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  await using fresh = clientOf(member, tls);
  await useAll(fresh, "fresh");
});
