// A transport that the program supplies: calls without sockets, with the client's failover on top.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Channel,
  type ChannelState,
  Client,
  ConnectError,
  EtcdError,
  StatusError,
  type Transport,
} from "../../../client/index.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

/** Answers to the calls at each endpoint: a status, or the bytes of a response. An endpoint that is not listed is down. */
type Answers = Readonly<Record<string, StatusError | Uint8Array>>;

class MemoryTransport implements Transport {
  readonly asked: string[] = [];

  constructor(private readonly answers: Answers) {}

  open(endpoint: string): Channel {
    if (endpoint === "") throw new TypeError("an endpoint needs a name");
    const answer = this.answers[endpoint];
    let state: ChannelState = "idle";
    let listener: () => void = () => undefined;
    return {
      get state() {
        return state;
      },
      connect: () => {
        if (state !== "idle") return;
        state = answer === undefined ? "transient-failure" : "ready";
        queueMicrotask(() => listener());
      },
      onStateChange: (given) => void (listener = given),
      failureReason: () => Promise.resolve("nobody is there"),
      unary: ({ path, decode }, _request, _timeoutMs, onEnd) => {
        this.asked.push(`${endpoint} ${path}`);
        queueMicrotask(() => {
          if (answer instanceof Uint8Array) onEnd(null, decode(Buffer.from(answer)));
          else onEnd(answer ?? new StatusError(14, "No connection established"), undefined);
        });
        return { cancel: () => undefined };
      },
      bidi: () => assert.fail("no stream was asked for"),
      close: () => undefined,
    };
  }
}

const empty = new Uint8Array(0);

test("requests go through the transport, and to the next endpoint when one refuses", async () => {
  const transport = new MemoryTransport({ a: new StatusError(14, "etcdserver: no leader"), b: empty });
  await using client = new Client({ endpoints: ["a", "b"], transport }, new VirtualClock());
  assert.equal((await client.kv.put("k", "v")).header.revision, 0);
  assert.deepEqual(transport.asked, ["a /etcdserverpb.KV/Put", "b /etcdserverpb.KV/Put"]);
});

test("a status of the transport is the error of the request", async () => {
  const transport = new MemoryTransport({ a: new StatusError(3, "etcdserver: key is not provided") });
  await using client = new Client({ endpoints: ["a"], transport }, new VirtualClock());
  const isRefusal = (error: unknown) =>
    error instanceof EtcdError && error.code === "invalid-argument" && error.outcome === "failed";
  await assert.rejects(client.kv.put("", "v"), isRefusal);
});

test("a channel that does not connect reports the reason", async () => {
  const clock = new VirtualClock();
  await using client = new Client({ endpoints: ["nowhere"], transport: new MemoryTransport({}) }, clock);
  const failed = assert.rejects(client.kv.get("k"), (error: unknown) => {
    assert.ok(error instanceof ConnectError);
    assert.deepEqual([...error.failures], [["nowhere", "nobody is there"]]);
    return true;
  });
  await Promise.resolve();
  clock.advance(2_000);
  await failed;
});

/** A transport with puts that end when the test says, and with no other answers. */
class PatientTransport implements Transport {
  readonly called: Promise<void>;
  end: (failure: Error) => void = () => undefined;
  private onCall: () => void = () => undefined;

  constructor() {
    this.called = new Promise((resolve) => (this.onCall = resolve));
  }

  open(): Channel {
    return {
      ...new MemoryTransport({ a: empty }).open("a"),
      state: "ready",
      unary: ({ path }, _request, _timeoutMs, onEnd) => {
        if (path.endsWith("/Put")) this.end = (failure) => onEnd(failure, undefined);
        this.onCall();
        return { cancel: () => undefined };
      },
    };
  }
}

test("a stream that the server resets at the deadline ends its request with deadline-exceeded", async () => {
  const clock = new VirtualClock();
  const codeAfter = async (ms: number) => {
    const transport = new PatientTransport();
    await using client = new Client({ endpoints: ["a"], transport }, clock);
    const failed = client.kv.put("k", "v", { timeoutMs: 500 }).catch((error: unknown) => error as EtcdError);
    await transport.called;
    clock.advance(ms);
    transport.end(new StatusError(1, "Call cancelled"));
    const error = await failed;
    assert.ok(error instanceof EtcdError);
    return [error.code, error.outcome];
  };
  assert.deepEqual(await codeAfter(499), ["deadline-exceeded", "unknown"]);
  assert.deepEqual(await codeAfter(300), ["unavailable", "unknown"]);
});

test("an endpoint that the transport does not know is refused at once", () => {
  assert.throws(() => new Client({ endpoints: [""], transport: new MemoryTransport({}) }), TypeError);
});
