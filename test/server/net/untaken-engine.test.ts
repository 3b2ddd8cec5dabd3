// The engine with a client that requests large answers and reads none.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { maxUntakenBytesOfConnection, untakenBytesUnderPressure } from "../../../server/base/limits.js";
import { sendPlain, unary, unaryRead } from "../../../server/rpc/method-table.js";
import { UntakenAnswers } from "../../../server/net/engine/untaken-answers.js";
import { eventually, within } from "../../support/deadline.js";
import { temporaryDirectory } from "../member/member-fixtures.js";
import { handTo, onEachEngine, type CreateEngine } from "./engines.js";
import { systemClock } from "../../../platform/index.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

const mebibyte = 1024 * 1024;
const codec = { decode: (bytes: Uint8Array) => bytes, encode: (bytes: Uint8Array) => ({ finish: () => bytes }) };
const large = new Uint8Array(mebibyte);

const setUp = async (t: TestContext, createEngine: CreateEngine) => {
  const path = join(await temporaryDirectory(t), "s");
  const clock = new VirtualClock();
  const closed: number[] = [];
  const handled = { count: 0 };
  const untaken = new UntakenAnswers(clock, (bytes) => closed.push(bytes));
  const engine = createEngine({
    clock: systemClock,
    untaken,
    methods: [
      unaryRead(
        "/a.B/Read",
        codec,
        codec,
        (_call, _request, handler) => {
          handled.count += 1;
          handler.onResult(large);
        },
        sendPlain,
      ),
      unary("/a.B/Write", codec, codec, (_call, _request, handler) => handler.onResult(large), sendPlain),
    ],
    maxRequestBytes: 1_000,
    onUnexpectedError: assert.ifError,
  });
  const server = createServer(handTo(engine));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const sessions: ClientHttp2Session[] = [];
  const dial = (): ClientHttp2Session => {
    const session = connectHttp2("http://localhost", { createConnection: () => connect(path) });
    session.on("error", () => undefined);
    sessions.push(session);
    return session;
  };
  t.after(async () => {
    for (const session of sessions) session.destroy();
    server.close();
    await engine.stop(0);
  });
  /** Makes a call. Resolves to the status of an answer without a message, or to undefined when one begins. */
  const ask = async (session: ClientHttp2Session, method: string) => {
    const headers = {
      ":method": "POST",
      ":path": `/a.B/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
    };
    const stream = session.request(headers);
    stream.on("error", () => undefined);
    stream.end(Buffer.alloc(5));
    const [response] = (await once(stream, "response")) as [Record<string, string | undefined>];
    return { stream, status: response["grpc-status"], message: response["grpc-message"] };
  };
  return { clock, closed, handled, untaken, dial, ask };
};

onEachEngine(
  `clients that take no answers get no more under pressure, others do; they are closed, and nothing is kept for them`,
  async (t, createEngine) => {
    const { clock, closed, untaken, handled, dial, ask } = await setUp(t, createEngine);
    const greedy = Array.from({ length: 4 }, dial);
    const requests = 50;
    for (const session of greedy) for (let n = 0; n < requests; n++) void ask(session, "Read").catch(() => undefined);
    await eventually(20_000, "all requests", () => handled.count === greedy.length * requests || undefined);
    // The answer that reaches the bound is kept as well.
    const most = untakenBytesUnderPressure + mebibyte + greedy.length * (maxUntakenBytesOfConnection + mebibyte);
    assert.ok(untaken.bytes <= most, `${untaken.bytes} bytes are kept of ${greedy.length * requests * mebibyte}`);

    const { stream, status } = await within(10_000, "an answer to somebody else", ask(dial(), "Read"));
    assert.equal(status, undefined);
    const received = await within(10_000, "all of it", stream.toArray() as Promise<Buffer[]>);
    assert.equal(Buffer.concat(received).length, mebibyte + 5);

    for (const session of greedy) void ask(session, "Write").catch(() => undefined); // answered in any case, as the write was done
    await eventually(10_000, "pressure", () => untaken.isPressed || undefined);
    const ends = greedy.map((session) => new Promise<void>((resolve) => session.once("close", resolve)));
    clock.advance(6_000);
    await within(10_000, "the end of the connections", Promise.all(ends));
    assert.equal(closed.length, greedy.length);
    await eventually(10_000, "nothing to be kept", () => untaken.bytes === 0 || undefined);
  },
);
