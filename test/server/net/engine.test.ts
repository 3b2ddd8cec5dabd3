import assert from "node:assert/strict";
import { systemClock } from "../../../platform/index.js";
import { UntakenAnswers } from "../../../server/net/engine/untaken-answers.js";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  Client,
  credentials,
  Metadata,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ServiceError,
} from "@grpc/grpc-js";
import { BaseServerInterceptingCall } from "@grpc/grpc-js/build/src/server-interceptors.js";
import { HealthCheckRequest, HealthCheckResponse, HealthCheckResponse_ServingStatus } from "../../../proto/index.js";
import { maxUnsentBytes, maxUnsentMessages } from "../../../server/base/limits.js";
import { ServerError } from "../../../server/base/errors.js";
import { createGrpcJsEngine } from "../../../server/net/grpc-js/grpc-js-engine.js";
import { allocateMessage } from "../../../server/rpc/framed-message.js";
import {
  bidi,
  encodedAlready,
  serverStream,
  sendPlain,
  unary,
  unimplementedMethod,
  type Call,
  type Method,
  type Reply,
} from "../../../server/rpc/method-table.js";
import { temporaryDirectory } from "../member/member-fixtures.js";
import { handTo, onEachEngine, type CreateEngine } from "./engines.js";

type Handler = (request: HealthCheckRequest, call: Call, reply: Reply<HealthCheckResponse>) => void;

/** Receives the outcome of a handler; its response may be encoded already. */
interface Outcome {
  readonly onResult: (response: HealthCheckResponse | Uint8Array) => void;
  readonly onError: (error: unknown) => void;
}

type BidiCall = ClientDuplexStream<Buffer, Buffer>;

const ok = { status: HealthCheckResponse_ServingStatus.SERVING };

/** Sets up an engine with one unary method that the test implements, and a client. */
const setUp = async (t: TestContext, createEngine: CreateEngine, handler: Handler, more: readonly Method[] = []) => {
  const path = join(await temporaryDirectory(t), "s");
  const unexpected: unknown[] = [];
  const engine = createEngine({
    clock: systemClock,
    untaken: new UntakenAnswers(systemClock, () => undefined),
    methods: [
      unary(
        "/test.Service/Unary",
        HealthCheckRequest,
        HealthCheckResponse,
        (call, request, { onResult: send, onError: fail }: Outcome) => handler(request, call, { send, fail }),
        (reply): Outcome => ({ onResult: (response) => reply.send(response), onError: (error) => reply.fail(error) }),
      ),
      ...more,
    ],
    maxRequestBytes: 1_000,
    onUnexpectedError: (error) => unexpected.push(error),
  });
  const server = createServer(handTo(engine));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  t.after(async () => {
    client.close();
    server.close();
    await engine.stop(0);
  });
  const call = (
    method: string,
    { service = "", metadata = {} }: { service?: string; metadata?: Record<string, string> } = {},
  ): Promise<HealthCheckResponse> =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest(
        method,
        (request: HealthCheckRequest) => Buffer.from(HealthCheckRequest.encode(request).finish()),
        (bytes) => HealthCheckResponse.decode(bytes),
        { service },
        Metadata.fromHttp2Headers(metadata),
        (error, response) => (error ? reject(error) : resolve(response!)),
      ),
    );
  const stream = (method: string): ClientReadableStream<HealthCheckResponse> =>
    client.makeServerStreamRequest(
      method,
      (request: HealthCheckRequest) => Buffer.from(HealthCheckRequest.encode(request).finish()),
      (bytes) => HealthCheckResponse.decode(bytes),
      { service: "" },
    );
  return { engine, server, client, call, stream, unexpected };
};

const assertFails = (promise: Promise<unknown>, code: number, details: string | RegExp): Promise<void> =>
  assert.rejects(promise, (error: ServiceError) => {
    assert.equal(error.code, code);
    if (typeof details === "string") assert.equal(error.details, details);
    else assert.match(error.details, details);
    return true;
  });

onEachEngine("a handler's error is etcd's status, whether it is thrown or given", async (t, createEngine) => {
  const refusal = new ServerError("empty-key", "none");
  const { call, unexpected } = await setUp(t, createEngine, ({ service }, _call, reply) => {
    if (service === "throw") throw refusal;
    reply.fail(refusal);
  });
  await assertFails(call("/test.Service/Unary", { service: "throw" }), 3, "etcdserver: key is not provided");
  await assertFails(call("/test.Service/Unary"), 3, "etcdserver: key is not provided");
  assert.equal(unexpected.length, 0);
});

onEachEngine(
  "an unexpected error is INTERNAL, without details for the client, and is reported",
  async (t, createEngine) => {
    const { call, unexpected } = await setUp(t, createEngine, () => {
      throw new TypeError("secret");
    });
    await assertFails(call("/test.Service/Unary"), 13, "etcdserver: internal error");
    assert.equal(unexpected.length, 1);
  },
);

onEachEngine("only the first answer of a call counts", async (t, createEngine) => {
  const { call } = await setUp(t, createEngine, (_request, _call, reply) => {
    reply.send(ok);
    reply.send(ok);
    reply.fail(new ServerError("timed-out", "late"));
    throw new Error("after the answer");
  });
  assert.deepEqual(await call("/test.Service/Unary"), ok);
  assert.deepEqual(await call("/test.Service/Unary"), ok);
});

const grpcJsCalls = BaseServerInterceptingCall.prototype as unknown as { serializeMessage(message: unknown): Buffer };

test("grpc-js: an answer that lies in its frame arrives as it is, and it is not copied", async (t) => {
  // The mock throws if grpc-js does not have this method: see server/rpc/framed-message.ts.
  const copying = t.mock.method(grpcJsCalls, "serializeMessage").mock;
  const encoded = HealthCheckResponse.encode(ok).finish();
  const { call } = await setUp(t, createGrpcJsEngine, ({ service }, _call, reply) => {
    if (service !== "framed") return reply.send(ok);
    const message = allocateMessage(encoded.length * 100_000);
    for (let at = 0; at < message.length; at += encoded.length) message.set(encoded, at);
    reply.send(message);
  });
  assert.deepEqual(await call("/test.Service/Unary", { service: "framed" }), ok);
  assert.equal(copying.callCount(), 0);
  assert.deepEqual(await call("/test.Service/Unary"), ok);
  assert.equal(copying.callCount(), 1);
});

onEachEngine("an unimplemented method is refused in gRPC's words", async (t, createEngine) => {
  const { call, stream } = await setUp(t, createEngine, () => assert.fail("handled"), [
    unimplementedMethod("/test.Service/Later", { requestStream: false, responseStream: false }),
    unimplementedMethod("/test.Service/LaterStream", { requestStream: true, responseStream: true }),
  ]);
  await assertFails(call("/test.Service/Later"), 12, "unknown method Later for service test.Service");
  const error = await new Promise<ServiceError>((resolve) => stream("/test.Service/LaterStream").on("error", resolve));
  assert.deepEqual([error.code, error.details], [12, "unknown method LaterStream for service test.Service"]);
});

onEachEngine(
  "a handler gets the caller's metadata and deadline, and its error is the answer",
  async (t, createEngine) => {
    let left = 0;
    const { call } = await setUp(t, createEngine, (_request, call, reply) => {
      left = call.deadline() - Date.now();
      if (call.metadata("hasleader") === "true") throw new ServerError("no-leader", "none");
      reply.send(ok);
    });
    await assertFails(call("/test.Service/Unary", { metadata: { hasleader: "true" } }), 14, "etcdserver: no leader");
    assert.equal(left, Infinity);
    await call("/test.Service/Unary", { metadata: { hasleader: "TRUE", "grpc-timeout": "5000m" } });
    assert.ok(left > 0 && left <= 5_000, `${left}`);
  },
);

onEachEngine("a request beyond the limit is refused with both sizes", async (t, createEngine) => {
  const { call } = await setUp(t, createEngine, (_request, _call, reply) => reply.send(ok));
  await call("/test.Service/Unary", { service: "x".repeat(990) });
  await assertFails(
    call("/test.Service/Unary", { service: "x".repeat(1_100) }),
    8,
    /received message larger than max \(1103 vs\.? 1000\)/i,
  );
});

for (const { how, end, code } of [
  { how: "a request that cannot be read", end: (call: BidiCall) => void call.write(Buffer.of(0x0a, 0xff)), code: 13 },
  { how: "a request beyond the limit", end: (call: BidiCall) => void call.write(Buffer.alloc(2_000)), code: 8 },
  { how: "a client that cancels", end: (call: BidiCall) => call.cancel(), code: 1 },
  { how: "a client that goes away", end: (_call: BidiCall, connection: Socket) => void connection.destroy(), code: 14 },
])
  onEachEngine(`a stream's handler is notified of its end once: ${how}`, async (t, createEngine) => {
    let closed = 0;
    let onClosed: () => void = () => undefined;
    const over = new Promise<void>((resolve) => (onClosed = resolve));
    const { client, server } = await setUp(t, createEngine, () => assert.fail("handled"), [
      bidi("/test.Service/Bidi", HealthCheckRequest, HealthCheckResponse, (_call, stream) => ({
        onRequest: () => stream.send(ok),
        onHalfClose: () => undefined,
        onClosed: () => {
          closed += 1;
          onClosed();
        },
      })),
    ]);
    const connected = new Promise<Socket>((resolve) => server.once("connection", resolve));
    const bytes = (message: Buffer): Buffer => message;
    const call = client.makeBidiStreamRequest("/test.Service/Bidi", bytes, bytes);
    const ended = new Promise<ServiceError>((resolve) => call.on("error", resolve));
    call.write(Buffer.from(HealthCheckRequest.encode({ service: "" }).finish()));
    await new Promise((resolve) => call.once("data", resolve));
    end(call, await connected);
    await over;
    assert.equal((await ended).code, code);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(closed, 1);
  });

onEachEngine(
  "a server stream pauses until its client has read the sent messages, and is notified of its end",
  async (t, createEngine) => {
    const large = Buffer.alloc(maxUnsentBytes / 4);
    const bursts: number[] = [];
    let onClosed: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => (onClosed = resolve));
    const { client } = await setUp(t, createEngine, () => undefined, [
      serverStream("/test.Service/Stream", HealthCheckRequest, encodedAlready, (_request, _call, reply) => {
        const send = (): void => {
          let burst = 1;
          while (reply.send(large)) burst += 1;
          bursts.push(burst);
          if (bursts.length === 3) reply.endStream();
        };
        reply.setDrainListener(send);
        reply.setCloseListener(onClosed);
        send();
      }),
    ]);
    const bytes = (message: Buffer): Buffer => message;
    const call = client.makeServerStreamRequest("/test.Service/Stream", bytes, bytes, Buffer.alloc(0));
    let messages = 0;
    call.on("data", () => (messages += 1));
    await new Promise((resolve) => call.on("end", resolve));
    await closed;
    assert.deepEqual([bursts, messages], [[4, 4, 4], 12]);
  },
);

onEachEngine("a server stream is notified when its client cancels", async (t, createEngine) => {
  let onClosed: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => (onClosed = resolve));
  const { stream } = await setUp(t, createEngine, () => undefined, [
    serverStream("/test.Service/Stream", HealthCheckRequest, HealthCheckResponse, (_request, _call, reply) => {
      reply.setCloseListener(onClosed);
      reply.send(ok);
    }),
  ]);
  const call = stream("/test.Service/Stream");
  call.on("error", () => undefined);
  await new Promise((resolve) => call.once("data", resolve));
  call.cancel();
  await closed;
});

onEachEngine(
  "a stop waits for calls under way, and only then ends streams with etcd's status",
  async (t, createEngine) => {
    let release: () => void = () => undefined;
    let sendMore: () => void = () => undefined;
    let begin: () => void = () => undefined;
    const began = new Promise<void>((resolve) => (begin = resolve));
    const { engine, call, stream } = await setUp(
      t,
      createEngine,
      (_request, _call, reply) => {
        release = () => reply.send(ok);
        begin();
      },
      [
        serverStream("/test.Service/Stream", HealthCheckRequest, HealthCheckResponse, (_request, _call, reply) => {
          sendMore = () => reply.send(ok);
          sendMore();
        }),
      ],
    );
    const open = stream("/test.Service/Stream");
    const ended = new Promise<ServiceError>((resolve) => open.on("error", resolve));
    await new Promise((resolve) => open.once("data", resolve));
    const answered = call("/test.Service/Unary");
    await began;
    const drained = engine.drain(60_000);
    await assertFails(call("/test.Service/Unary"), 14, /./); // new connections are refused
    const stopped = engine.stop(60_000);
    sendMore();
    await new Promise((resolve) => open.once("data", resolve));
    release();
    await Promise.all([answered, drained]);
    const { code, details } = await ended;
    assert.deepEqual([code, details], [14, "etcdserver: server stopped"]);
    await stopped;
  },
);

onEachEngine("a stop does not wait for calls that their client has given up", async (t, createEngine) => {
  let onBegin: () => void = () => undefined;
  const under = new Promise<void>((resolve) => (onBegin = resolve));
  let onCanceled: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => (onCanceled = resolve));
  const { engine, client } = await setUp(t, createEngine, (_request, call) => {
    call.addCancelListener(() => onCanceled());
    onBegin();
  });
  const bytes = (): Buffer => Buffer.alloc(0);
  const call = client.makeUnaryRequest("/test.Service/Unary", bytes, bytes, {}, () => undefined);
  await under;
  call.cancel();
  await gone;
  await engine.stop(60_000);
});

onEachEngine(
  "a stop without a timeout ends the calls in progress with the status server stopped",
  async (t, createEngine) => {
    let onBegin: () => void = () => undefined;
    const under = new Promise<void>((resolve) => (onBegin = resolve));
    const { engine, call } = await setUp(t, createEngine, () => onBegin());
    const lost = assertFails(call("/test.Service/Unary"), 14, "etcdserver: server stopped");
    await under;
    await engine.stop(0);
    await lost;
  },
);

onEachEngine(
  "messages with labels are sent while a stream has room, and the others once it has room again",
  async (t, createEngine) => {
    const count = 2 * maxUnsentMessages + 1;
    const labels = Array.from({ length: count }, (_, n) => ({ label: Buffer.from(`${n}`) }));
    const sent: number[] = [];
    const { client } = await setUp(t, createEngine, () => assert.fail("handled"), [
      bidi("/test.Service/Bidi", HealthCheckRequest, HealthCheckResponse, (_call, stream) => {
        let next = 0;
        const send = (): void => {
          const some = stream.sendEach(labels, next, count, Buffer.from("<"), Buffer.from(">"));
          sent.push(some);
          next += some;
          if (next === count) stream.endStream();
        };
        stream.setDrainListener(send);
        return { onRequest: send, onHalfClose: () => undefined, onClosed: () => undefined };
      }),
    ]);
    const bytes = (message: Buffer): Buffer => message;
    const call = client.makeBidiStreamRequest("/test.Service/Bidi", bytes, bytes);
    const messages: string[] = [];
    call.on("data", (message: Buffer) => messages.push(message.toString()));
    const ended = new Promise((resolve) => call.on("end", resolve));
    call.write(Buffer.from(HealthCheckRequest.encode({ service: "" }).finish()));
    await ended;
    assert.deepEqual(sent, [maxUnsentMessages, maxUnsentMessages, 1]);
    assert.deepEqual(
      messages,
      labels.map(({ label }) => `<${label.toString()}>`),
    );
  },
);

onEachEngine("calls and messages are counted by method, and their ends by status", async (t, createEngine) => {
  let onBegin: () => void = () => undefined;
  const waiting = new Promise<void>((resolve) => (onBegin = resolve));
  let onEnd: () => void = () => undefined;
  const canceled = new Promise<void>((resolve) => (onEnd = resolve));
  const counted = unary(
    "/test.Service/Counted",
    HealthCheckRequest,
    HealthCheckResponse,
    (call, request, handler) => {
      if (request.service === "fail") throw new ServerError("empty-key", "none");
      if (request.service !== "wait") return handler.onResult(ok);
      call.addCancelListener(() => onEnd());
      onBegin();
    },
    sendPlain,
  );
  const echo = bidi("/test.Service/Echo", HealthCheckRequest, HealthCheckResponse, (_call, stream) => ({
    onRequest: () => {
      stream.send(ok);
      stream.sendEach(
        [{ label: Buffer.from("2") }, { label: Buffer.from("34") }],
        0,
        2,
        Buffer.from("1"),
        Buffer.alloc(0),
      );
    },
    onHalfClose: () => stream.endStream(),
    onClosed: () => undefined,
  }));
  const later = unimplementedMethod("/test.Service/Later", { requestStream: false, responseStream: false });
  counted.stats.measureHandling();
  const { client, call } = await setUp(t, createEngine, () => assert.fail("handled"), [counted, echo, later]);
  await call("/test.Service/Counted", { service: "1234" });
  await assertFails(call("/test.Service/Counted", { service: "fail" }), 3, /./);
  await assertFails(call("/test.Service/Later"), 12, /./);
  const request = Buffer.from(HealthCheckRequest.encode({ service: "wait" }).finish());
  const open = client.makeUnaryRequest(
    "/test.Service/Counted",
    () => request,
    returnAsIs,
    {},
    () => undefined,
  );
  await waiting;
  open.cancel();
  await canceled;
  const stream = client.makeBidiStreamRequest("/test.Service/Echo", returnAsIs, returnAsIs);
  stream.on("data", () => undefined);
  const over = new Promise((resolve) => stream.on("end", resolve));
  stream.end(request);
  await over;

  const { stats } = counted;
  assert.deepEqual([stats.started, stats.received, stats.receivedBytes], [3, 3, 18]);
  assert.deepEqual([stats.sent, stats.sentBytes], [1, 2]);
  assert.deepEqual(nonZero(stats.handled), { 0: 1, 1: 1, 3: 1 });
  assert.equal(
    stats.handlingSeconds?.counts.reduce((sum, count) => sum + count),
    3,
  );
  assert.deepEqual([echo.stats.received, echo.stats.sent, echo.stats.sentBytes], [1, 3, 2 + 2 + 3]);
  assert.deepEqual(nonZero(echo.stats.handled), { 0: 1 });
  assert.deepEqual([later.stats.started, nonZero(later.stats.handled)], [1, { 12: 1 }]);
  assert.equal(later.stats.handlingSeconds, undefined);
});

const returnAsIs = (message: Buffer): Buffer => message;

const nonZero = (counts: readonly number[]): Record<string, number> =>
  Object.fromEntries([...counts.entries()].filter(([, count]) => count > 0));
