// The connection flags of a client, as an HTTP/2 client sees them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2, constants, type ClientHttp2Session } from "node:http2";
import { connect } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { ServerFlags } from "../../../server/config/config.js";
import { Member } from "../../../server/member/member.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "../member/member-fixtures.js";

const sessionWith = async (t: TestContext, flags: Partial<ServerFlags>): Promise<ClientHttp2Session> => {
  const directory = await temporaryDirectory(t);
  const member = await Member.start(singleMember(directory, flags), quietEnvironment());
  await member.whenReady;
  const socket = connect(join(directory, "client"));
  const session = connectHttp2("http://localhost", { createConnection: () => socket });
  t.after(async () => {
    session.destroy();
    await member.stop();
  });
  session.on("error", () => undefined); // fails at the end of the member
  // The engine takes a connection at its first request.
  const path = "/grpc.health.v1.Health/Check";
  const request = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  request.on("error", () => undefined); // fails at the end of the session
  return session;
};

test("a connection allows as many streams as --max-concurrent-streams says", { timeout: 20_000 }, async (t) => {
  const session = await sessionWith(t, { maxConcurrentStreams: "2" });
  while (session.remoteSettings.maxConcurrentStreams !== 2) await once(session, "remoteSettings");
});

test("a client is pinged every --grpc-keepalive-interval, at most once a second", { timeout: 20_000 }, async (t) => {
  const session = await sessionWith(t, { grpcKeepaliveInterval: "1ms", grpcKeepaliveTimeout: "15s" });
  await once(session, "ping");
  const first = performance.now();
  await once(session, "ping");
  assert.ok(performance.now() - first > 500);
});

test(
  "a client that pings more often than --grpc-keepalive-min-time is disconnected, other clients are not",
  { timeout: 20_000 },
  async (t) => {
    const pings = 6; // the first may be ignored, and the fourth after that is one too many
    const pingAll = async (session: ClientHttp2Session): Promise<void> => {
      await once(session, "remoteSettings"); // Node sends no pings before
      for (let n = 0; n < pings && !session.destroyed; n++)
        await new Promise<void>((resolve) => session.ping(() => resolve()));
    };
    const patient = await sessionWith(t, { grpcKeepaliveMinTime: "1ns" });
    await pingAll(patient);
    assert.equal(patient.closed, false);
    const strict = await sessionWith(t, { grpcKeepaliveMinTime: "1h" });
    const gone = once(strict, "goaway") as Promise<[number]>;
    void pingAll(strict);
    assert.equal((await gone)[0], constants.NGHTTP2_ENHANCE_YOUR_CALM);
  },
);
