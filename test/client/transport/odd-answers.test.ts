// Answers that are not valid gRPC: each fails its request, and never the program.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { Client, EtcdError } from "../../../client/index.js";
import { errorFromFailure, mayTryAgain } from "../../../client/transport/errors.js";

/** The head of a gRPC message that claims to be compressed. */
const compressed = Buffer.from([1, 0, 0, 0, 0]);

interface Answer {
  readonly headers?: Readonly<Record<string, string>>;
  readonly data?: Buffer;
  readonly trailers?: Readonly<Record<string, string>>;
}

function respond(stream: ServerHttp2Stream, { headers, data = Buffer.alloc(0), trailers = {} }: Answer): void {
  stream.on("error", () => undefined); // the client may have canceled the stream
  stream.respond({ ":status": 200, "content-type": "application/grpc", ...headers }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(data);
}

const answers: readonly (Answer & { name: string; code: string })[] = [
  { name: "compressed, without the name of the algorithm", data: compressed, code: "internal" },
  {
    name: "compressed by an unknown algorithm",
    headers: { "grpc-encoding": "x" },
    data: compressed,
    code: "internal",
  },
  { name: "no message", trailers: { "grpc-status": "0" }, code: "unimplemented" },
  { name: "no status", trailers: { other: "0" }, code: "unknown" },
  { name: "a status that gRPC does not have", trailers: { "grpc-status": "99" }, code: "unknown" },
  { name: "a status that is no number", trailers: { "grpc-status": "fine" }, code: "unknown" },
];

describe("a malformed answer", () => {
  let server: Http2Server;
  let answer: Answer = {};
  const sessions = new Set<ServerHttp2Session>();
  before(async () => {
    server = createServer();
    server.on("session", (session: ServerHttp2Session) => sessions.add(session));
    server.on("stream", (stream: ServerHttp2Stream) => respond(stream, answer));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(async () => {
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  for (const { name, code, ...what } of answers)
    test(`is an error "${code}" of requests, watches and leases: ${name}`, async () => {
      answer = what;
      await using client = new Client({ endpoints: [`127.0.0.1:${(server.address() as AddressInfo).port}`] });
      const limits = { timeoutMs: 500 };
      const outcomes = await Promise.allSettled([
        client.kv.get("k", { timeoutMs: 20_000 }),
        client.kv.put("k", "v", limits),
        client.watch("k").whenReady(limits),
        client.lease.keepAlive(5n, limits),
      ]);
      const errors = outcomes.map((outcome) => outcome.status === "rejected" && (outcome.reason as unknown));
      for (const error of errors) assert.ok(error instanceof EtcdError, String(error));
      assert.equal((errors[0] as EtcdError).code, code);
    });
});

test("a failure of any class, also one without status, is an EtcdError of its request", () => {
  const streamError = Object.assign(new Error("stream.push() after EOF"), { code: "ERR_STREAM_PUSH_AFTER_EOF" });
  const nothing = Object.assign(new Error(""), { code: undefined, details: undefined });
  const failures: [Error, string][] = [
    [streamError, "unavailable"],
    [nothing, "internal"],
    [new TypeError("x is not a function"), "internal"],
    [Object.assign(new Error("text"), { code: NaN, details: "text" }), "unknown"],
  ];
  for (const [failure, code] of failures) {
    const write = errorFromFailure(failure, "write", "127.0.0.1:2379");
    assert.deepEqual([write.code, write.outcome, write.cause], [code, "unknown", failure]);
    assert.ok(!mayTryAgain(write));
    assert.notEqual(write.message, "");
  }
});
