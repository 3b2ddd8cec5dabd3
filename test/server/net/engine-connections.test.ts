import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as http2Connect, type ClientHttp2Session, type IncomingHttpHeaders } from "node:http2";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { HealthCheckRequest, HealthCheckResponse, HealthCheckResponse_ServingStatus } from "../../../proto/index.js";
import { systemClock } from "../../../platform/index.js";
import { UntakenAnswers } from "../../../server/net/engine/untaken-answers.js";
import { encodeFrame } from "../../../server/net/grpc-js/http2-frames.js";
import { preface } from "../../../server/net/http2/index.js";
import { bidi, sendPlain, unary } from "../../../server/rpc/method-table.js";
import { within } from "../../support/deadline.js";
import { temporaryDirectory } from "../member/member-fixtures.js";
import { handTo, onEachEngine, type CreateEngine } from "./engines.js";

const settings = encodeFrame(4, 0, 0, Buffer.alloc(0));
const serving = { status: HealthCheckResponse_ServingStatus.SERVING };

/** Sets up a server with a unary method, and with a stream that stays open. */
const setUp = async (t: TestContext, createEngine: CreateEngine, withoutRequestMs?: number) => {
  const path = join(await temporaryDirectory(t), "s");
  const engine = createEngine({
    clock: systemClock,
    rules: { withoutRequestMs },
    untaken: new UntakenAnswers(systemClock, () => undefined),
    methods: [
      unary(
        "/test.Service/Unary",
        HealthCheckRequest,
        HealthCheckResponse,
        (_call, _request, handler) => handler.onResult(serving),
        sendPlain,
      ),
      bidi("/test.Service/Stream", HealthCheckRequest, HealthCheckResponse, (_call, stream) => ({
        onRequest: () => void stream.send(serving),
        onHalfClose: () => undefined,
        onClosed: () => undefined,
      })),
    ],
    maxRequestBytes: 1_000,
    onUnexpectedError: (error) => assert.fail(error as Error),
  });
  const server = createServer(handTo(engine));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const sockets: Socket[] = [];
  const dial = (): Socket => {
    const socket = connect(path).on("error", () => undefined);
    sockets.push(socket);
    return socket;
  };
  const sessions: ClientHttp2Session[] = [];
  const session = (authority = "http://localhost"): ClientHttp2Session => {
    const made = http2Connect(authority, { createConnection: dial }).on("error", () => undefined);
    sessions.push(made);
    return made;
  };
  t.after(async () => {
    for (const each of sessions) each.destroy();
    for (const socket of sockets) socket.destroy();
    server.close();
    await engine.stop(0);
  });
  return { dial, session };
};

const open = (session: ClientHttp2Session, method: string, headers: Record<string, string> = {}) =>
  session.request({
    ":method": "POST",
    ":path": `/test.Service/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });

/**
 * Makes a call.
 * @returns the gRPC status, or the error code of the stream
 */
const call = async (session: ClientHttp2Session, headers: Record<string, string> = {}): Promise<string> => {
  const stream = open(session, "Unary", headers);
  stream.on("error", () => undefined);
  let status = "";
  const note = (fields: IncomingHttpHeaders): void => void (status = [fields["grpc-status"] ?? status].join());
  stream.on("response", note).on("trailers", note).resume();
  stream.end(Buffer.alloc(5));
  await within(5_000, "the end of a call", once(stream, "close"));
  return status === "" ? `reset ${stream.rstCode}` : status;
};

/** Reads bytes until `isEnough`. */
const read = (socket: Socket, isEnough: (bytes: Buffer) => boolean): Promise<Buffer> =>
  within(
    5_000,
    "bytes of the server",
    new Promise((resolve) => {
      let all = Buffer.alloc(0);
      socket.on("data", (chunk: Buffer) => {
        all = Buffer.concat([all, chunk]);
        if (isEnough(all)) resolve(all);
      });
    }),
  );

const settingsAck = encodeFrame(4, 1, 0, Buffer.alloc(0));

onEachEngine("a client's SETTINGS is acknowledged at once, before any request", async (t, createEngine) => {
  const { dial } = await setUp(t, createEngine);
  const socket = dial();
  socket.write(Buffer.concat([preface, settings]));
  await read(socket, (bytes) => bytes.includes(settingsAck));
});

onEachEngine("every SETTINGS of a client is acknowledged once", async (t, createEngine) => {
  const { dial } = await setUp(t, createEngine);
  const socket = dial();
  socket.write(Buffer.concat([preface, settings, settings]));
  socket.write(encodeFrame(6, 0, 0, Buffer.alloc(8)));
  const bytes = await read(socket, (all) => all.includes(encodeFrame(6, 1, 0, Buffer.alloc(8))));
  assert.equal(bytes.toString("latin1").split(settingsAck.toString("latin1")).length - 1, 2);
});

onEachEngine(
  "requests with a URL or a path as :authority are served, the first and the later ones",
  async (t, createEngine) => {
    const { session } = await setUp(t, createEngine);
    const client = session();
    for (const authority of ["http://127.0.0.1:2379", "/run/my member/s", "localhost", "http://127.0.0.1:2379"])
      assert.equal(await call(client, { ":authority": authority }), "0");
  },
);

onEachEngine("frames that arrive byte by byte are read", async (t, createEngine) => {
  const { dial } = await setUp(t, createEngine);
  const socket = dial();
  const ping = encodeFrame(6, 0, 0, Buffer.from("pingpong"));
  const answer = read(socket, (bytes) => bytes.includes(encodeFrame(6, 1, 0, Buffer.from("pingpong"))));
  for (const byte of Buffer.concat([preface, settings, ping])) {
    socket.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  await answer;
});

onEachEngine("a connection that never begins a request gets a GOAWAY, and is closed", async (t, createEngine) => {
  const { dial } = await setUp(t, createEngine, 50);
  const socket = dial();
  socket.write(Buffer.concat([preface, settings]));
  const closed = once(socket, "close");
  const bytes = await read(socket, (all) => all.includes("no_request"));
  assert.equal(bytes.readUInt32BE(bytes.indexOf("no_request") - 4), 0); // NO_ERROR
  await within(5_000, "the end of the connection", closed);
});

onEachEngine("a connection whose client has begun a request stays", async (t, createEngine) => {
  const { session, dial } = await setUp(t, createEngine, 50);
  const client = session();
  assert.equal(await call(client), "0");
  const silent = dial(); // begun later, so the time of the first connection is over before its own
  silent.write(Buffer.concat([preface, settings]));
  silent.resume();
  await within(5_000, "the end of the silent connection", once(silent, "close"));
  assert.equal(await call(client), "0");
});

onEachEngine(
  "a client that pings too often gets a GOAWAY with too_many_pings; other clients are served",
  async (t, createEngine) => {
    const { session } = await setUp(t, createEngine);
    const flooder = session();
    const other = session();
    assert.equal(await call(flooder), "0");
    const goAway = once(flooder, "goaway");
    const ended = new Promise((resolve) => flooder.once("close", resolve));
    for (let n = 0; n < 10; n++) flooder.ping(() => undefined);
    const [code, , text] = (await within(5_000, "a GOAWAY", goAway)) as [number, number, Buffer];
    assert.equal(code, 11); // ENHANCE_YOUR_CALM
    assert.equal(text.toString(), "too_many_pings");
    await within(5_000, "the end of the connection", ended);
    assert.equal(await call(other), "0");
  },
);

onEachEngine(
  "two thousand calls that are given up at once do not end the connection's other calls",
  async (t, createEngine) => {
    const { session } = await setUp(t, createEngine);
    const client = session();
    const watch = open(client, "Stream");
    const events: unknown[] = [];
    watch.on("data", (chunk) => events.push(chunk));
    watch.write(Buffer.alloc(5));
    await within(5_000, "an event", once(watch, "data"));
    for (let round = 0; round < 40; round++) {
      const streams = Array.from({ length: 50 }, () => open(client, "Stream"));
      for (const stream of streams) stream.on("error", () => undefined).write(Buffer.alloc(5));
      await new Promise(setImmediate);
      for (const stream of streams) stream.close(8);
      await new Promise(setImmediate);
    }
    assert.equal(await call(client), "0");
    const before = events.length;
    watch.write(Buffer.alloc(5));
    await within(5_000, "an event", once(watch, "data"));
    assert.equal(events.length, before + 1);
  },
);

onEachEngine(
  "a unary call takes its first request; without one it is answered in the words of Go's gRPC",
  async (t, createEngine, engine) => {
    const { session } = await setUp(t, createEngine);
    const client = session();
    const answer = async (body: Buffer): Promise<[string, string]> => {
      const stream = open(client, "Unary");
      let fields: IncomingHttpHeaders = {};
      const note = (more: IncomingHttpHeaders): void => void (fields = { ...fields, ...more });
      stream.on("response", note).on("trailers", note).resume();
      stream.end(body);
      await within(5_000, "the end of a call", once(stream, "close"));
      return [[fields["grpc-status"]].join(), decodeURIComponent([fields["grpc-message"]].join())];
    };
    const message = Buffer.alloc(5);
    const ok = ["0", engine === "native" ? "" : "OK"]; // etcd sends no text, like the native engine
    // grpc-js does not distinguish half a message from none (docs/differences.md).
    const torn = ["2", engine === "native" ? "unexpected EOF" : "EOF"];
    assert.deepEqual(await answer(Buffer.alloc(0)), ["2", "EOF"]);
    assert.deepEqual(await answer(message.subarray(0, 3)), torn);
    assert.deepEqual(await answer(message), ok);
    assert.deepEqual(await answer(Buffer.concat([message, message])), ok);
    assert.deepEqual(await answer(Buffer.from([0, 0, 0, 0, 3, 0x0a, 5, 1])), [
      "13",
      "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data",
    ]);
  },
);
