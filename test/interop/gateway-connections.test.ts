// Connections to the JSON gateway of etcd 3.7 and minietcd, byte by byte: WebSockets and their ends, and requests that are sent together.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { within } from "../support/deadline.js";
import { type EtcdCluster, startEtcdClusters } from "../support/etcd-process.js";

const deadlineMs = 20_000;

let clusters: readonly EtcdCluster[];

before(async () => {
  clusters = await startEtcdClusters([{ kind: "etcd-3.7" }, { kind: "minietcd" }]);
});

after(() => Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]())));

interface Talk {
  readonly first: string;
  /** Bytes to send when the answer has begun. */
  readonly then?: Buffer;
  /** Tells whether the answer is complete. Default: when the server has closed the connection. */
  readonly isWhole?: (answer: string) => boolean;
}

/**
 * Talks to a server.
 * @returns all bytes received
 */
function talk(endpoint: string, { first, then, isWhole = () => false }: Talk): Promise<Buffer> {
  const [host, port] = endpoint.split(":");
  const socket = connect({ host, port: Number(port) });
  const pieces: Buffer[] = [];
  socket.write(first);
  const ended = new Promise<Buffer>((resolve, reject) => {
    socket.on("data", (piece: Buffer) => {
      if (pieces.push(piece) === 1 && then !== undefined) socket.write(then);
      if (isWhole(Buffer.concat(pieces).toString("latin1"))) resolve(Buffer.concat(pieces));
    });
    socket.on("end", () => resolve(Buffer.concat(pieces)));
    socket.on("error", reject);
  });
  return within(deadlineMs, "the end of an answer", ended).finally(() => socket.destroy());
}

/**
 * Sends the same bytes to both servers, and checks that their answers are equal after `read`.
 * @returns minietcd's
 */
async function askBoth<T>(name: string, talked: Talk, read: (answer: Buffer) => T): Promise<T> {
  const answers = clusters.map(async (cluster) => read(await talk(cluster.member(0).endpoint, talked)));
  const [etcd, ours] = (await Promise.all(answers)) as [T, T];
  assert.deepEqual(ours, etcd, name);
  return ours;
}

const handshake = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};
const requestFor = (fields: Readonly<Record<string, string>>, method = "GET"): string =>
  [
    `${method} /v3/watch HTTP/1.1`,
    "Host: x",
    ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
    "\r\n",
  ].join("\r\n");

const mask = Buffer.of(1, 2, 3, 4);
/** Returns a frame of fewer than 126 bytes. */
const frame = (first: number, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(first, 0x80 | payload.length), mask, payload.map((byte, at) => byte ^ mask[at % 4]!)]);
const closeFrame = (code: number, reason: Uint8Array = Buffer.alloc(0)): Buffer =>
  frame(0x88, Buffer.concat([Buffer.of(code >> 8, code & 0xff), reason]));

/** Ways in which a client closes a WebSocket, or breaks its protocol. */
const ends: Readonly<Record<string, Buffer>> = {
  normal: closeFrame(1000, Buffer.from("bye")),
  "going away": closeFrame(1001),
  "without a code": frame(0x88, Buffer.alloc(0)),
  "half a code": frame(0x88, Buffer.of(3)),
  "a code of applications": closeFrame(4999),
  "a code that is not sent": closeFrame(1005),
  "a code that is none": closeFrame(999),
  "a reason that is no text": closeFrame(1000, Buffer.of(0xff)),
  "behind a ping": Buffer.concat([frame(0x89, Buffer.from("ping")), closeFrame(1000)]),
  "not masked": Buffer.of(0x81, 1, 0x7b),
  "reserved bits": frame(0xf1, Buffer.from("{}")),
  "an unknown kind": frame(0x83, Buffer.from("{}")),
  "an unknown kind of control": frame(0x8b, Buffer.alloc(0)),
  "the rest of no message": frame(0x80, Buffer.from("{}")),
  "a message within another": Buffer.concat([frame(0x01, Buffer.from(" ")), frame(0x81, Buffer.from("{}"))]),
  "half a ping": frame(0x09, Buffer.alloc(0)),
  "a long ping": Buffer.concat([Buffer.of(0x89, 0xfe, 0, 126), mask, Buffer.alloc(126)]),
  "several faults": Buffer.of(0xf3, 1, 0x7b),
};

test("a WebSocket that breaks the protocol or is closed ends with etcd's frames", async () => {
  const bodyOf = (answer: Buffer) => answer.subarray(answer.indexOf("\r\n\r\n") + 4).toString("latin1");
  for (const [name, bytes] of Object.entries(ends)) {
    const frames = await askBoth(name, { first: requestFor(handshake), then: bytes }, bodyOf);
    assert.notEqual(frames, "", name);
  }
});

test("an invalid WebSocket handshake is refused in the same way", async () => {
  const passing = /\r\n(?:Date|Connection): [^\r]*/g;
  const page = (answer: Buffer) => answer.toString().replaceAll(passing, "").split("\r\n").sort();
  const fieldsWithout = (name: keyof typeof handshake) =>
    Object.fromEntries(Object.entries(handshake).filter(([each]) => each !== name));
  const asked = [
    requestFor(fieldsWithout("Sec-WebSocket-Version")),
    requestFor({ ...handshake, "Sec-WebSocket-Version": "8" }),
    requestFor(fieldsWithout("Sec-WebSocket-Key")),
    requestFor({ ...handshake, "Sec-WebSocket-Key": "abc" }),
    requestFor(handshake, "POST"),
  ];
  for (const first of asked) {
    const [status = ""] = (await askBoth(first, { first, isWhole: (answer) => /\r\n\r\n.+/.test(answer) }, page)).slice(
      -1,
    );
    assert.notEqual(status, "", first);
  }
});

/** Returns the answers on one connection: status lines and bodies, without the values that differ between clusters. */
function answersIn(bytes: Buffer): string[] {
  const parts = bytes.toString().split(/(?=HTTP\/1\.1 \d{3} )/);
  return parts.map((part) => {
    const [head = "", body = ""] = part.split("\r\n\r\n");
    const masked = body
      .replaceAll(/"(cluster_id|member_id|raft_term)": ?"\d+"/g, '"$1":"…"')
      .replaceAll(/, (?=")/g, ",");
    return `${head.split("\r\n")[0]!} ${masked.replaceAll("proto:\u00a0", "proto: ")}`;
  });
}

test("requests that are sent together are answered in their order", async () => {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const post = (path: string, body: string) =>
    `POST /v3/${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const puts = Array.from({ length: 50 }, (_, n) =>
    post("kv/put", `{"key":"${base64("k")}","value":"${base64(String(n))}"}`),
  );
  const requests = [
    ...puts,
    post("kv/range", `{"key":"${base64("k")}"}`),
    post("kv/put", `{"key":"${base64("k")}","value":"${base64("last")}","prev_kv":true}`),
    post("kv/put", "{"),
    post("kv/put", "{}"),
    post("nope", "{}"),
    "GET /v3/kv/put HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    post("kv/range", `{"key":"${base64("k")}"}`),
  ];
  const isWhole = (answer: string) => answersIn(Buffer.from(answer)).length === requests.length && answer.endsWith("}");
  const answers = await askBoth("answers", { first: requests.join(""), isWhole }, answersIn);
  assert.equal(answers.length, requests.length);
  assert.match(answers.at(-1)!, new RegExp(`"value":"${base64("last")}"`));
});
