// Users of WebSockets of the JSON gateway of etcd 3.7 and minietcd, with each form in which a browser can send a token.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { within } from "../../support/deadline.js";
import { addGatewayUsers, type GatewayTokens, normalize } from "./gateway-users.js";
import { callBoth, Servers } from "./servers.js";

const deadlineMs = 20_000;

let servers: Servers;
let tokens: GatewayTokens;

before(async () => {
  servers = await Servers.start();
  tokens = await addGatewayUsers(servers);
});

after(() => servers[Symbol.asyncDispose]());

const mask = Buffer.from([1, 2, 3, 4]);

/** Returns a client's text message of fewer than 126 bytes. */
const textFrame = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  assert.ok(bytes.length < 126);
  return Buffer.concat([Buffer.of(0x81, 0x80 | bytes.length), mask, bytes.map((byte, n) => byte ^ mask[n % 4]!)]);
};

/** Returns the text of the first message; undefined: it is incomplete, or there is none. */
const firstTextOf = (bytes: Buffer): string | undefined => {
  if (bytes.length < 4 || bytes[0] !== 0x81) return undefined;
  const short = bytes[1]! & 0x7f;
  assert.ok(short < 127, "a message of less than 64 KiB");
  const [start, length] = short === 126 ? [4, bytes.readUInt16BE(2)] : [2, short];
  return bytes.length < start + length ? undefined : bytes.subarray(start, start + length).toString();
};

/** Opens a WebSocket with these header lines and sends one message. Returns the status line, and the first message or the end. */
const ask = (endpoint: string, path: string, lines: readonly string[], message: string): Promise<readonly string[]> => {
  const [host, port] = endpoint.split(":");
  const socket = connect({ host, port: Number(port) });
  const head = [
    ...[`GET /v3/${path} HTTP/1.1`, `Host: ${endpoint}`, "Connection: Upgrade", "Upgrade: websocket"],
    ...["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", ...lines],
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  let isAccepted = false;
  let bytes: Buffer = Buffer.alloc(0);
  const answer = new Promise<readonly string[]>((resolve, reject) => {
    const onInput = (isOver: boolean) => {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0 && !isOver) return;
      if (!isAccepted && !isOver) socket.write(textFrame(message)); // etcd closes a connection on which a message comes earlier
      isAccepted = true;
      const text = firstTextOf(bytes.subarray(end + 4));
      if (text !== undefined || isOver)
        resolve([bytes.subarray(0, bytes.indexOf("\r\n")).toString(), normalize(text ?? "(the end)")]);
    };
    socket.on("data", (piece: Buffer) => {
      bytes = Buffer.concat([bytes, piece]);
      onInput(false);
    });
    socket.on("end", () => onInput(true));
    socket.on("error", reject);
  });
  return within(deadlineMs, `an answer to ${path}`, answer).finally(() => socket.destroy());
};

/** Ways to send a token, valid and invalid ones. */
const forms: readonly ((token: string) => readonly string[])[] = [
  () => [],
  (token) => [`Sec-WebSocket-Protocol: Bearer, ${token}`],
  (token) => [`Sec-WebSocket-Protocol: Bearer,${token}`],
  (token) => [`Sec-WebSocket-Protocol: bearer, ${token}`],
  (token) => [`Sec-WebSocket-Protocol: ${token}`],
  () => ["Sec-WebSocket-Protocol: Bearer, wrong"],
  (token) => [`Cookie: token=${token}`],
  (token) => [`Cookie: other=1; token=${token}`],
  () => ["Cookie: token=wrong"],
  (token) => ["Cookie: token=wrong", `Sec-WebSocket-Protocol: Bearer, ${token}`],
  (token) => [`Authorization: ${token}`],
  (token) => [`Authorization: Bearer ${token}`],
  (token) => [`Grpc-Metadata-Token: ${token}`],
];

const key = (text: string): string => `"key":"${Buffer.from(text).toString("base64")}"`;

test("a WebSocket's token is read from the same places as by etcd", async () => {
  for (const user of ["user", "root"])
    for (const form of forms)
      for (const [path, message] of [
        ["watch", `{"create_request":{${key("a")}}}`],
        ["watch", `{"create_request":{${key("z")}}}`],
        ["lease/keepalive", '{"ID":"7"}'],
      ] as const) {
        const [etcd, ours] = await callBoth(servers.members, ({ endpoint }, position) =>
          ask(endpoint, path, form(tokens[position][user] ?? ""), message),
        );
        assert.deepEqual(ours, etcd, `${path} ${message} as ${user}: ${form("TOKEN").join(", ")}`);
      }
});
