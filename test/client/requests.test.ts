// Requests of the client, its results, and how a request without an answer ends.

import { status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Client, EtcdError, prefixEnd, type Transport } from "../../client/index.js";
import { CounterError, type RangeRequest, SnapshotResponse } from "../../proto/index.js";
import { VirtualClock } from "../../testing/virtual-clock.js";
import { connectedChannel } from "./connected-channel.js";
import { FakeServer, oneKey, type Answers } from "./fake-server.js";
import { patientClient } from "../support/patient-client.js";

const utf8 = (text: string) => new TextEncoder().encode(text);
const failure = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("succeeded"),
    (reason: unknown) => reason,
  );

/** A timeout that no test reaches: a request that should have ended hangs visibly. */
const anHour = 3_600_000;

async function connect(answers: Answers = {}) {
  const server = await FakeServer.start(answers);
  const client = new Client({ endpoints: [server.endpoint], requestTimeoutMs: anHour });
  const dispose = async () => {
    await client.close();
    await server[Symbol.asyncDispose]();
  };
  return { server, client, [Symbol.asyncDispose]: dispose };
}

describe("requests", () => {
  test("a get sends every option", async () => {
    await using pair = await connect();
    const bounds = { minModRevision: 1, maxModRevision: 2, minCreateRevision: 3, maxCreateRevision: 4 };
    const what = { limit: 5, revision: 6, serializable: true, keysOnly: true, countOnly: true };
    await pair.client.kv.get("a", { rangeEnd: "b", sortBy: "modRevision", order: "descending", ...what, ...bounds });
    assert.deepEqual(plainOf(pair.server.calls[0]?.request), {
      key: "a",
      rangeEnd: "b",
      limit: 5n,
      revision: 6n,
      sortOrder: 2,
      sortTarget: 3,
      serializable: true,
      keysOnly: true,
      countOnly: true,
      minModRevision: 1n,
      maxModRevision: 2n,
      minCreateRevision: 3n,
      maxCreateRevision: 4n,
    });
  });

  test("a prefix and an open end become intervals, also of all keys", async () => {
    await using pair = await connect();
    await pair.client.kv.get("ab", { prefix: true });
    await pair.client.kv.get("ab", { fromKey: true });
    await pair.client.kv.get("", { prefix: true });
    await pair.client.kv.delete("", { fromKey: true });
    const intervals = pair.server.calls.map(({ request }) => {
      const { key, rangeEnd } = plainOf(request) as { key: string; rangeEnd: string };
      return [key, rangeEnd];
    });
    const all = ["\0", "\0"];
    assert.deepEqual(intervals, [["ab", "ac"], ["ab", "\0"], all, all]);
    await assert.rejects(pair.client.kv.get("a", { prefix: true, fromKey: true }), TypeError);
  });

  test("a transaction is sent with each kind of condition and of step", async () => {
    await using pair = await connect();
    await pair.client.kv.txn({
      compare: [
        { key: "a", target: "version", is: "=", than: 1 },
        { key: "b", target: "value", is: "!=", than: "x", prefix: true },
        { key: "c", target: "lease", is: ">", than: 2n ** 62n },
      ],
      success: [
        { op: "put", key: "a", value: "1", lease: -1n, prevKv: true },
        { op: "delete", key: "b", rangeEnd: "c" },
      ],
      failure: [{ op: "txn", success: [{ op: "get", key: "d" }] }],
    });
    const {
      compare,
      success,
      failure: otherwise,
    } = plainOf(pair.server.calls[0]?.request) as Record<string, unknown[]>;
    assert.deepEqual(compare, [
      { result: 0, target: 0, key: "a", targetUnion: { $case: "version", value: 1n }, rangeEnd: "" },
      { result: 3, target: 3, key: "b", targetUnion: { $case: "value", value: "x" }, rangeEnd: "c" },
      { result: 1, target: 4, key: "c", targetUnion: { $case: "lease", value: 2n ** 62n }, rangeEnd: "" },
    ]);
    const put = { key: "a", value: "1", lease: -1n, prevKv: true, ignoreValue: false, ignoreLease: false };
    assert.deepEqual(success, [
      { request: { $case: "requestPut", value: put } },
      { request: { $case: "requestDeleteRange", value: { key: "b", rangeEnd: "c", prevKv: false } } },
    ]);
    assert.match(JSON.stringify(otherwise, withBigints), /"requestTxn".*"success":\[.*"requestRange".*"key":"d"/);
  });
});

describe("answers", () => {
  test("keys and values are plain bytes, counters numbers, ids exact", async () => {
    const kv = { key: utf8("k"), value: Uint8Array.of(255, 0), version: 3n, createRevision: 4n, modRevision: 9n };
    const header = { clusterId: 2n ** 64n - 1n, memberId: 2n ** 53n + 1n, revision: 9n, raftTerm: 2n };
    await using pair = await connect({ Range: { header, kvs: [{ ...kv, lease: -5n }], more: true, count: 7n } });
    assert.deepEqual(await pair.client.kv.get("k"), {
      header: { ...header, revision: 9, raftTerm: 2 },
      kvs: [{ ...kv, version: 3, createRevision: 4, modRevision: 9, lease: -5n }],
      more: true,
      count: 7,
    });
  });

  test("a counter beyond 2^53-1 is an error, not a rounded number", async () => {
    await using pair = await connect({ Range: { count: 2n ** 53n } });
    await assert.rejects(pair.client.kv.get("k"), CounterError);
  });

  test("getText of a missing key is undefined; of a value that is not UTF-8 it is an error", async () => {
    await using pair = await connect();
    assert.equal(await pair.client.kv.getText("k"), undefined);
    pair.server.answers = { Range: { kvs: [{ key: utf8("k"), value: Uint8Array.of(255) }] } };
    await assert.rejects(pair.client.kv.getText("k"), TypeError);
  });

  test("results of a transaction's operations are distinguished by kind", async () => {
    const responses = [
      { response: { $case: "responsePut", value: {} } },
      { response: { $case: "responseRange", value: oneKey("k", "v") } },
      { response: { $case: "responseTxn", value: { succeeded: true } } },
      { response: { $case: "responseDeleteRange", value: { deleted: 2n } } },
    ];
    await using pair = await connect({ Txn: { responses } });
    const result = await pair.client.kv.txn({});
    assert.deepEqual(
      result.responses.map(({ op }) => op),
      ["put", "get", "txn", "delete"],
    );
  });

  test("an error has the server's code and text, and the outcome of a write", async () => {
    await using pair = await connect();
    const outcomes = [
      [status.NOT_FOUND, "etcdserver: requested lease not found", "not-found", "failed"],
      [status.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", "out-of-range", "failed"],
      [status.UNKNOWN, "etcdserver: too many requests", "unknown", "failed"],
      [status.UNKNOWN, "context deadline exceeded", "unknown", "unknown"],
      // The write that reaches the quota is nevertheless applied.
      [status.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", "resource-exhausted", "unknown"],
      [status.RESOURCE_EXHAUSTED, "grpc: received message larger than max (3 vs. 2)", "resource-exhausted", "failed"],
      [status.DEADLINE_EXCEEDED, "context deadline exceeded", "deadline-exceeded", "unknown"],
    ] as const;
    for (const [grpcCode, details, code, outcome] of outcomes) {
      pair.server.answers = { Put: { code: grpcCode, details }, Range: { code: grpcCode, details } };
      const write = await failure(pair.client.kv.put("k", "v"));
      assert.ok(write instanceof EtcdError);
      assert.deepEqual([write.code, write.message, write.outcome], [code, details, outcome]);
      assert.equal(write.endpoint, pair.server.endpoint);
      const read = await failure(pair.client.kv.get("k"));
      assert.ok(read instanceof EtcdError);
      assert.equal(read.outcome, "failed");
    }
  });
});

describe("a request without an answer", () => {
  const endOf = async (promise: Promise<unknown>) => {
    const error = await failure(promise);
    assert.ok(error instanceof EtcdError);
    return [error.code, error.outcome];
  };

  test("ends at its deadline: a read failed, a write with unknown outcome", async () => {
    await using server = await FakeServer.start({ Put: "never", Range: "never" });
    const clock = new VirtualClock();
    await using client = new Client({ endpoints: [server.endpoint] }, clock);
    const timeoutMs = anHour; // grpc-js has a deadline in real time as well
    for (const [request, outcome] of [
      [() => client.kv.get("k", { timeoutMs }), "failed"],
      [() => client.kv.put("k", "v", { timeoutMs }), "unknown"],
    ] as const) {
      const end = endOf(request());
      await server.waitForCall();
      server.calls.length = 0;
      clock.advance(timeoutMs);
      assert.deepEqual(await end, ["deadline-exceeded", outcome]);
    }
  });

  test("ends when its signal is aborted, and keeps the reason", async () => {
    await using pair = await connect({ Put: "never" });
    const giveUp = new AbortController();
    const put = failure(pair.client.kv.put("k", "v", { signal: giveUp.signal }));
    await pair.server.waitForCall();
    giveUp.abort("enough");
    const error = await put;
    assert.ok(error instanceof EtcdError);
    assert.deepEqual([error.code, error.outcome, error.cause], ["cancelled", "unknown", "enough"]);
  });

  test("can share its signal with any number of others, without a warning of Node's", async () => {
    await using pair = await connect({ Range: "never" });
    const warnings: Error[] = [];
    const remember = (warning: Error) => warnings.push(warning);
    process.on("warning", remember);
    const giveUp = new AbortController();
    const gets = Array.from({ length: 20 }, () => endOf(pair.client.kv.get("k", { signal: giveUp.signal })));
    await pair.server.waitForCall();
    giveUp.abort();
    for (const end of await Promise.all(gets)) assert.deepEqual(end, ["cancelled", "failed"]);
    process.off("warning", remember);
    assert.deepEqual(warnings, []);
  });

  test("leaves no listener on its signal when it has ended, and neither does a stream", async () => {
    const chunk = { rangeResponse: { count: 1n } };
    await using pair = await connect({ RangeStream: chunk });
    const { client, server } = pair;
    const { signal } = new AbortController();
    const parts = client.maintenance.snapshot(server.endpoint, { signal });
    const ends: Record<string, () => Promise<unknown>> = {
      get: () => client.kv.get("k", { signal }),
      getStream: () => client.kv.getStream("k", { signal }),
      "failed getStream": () => {
        server.answers = { RangeStream: { code: status.UNIMPLEMENTED, details: "no chunks" } };
        return failure(client.kv.getStream("k", { signal }));
      },
      "snapshot that is left": async () => {
        const first = parts.next();
        const stream = await server.stream<object, SnapshotResponse>();
        await stream.request();
        stream.send(SnapshotResponse.create({ remainingBytes: 1n }));
        await first;
        assert.equal(getEventListeners(signal, "abort").length, 1);
        await parts.return();
      },
      "snapshot without a server": () =>
        failure(client.maintenance.snapshot("127.0.0.1:1", { signal, timeoutMs: 1 }).next()),
      watch: () => client.watch("k", { signal }).close(),
    };
    for (const [name, end] of Object.entries(ends)) {
      await end();
      assert.equal(getEventListeners(signal, "abort").length, 0, name);
    }
  });

  test("leaves no stream, timer or listener if the transport throws when it sends the request", async () => {
    const transport = new ThrowingTransport();
    const clock = new VirtualClock();
    await using client = new Client({ endpoints: ["a"], transport }, clock);
    const { signal } = new AbortController();
    assert.equal(await failure(client.kv.getStream("k", { signal })), transport.error);
    assert.equal(getEventListeners(signal, "abort").length, 0);
    assert.deepEqual([transport.opened, transport.canceled], [1, 1]);
    await client.close(); // stops the timer of its connection
    assert.equal(clock.pendingTimers, 0);
  });

  test("is not sent if its signal is already aborted", async () => {
    await using pair = await connect();
    const put = pair.client.kv.put("k", "v", { signal: AbortSignal.abort() });
    assert.deepEqual(await endOf(put), ["cancelled", "failed"]);
    assert.equal(pair.server.calls.length, 0);
  });

  test("ends with the client, which can be closed twice", async () => {
    await using pair = await connect({ Put: "never" });
    const put = endOf(pair.client.kv.put("k", "v"));
    await pair.server.waitForCall();
    await pair.client.close();
    await pair.client.close();
    assert.deepEqual(await put, ["cancelled", "unknown"]);
    assert.deepEqual(await endOf(pair.client.kv.put("k", "v")), ["cancelled", "failed"]);
  });

  test("is not sent when the client is closed, or its signal aborted, in the same turn", async () => {
    await using pair = await connect();
    await pair.client.kv.get("k"); // connects first, so that the next request does not wait for a connection
    pair.server.calls.length = 0;
    const giveUp = new AbortController();
    const put = endOf(pair.client.kv.put("k", "v", { signal: giveUp.signal }));
    giveUp.abort();
    assert.deepEqual(await put, ["cancelled", "failed"]);
    const orphans = [pair.client.kv.put("k", "v"), pair.client.watch("k").batches().next()];
    const ended = Promise.all(orphans.map(endOf));
    await pair.client.close();
    for (const end of await ended) assert.deepEqual(end, ["cancelled", "failed"]);
    assert.deepEqual(pair.server.calls, []);
  });

  test("ends with the client also while it waits for a connection", async () => {
    const server = await FakeServer.start();
    await server[Symbol.asyncDispose]();
    const client = new Client({ endpoints: [server.endpoint], dialTimeoutMs: anHour, requestTimeoutMs: anHour });
    const get = endOf(client.kv.get("k"));
    await client.close();
    assert.deepEqual(await get, ["cancelled", "failed"]);
  });
});

describe("settings", () => {
  test("a request beyond messages.maxSendBytes is not sent, and an answer beyond messages.maxReceiveBytes is an error", async () => {
    await using server = await FakeServer.start({ Range: oneKey("k", "x".repeat(1_000)) });
    await using client = patientClient({
      endpoints: [server.endpoint],
      messages: { maxSendBytes: 500, maxReceiveBytes: 500 },
    });
    const put = await failure(client.kv.put("k", "x".repeat(1_000)));
    assert.ok(put instanceof EtcdError);
    assert.deepEqual([put.code, put.outcome], ["resource-exhausted", "failed"]);
    assert.deepEqual(server.calls, []);
    const get = await failure(client.kv.get("k"));
    assert.ok(get instanceof EtcdError);
    assert.equal(get.code, "resource-exhausted");
  });

  test("a socket in the file system is an endpoint", async () => {
    const folder = await mkdtemp(join(tmpdir(), "client-"));
    try {
      await using server = await FakeServer.start({ Range: oneKey("k", "v") }, join(folder, "s"));
      for (const endpoint of [server.endpoint, server.endpoint.replace("unix:", "unix://")]) {
        await using client = patientClient({ endpoints: [endpoint] });
        assert.equal(await client.kv.getText("k"), "v");
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("a malformed endpoint is refused with the reason", () => {
    const refused = {
      "https://127.0.0.1": /expected host:port/,
      "unixs:": /the path is missing/,
      "ftp://127.0.0.1:2379": /unknown scheme "ftp"/,
      "127.0.0.1": /expected host:port/,
      "127.0.0.1:99999": /expected host:port/,
      "http://host:1/path": /expected host:port/,
      "": /expected host:port/,
      "unix:": /the path is missing/,
    };
    for (const [endpoint, reason] of Object.entries(refused))
      assert.throws(() => new Client({ endpoints: [endpoint] }), { name: "TypeError", message: reason });
  });

  test("host:port, IPv6 and http URLs are endpoints", async () => {
    for (const endpoint of ["localhost:1", "[::1]:1", "http://a.b-c:1", "http://127.0.0.1:1/"]) {
      await using client = patientClient({ endpoints: [endpoint] });
      assert.ok(client.kv);
    }
  });

  test("times and sizes of 0, and a client without endpoints, are refused", () => {
    assert.throws(() => new Client({ endpoints: [] }), RangeError);
    for (const wrong of [0, -1, NaN])
      assert.throws(() => new Client({ endpoints: ["a:1"], requestTimeoutMs: wrong }), RangeError);
  });

  test("an undefined option has its default; an unknown option is refused", async () => {
    await using client = new Client({ endpoints: ["a:1"], requestTimeoutMs: undefined });
    assert.equal(client.requestTimeoutMs, 5_000);
    const options = { endpoints: ["a:1"], credentials: {} };
    assert.throws(() => new Client(options), { name: "TypeError", message: /there is no option "credentials"/ });
  });
});

test("prefixEnd returns the first key behind a prefix, and leaves the prefix unchanged", () => {
  const ends = [
    [[0x61], [0x62]],
    [[0x61, 0xff], [0x62]],
    [
      [0x61, 0xfe, 0xff, 0xff],
      [0x61, 0xff],
    ],
    [[0xff, 0xff], [0]], // no key follows a key of 0xff bytes: the end is open
    [[], [0]],
  ] as const;
  for (const [prefix, end] of ends) {
    const given = Buffer.from(prefix); // Buffer.slice() shares memory, unlike that of Uint8Array
    assert.deepEqual(prefixEnd(given), Uint8Array.from(end));
    assert.deepEqual([...given], [...prefix]);
  }
});

/** A transport that is connected immediately; its streams throw instead of sending. */
class ThrowingTransport implements Transport {
  readonly error = new Error("cannot encode the request");
  opened = 0;
  canceled = 0;

  open(): ReturnType<Transport["open"]> {
    return connectedChannel(() => {
      this.opened++;
      return {
        send: () => {
          throw this.error;
        },
        cancel: () => {
          this.canceled++;
        },
      };
    });
  }
}

/** Returns a request with its bytes as text. */
const plainOf = (request: unknown): unknown => {
  if (request instanceof Uint8Array) return Buffer.from(request).toString();
  if (Array.isArray(request)) return request.map(plainOf);
  if (typeof request !== "object" || request === null) return request;
  return Object.fromEntries(Object.entries(request as RangeRequest).map(([name, value]) => [name, plainOf(value)]));
};

const withBigints = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);
