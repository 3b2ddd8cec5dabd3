// The gateway over real sockets, with the test's methods behind it.

import assert from "node:assert/strict";
import { Agent, IncomingMessage, request, type OutgoingHttpHeaders } from "node:http";
import { connect, createServer, Socket, type AddressInfo } from "node:net";
import { once } from "node:events";
import { Duplex } from "node:stream";
import { test, type TestContext } from "node:test";
import { PutRequest, PutResponse, WatchRequest, WatchResponse } from "../../../proto/index.js";
import { maxHttpRequestMs } from "../../../server/base/index.js";
import { Gateway } from "../../../server/gateway/index.js";
import { WebSocketClientSide } from "../../../server/gateway/web-socket-client-side.js";
import type { AccessRules } from "../../../server/http/access.js";
import { HttpServer } from "../../../server/http/http-server.js";
import { textPage } from "../../../server/http/page.js";
import {
  bidi,
  type Call,
  type Method,
  type ResponseStream,
  RpcError,
  sendPlain,
  unary,
} from "../../../server/rpc/index.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

const untaken = {
  hasRoom: true,
  isPressed: false,
  bytes: 0,
  keep(bytes: number): void {
    this.bytes += bytes;
  },
  release(bytes: number): void {
    this.bytes -= bytes;
  },
};

interface Setting {
  readonly methods?: readonly Method[];
  readonly access?: AccessRules;
  readonly maxMessageBytes?: number;
}

const put = unary(
  "/etcdserverpb.KV/Put",
  PutRequest,
  PutResponse,
  (_call, _request, handler) => handler.onResult({ header: undefined, prevKv: undefined }),
  sendPlain,
);

const setUp = async (t: TestContext, { methods = [put], access, maxMessageBytes = 1_000 }: Setting = {}) => {
  const clock = new VirtualClock();
  const unexpected: unknown[] = [];
  const accounts = { add: () => untaken, delete: () => undefined };
  const gateway = new Gateway({ methods, maxMessageBytes, accounts, clock }, (error) => unexpected.push(error));
  const http = new HttpServer(() => textPage(404, "404 page not found"), clock, access, gateway);
  const listener = createServer((socket) => {
    socket.once("readable", () => http.serve(socket, socket.read() as Buffer));
    socket.on("error", () => undefined);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const agent = new Agent({ keepAlive: true });
  t.after(() => {
    agent.destroy();
    http.stop();
    listener.close();
  });
  const { port } = listener.address() as AddressInfo;
  const send = (path: string, headers: OutgoingHttpHeaders = {}, method = "POST") => {
    const call = request({ host: "127.0.0.1", port, path, method, headers, agent });
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      call.on("response", resolve);
      call.on("error", reject);
    });
    response.catch(() => undefined);
    return { call, response };
  };
  const ask = async (path: string, body: string, headers: OutgoingHttpHeaders = {}, method = "POST") => {
    const { call, response } = send(path, headers, method);
    call.end(body);
    const answer = await response;
    return { answer, text: `${answer.statusCode} ${await bodyOf(answer)}` };
  };
  return { clock, http, port, send, ask, unexpected };
};

const bodyOf = async (answer: IncomingMessage): Promise<string> => {
  const pieces = (await answer.setEncoding("utf8").toArray()) as string[];
  return pieces.join("");
};

/** Returns a watch method, with its streams and the requests received. */
const createWatch = () => {
  const streams: ResponseStream<WatchResponse>[] = [];
  const events: string[] = [];
  const method = bidi("/etcdserverpb.Watch/Watch", WatchRequest, WatchResponse, (_call, stream) => {
    streams.push(stream);
    return {
      onRequest: ({ requestUnion }) => void events.push(requestUnion?.$case ?? "nothing"),
      onHalfClose: () => void events.push("half-closed"),
      onClosed: () => void events.push("closed"),
    };
  });
  return { method, streams, events };
};

const waitUntil = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
};

test("a request is answered with its method's answer, and an error with its HTTP status", async (t) => {
  const failing = unary(
    "/etcdserverpb.Lease/LeaseRevoke",
    PutRequest,
    PutResponse,
    () => {
      throw new RpcError({ code: 16, details: "etcdserver: invalid auth token" });
    },
    sendPlain,
  );
  const { ask } = await setUp(t, { methods: [put, failing] });
  const { answer, text } = await ask("/v3/kv/put?x=1", '{"key":"YQ=="}');
  assert.equal(text, "200 {}");
  assert.equal(answer.headers["grpc-metadata-content-type"], "application/grpc");
  const refused = await ask("/v3/kv/lease/revoke", "{}");
  assert.equal(refused.text, '401 {"code":16,"message":"etcdserver: invalid auth token"}');
  assert.equal(refused.answer.headers["www-authenticate"], "etcdserver: invalid auth token");
});

test("invalid paths, methods and requests are refused", async (t) => {
  const { ask } = await setUp(t);
  assert.equal((await ask("/v3/nope", "{}")).text, '404 {"code":5,"message":"Not Found"}');
  assert.equal((await ask("/v3/kv/put", "{}", {}, "PUT")).text, '501 {"code":12,"message":"Method Not Allowed"}');
  assert.equal((await ask("/v3beta/kv/put", "")).text, "200 {}");
  assert.equal((await ask("/v3/kv/put", "{} rest is not read")).text, "200 {}");
  assert.equal((await ask("/v3/kv/put", "{")).text, '400 {"code":3,"message":"unexpected EOF"}');
  assert.equal(
    (await ask("/v3/lock/lock", "{}")).text,
    '501 {"code":12,"message":"unknown method Lock for service v3lockpb.Lock"}',
  );
  const { answer, text } = await ask("/v3/kv/put", "", {}, "OPTIONS");
  assert.equal(text, "404 404 page not found\n"); // the pages answer it, not the method
  assert.equal(answer.headers["access-control-allow-origin"], "*");
});

test("header fields become metadata, and a timeout the deadline", async (t) => {
  let seen: Call | undefined;
  const waiting = unary(
    "/etcdserverpb.KV/Put",
    PutRequest,
    PutResponse,
    (call) => {
      seen = call;
    },
    sendPlain,
  );
  const { ask, clock } = await setUp(t, { methods: [waiting] });
  const answered = ask("/v3/kv/put", "{}", {
    Authorization: "t",
    "Grpc-Metadata-HasLeader": "true",
    "Grpc-Timeout": "2S",
  });
  await waitUntil(() => seen !== undefined);
  assert.deepEqual(
    [seen?.metadata("authorization"), seen?.metadata("hasleader"), seen?.metadata("token")],
    ["t", "true", undefined],
  );
  let isCanceled = false;
  seen?.addCancelListener(() => (isCanceled = true));
  clock.advance(2_000);
  assert.equal((await answered).text, '504 {"code":4,"message":"context deadline exceeded"}');
  assert.equal(isCanceled, true);
  assert.equal(
    (await ask("/v3/kv/put", "{}", { "Grpc-Timeout": "soon" })).text,
    '400 {"code":3,"message":"invalid grpc-timeout: soon"}',
  );
});

test("a message beyond the bound is refused, and so is a body beyond it", async (t) => {
  const { ask } = await setUp(t, { maxMessageBytes: 100 });
  const large = await ask("/v3/kv/put", `{"key":"${"A".repeat(200)}"}`);
  assert.equal(large.text, '429 {"code":8,"message":"grpc: received message larger than max (153 vs. 100)"}');
  const endless = await ask("/v3/kv/put", `{"key":"${"A".repeat(100_000)}`);
  assert.equal(endless.text, '429 {"code":8,"message":"request body is larger than 800 bytes"}');
});

test("a request whose body does not arrive ends after its time limit", async (t) => {
  const { method, streams, events } = createWatch();
  const { clock, send } = await setUp(t, { methods: [method] });
  const { call } = send("/v3/watch");
  const failed = once(call, "error").then(
    () => "closed",
    (error: unknown) => String(error),
  );
  call.write('{"create_');
  await waitUntil(() => streams.length === 1);
  clock.advance(maxHttpRequestMs);
  assert.match(await failed, /closed|socket hang up|ECONNRESET/);
  await waitUntil(() => events.includes("closed"));
});

test("a stream takes the values of its body one by one, and sends a line and a chunk for each answer", async (t) => {
  const { method, streams, events } = createWatch();
  const { send } = await setUp(t, { methods: [method] });
  const { call, response } = send("/v3/watch");
  call.write('{"create_request":{"key":"YQ=="}} {"cancel_');
  await waitUntil(() => events.length === 1);
  call.write('request":{}}');
  await waitUntil(() => events.length === 2);
  streams[0]?.send(WatchResponse.create({ watchId: 7n }));
  const answer = await response;
  const [first] = (await once(answer, "data")) as [Buffer];
  assert.equal(first.toString(), '{"result":{"watch_id":"7"}}\n');
  call.end();
  await waitUntil(() => events.length === 3);
  streams[0]?.fail(new RpcError({ code: 14, details: "etcdserver: no leader" }));
  assert.equal(await bodyOf(answer), '{"error":{"code":14,"message":"etcdserver: no leader"}}\n');
  assert.deepEqual(events, ["createRequest", "cancelRequest", "half-closed", "closed"]);
});

test("a stream that fails before its first answer has the error's HTTP status, and one without a request 400", async (t) => {
  const { method, streams, events } = createWatch();
  const { ask, send } = await setUp(t, { methods: [method] });
  const { call, response } = send("/v3/watch");
  call.write("{}");
  await waitUntil(() => events.length === 1);
  streams[0]?.fail(new RpcError({ code: 7, details: "etcdserver: permission denied" }));
  const answer = await response;
  assert.equal(answer.statusCode, 403);
  assert.equal(await bodyOf(answer), '{"error":{"code":7,"message":"etcdserver: permission denied"}}\n');
  call.destroy();
  assert.equal((await ask("/v3/watch", "")).text, '400 {"error":{"code":3,"message":"the body has no request"}}\n');
  assert.equal(
    (await ask("/v3/watch", "nope")).text,
    '400 {"error":{"code":3,"message":"Failed to decode request: invalid character \'o\' in literal null (expecting \'u\')"}}\n',
  );
});

test("a client that does not read pauses its stream, and its disconnection ends the stream", async (t) => {
  const { method, streams, events } = createWatch();
  const { port } = await setUp(t, { methods: [method] });
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write("POST /v3/watch HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
  socket.pause();
  await waitUntil(() => events.length === 2);
  const [stream] = streams;
  assert.ok(stream);
  let hasDrained = false;
  stream.setDrainListener(() => (hasDrained = true));
  const large = WatchResponse.create({ cancelReason: "x".repeat(100_000) });
  let sent = 0;
  while (stream.send(large)) sent++;
  assert.ok(sent > 5 && sent < 20, `${sent} messages`);
  assert.ok(untaken.bytes > 1_000_000);
  socket.resume();
  await waitUntil(() => hasDrained);
  assert.equal(untaken.bytes, 0);
  socket.destroy();
  await waitUntil(() => events.includes("closed"));
});

test("other hosts and origins are refused if there are lists of them", async (t) => {
  const { ask } = await setUp(t, { access: { origins: ["http://a.example:80"], hosts: ["localhost"] } });
  assert.match(
    (await ask("/v3/kv/put", "{}", { Host: "evil.example:2379" })).text,
    /^421 \netcd received your request/,
  );
  const fine = await ask("/v3/kv/put", "{}", { Host: "localhost:2379", Origin: "http://a.example:80" });
  assert.equal(fine.text, "200 {}");
  assert.equal(fine.answer.headers["access-control-allow-origin"], "http://a.example:80");
  const other = await ask("/v3/kv/put", "{}", { Host: "localhost", Origin: "http://b.example:80" });
  assert.equal(other.answer.headers["access-control-allow-origin"], undefined);
});

test("a stop lets a request end, and ends streams with the error server stopped", async (t) => {
  const { method, events } = createWatch();
  let answer: () => void = () => undefined;
  const slow = unary(
    "/etcdserverpb.KV/Put",
    PutRequest,
    PutResponse,
    (_call, _request, handler) => {
      answer = () => handler.onResult({ header: undefined, prevKv: undefined });
      events.push("put");
    },
    sendPlain,
  );
  const { ask, http } = await setUp(t, { methods: [method, slow] });
  const stream = ask("/v3/watch", "{}");
  await waitUntil(() => events.length === 2);
  const answered = ask("/v3/kv/put", "{}");
  await waitUntil(() => events.length === 3);
  const finished = http.drainAndEnd(1_000);
  answer();
  await finished;
  assert.equal((await answered).text, "200 {}");
  assert.equal((await stream).text, '503 {"error":{"code":14,"message":"etcdserver: server stopped"}}\n');
});

/** Masks a frame, as clients must. */
const maskFrame = (first: number, payload: Buffer): Buffer => {
  const mask = Buffer.of(1, 2, 3, 4);
  return Buffer.concat([
    Buffer.of(first, 0x80 | payload.length),
    mask,
    payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)),
  ]);
};

/** Opens a WebSocket without a library. `frames` gets opcode and text of each frame. */
const openSocket = async (port: number, path: string, fields = "") => {
  const socket = connect(port, "127.0.0.1");
  let bytes = Buffer.alloc(0);
  socket.on("data", (piece: Buffer) => (bytes = Buffer.concat([bytes, piece])));
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${fields}\r\n`,
  );
  await waitUntil(() => bytes.includes("\r\n\r\n"));
  const end = bytes.indexOf("\r\n\r\n") + 4;
  const head = bytes.subarray(0, end).toString();
  const frames = (): string[] => {
    const found: string[] = [];
    for (let at = end; at + 2 <= bytes.length;) {
      const length = bytes[at + 1] ?? 0;
      if (length > 125 || at + 2 + length > bytes.length) break;
      found.push(`${(bytes[at] ?? 0) & 0x0f} ${bytes.subarray(at + 2, at + 2 + length).toString("latin1")}`);
      at += 2 + length;
    }
    return found;
  };
  const sendBytes = (payload: Buffer, first: number): void => void socket.write(maskFrame(first, payload));
  const send = (text: string, first = 0x81): void => sendBytes(Buffer.from(text), first);
  return { socket, head, frames, send, sendBytes };
};

test("a WebSocket carries a stream: its messages are the body, and each answer is a text message", async (t) => {
  let token: string | undefined;
  const { method, streams, events } = createWatch();
  const opened: Method =
    method.kind === "bidi"
      ? {
          ...method,
          open: (call, stream) => {
            token = call.metadata("authorization");
            return method.open(call, stream);
          },
        }
      : method;
  const { port } = await setUp(t, { methods: [opened] });
  const { socket, head, frames, send } = await openSocket(port, "/v3/watch", "Sec-WebSocket-Protocol: Bearer, T\r\n");
  t.after(() => socket.destroy());
  assert.match(
    head,
    /^HTTP\/1\.1 101 [^]*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n[^]*Protocol: Bearer\r\n/,
  );
  send('{"create_request":', 0x01); // a message in two frames
  send("ping", 0x89);
  send("{}}", 0x80);
  await waitUntil(() => events.length === 1);
  assert.equal(token, "Bearer T");
  streams[0]?.send(WatchResponse.create({ watchId: 7n }));
  await waitUntil(() => frames().length === 2);
  assert.deepEqual(frames(), ["10 ping", '1 {"result":{"watch_id":"7"}}']);
  send("", 0x88);
  await once(socket, "end");
  assert.equal(frames().at(-1), "8 ");
  await waitUntil(() => events.includes("closed"));
});

test("a WebSocket of a unary method, of an unknown path, or with a protocol error ends as in etcd", async (t) => {
  const { port } = await setUp(t);
  const one = await openSocket(port, "/v3/kv/put");
  one.send("{}");
  await once(one.socket, "end");
  assert.deepEqual(one.frames(), ["1 {}", "8 "]);
  one.socket.end();
  const unknown = await openSocket(port, "/v3/nope");
  await once(unknown.socket, "end");
  assert.deepEqual(unknown.frames(), ['1 {"code":5,"message":"Not Found"}', "8 "]);
  unknown.socket.end();
  const broken = await openSocket(port, "/v3/kv/put");
  broken.socket.on("error", () => undefined);
  broken.socket.write(Buffer.of(0x81, 1, 0x7b)); // not masked
  await once(broken.socket, "close");
  assert.deepEqual(broken.frames(), ["8 \x03\xeabad MASK"]);
});

test("a WebSocket that its client closes is closed with the same code, and with 1002 for an invalid code", async (t) => {
  const { method, events } = createWatch();
  const { port } = await setUp(t, { methods: [method] });
  const codeOf = (code: number) => Buffer.of(code >> 8, code & 0xff).toString("latin1");
  const answers: [payload: string, answer: string][] = [
    ["", ""],
    [`${codeOf(1000)}bye`, codeOf(1000)],
    [codeOf(1001), codeOf(1001)],
    [codeOf(4999), codeOf(4999)],
    [codeOf(999), `${codeOf(1002)}bad close code 999`],
    [codeOf(1005), `${codeOf(1002)}bad close code 1005`],
    [codeOf(5000), `${codeOf(1002)}bad close code 5000`],
    [`${codeOf(1000)}\xff`, `${codeOf(1002)}invalid utf8 payload in close frame`],
  ];
  for (const [at, [payload, answer]] of answers.entries()) {
    const { socket, frames, sendBytes } = await openSocket(port, "/v3/watch");
    sendBytes(Buffer.from(payload, "latin1"), 0x88);
    await once(socket, "close");
    assert.deepEqual(frames(), [`8 ${answer}`]);
    await waitUntil(() => events.filter((event) => event === "closed").length === at + 1);
  }
});

test("a WebSocket whose client does not close its side is closed after a while", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const socket = new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => done() });
  const account = { hasRoom: true, isPressed: false, keep: () => undefined, release: () => undefined };
  const client = new WebSocketClientSide(new IncomingMessage(new Socket()), socket, account);
  client.endAnswer();
  t.mock.timers.tick(4_999);
  assert.equal(socket.destroyed, false);
  t.mock.timers.tick(1);
  assert.equal(socket.destroyed, true);
});

test("an invalid WebSocket handshake is refused", async (t) => {
  const { port } = await setUp(t);
  const refusalOf = async (method: string, fields: string): Promise<string> => {
    const socket = connect(port, "127.0.0.1");
    t.after(() => socket.destroy());
    socket.write(
      `${method} /v3/watch HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${fields}\r\n`,
    );
    const [head] = (await once(socket, "data")) as [Buffer];
    return head.toString("latin1").replace(/\r\n[^]*Sec-Websocket-Version: 13[^]*\r\n\r\n/, " | ");
  };
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const version = "Sec-WebSocket-Version: 13\r\n";
  const badRequest = "HTTP/1.1 400 Bad Request | ";
  for (const fields of [key, `${key}Sec-WebSocket-Version: 8\r\n`, version, `${version}Sec-WebSocket-Key: abc\r\n`])
    assert.ok((await refusalOf("GET", fields)).startsWith(badRequest), fields);
  assert.ok((await refusalOf("POST", key + version)).startsWith("HTTP/1.1 405 Method Not Allowed | "));
});

test("an offer of another protocol is ignored", async (t) => {
  const { ask } = await setUp(t);
  const { text } = await ask("/v3/kv/put", '{"key":"YQ=="}', {
    Connection: "Upgrade, HTTP2-Settings",
    Upgrade: "h2c",
    "HTTP2-Settings": "AAMAAABkAAQAAP__",
  });
  assert.equal(text, "200 {}");
});
