// The Lease service: its streams without gRPC, and its answers over gRPC from one member.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { status } from "@grpc/grpc-js";
import { type Client, EtcdError } from "../../../client/index.js";
import { LeaseKeepAliveResponse } from "../../../proto/index.js";
import type { Revision } from "../../../store/index.js";
import type { KeepAliveSession } from "../../../server/app/sessions.js";
import { anonymousCaller } from "../../../server/base/caller.js";
import { ServerError } from "../../../server/base/errors.js";
import { maxKeepAlivesPerStream } from "../../../server/base/limits.js";
import { Member } from "../../../server/member/member.js";
import { KeepAliveStream } from "../../../server/services/keep-alive-stream.js";
import { toClusterId, toMemberId } from "../../../testing/ids.js";
import { ResponseHeaders } from "../../../server/services/response-header.js";
import { within } from "../../support/deadline.js";
import { RawKeepAlive } from "../../support/keep-alive-stream.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "../member/member-fixtures.js";
import { patientClient } from "../../support/patient-client.js";

interface Asked {
  readonly lease: bigint;
  readonly answer: (seconds: bigint) => void;
  readonly fail: (error: unknown) => void;
}

/** A lease for which the application throws an error. */
const refusedLease = 99n;

/** Opens a stream between a client and an application that act when the test says. */
const openStream = () => {
  const asked: Asked[] = [];
  const sent: LeaseKeepAliveResponse[] = [];
  const state = { revision: 1, takes: true, isClosed: false, end: undefined as unknown, drain: (): void => undefined };
  const session: KeepAliveSession = {
    renew: (lease, handler) => {
      if (lease === refusedLease) throw new ServerError("permission-denied", "a key of the lease");
      const revision = state.revision as Revision;
      asked.push({
        lease,
        answer: (response) => handler.onResult({ response, revision }),
        fail: (error) => handler.onError(error),
      });
    },
    close: () => (state.isClosed = true),
  };
  const application = { leaseKeepAlive: () => session };
  const headers = new ResponseHeaders(toClusterId(1n), toMemberId(1n), () => 1);
  const stream = new KeepAliveStream(application, anonymousCaller, headers, {
    send: (response) => sent.push(LeaseKeepAliveResponse.decode(response)) > 0 && state.takes,
    setDrainListener: (callback) => (state.drain = callback),
    fail: (error) => (state.end ??= error),
    endStream: () => (state.end ??= "ended"),
  });
  return { stream, asked, sent, state };
};

test("each keep-alive is answered as soon as possible, and none delays another", () => {
  const { stream, asked, sent, state } = openStream();
  for (const ID of [1n, 2n, 3n]) stream.onRequest({ ID });
  state.revision = 9;
  asked[1]?.answer(5n);
  asked[2]?.answer(0n);
  assert.deepEqual(
    sent.map(({ ID, TTL, header }) => [ID, TTL, header?.revision]), // the revision at the time of the request
    [
      [2n, 5n, 1n],
      [3n, 0n, 1n],
    ],
  );
  asked[0]?.answer(7n);
  assert.equal(sent.length, 3);
  assert.equal(state.end, undefined);
});

test("a client that has half-closed its stream gets the pending answers, then the end", () => {
  const { stream, asked, sent, state } = openStream();
  stream.onRequest({ ID: 1n });
  stream.onHalfClose();
  assert.equal(state.end, undefined);
  asked[0]?.answer(5n);
  assert.deepEqual([sent.length, state.end], [1, "ended"]);
});

test("a request that cannot be sent to the leader ends the stream", () => {
  const { stream, asked, state } = openStream();
  stream.onRequest({ ID: 1n });
  asked[0]?.fail(new ServerError("no-leader", "there is no leader"));
  assert.ok(state.end instanceof ServerError && state.end.code === "no-leader");
});

test("a refused request ends the stream once the earlier ones are answered; later ones are not answered", () => {
  const { stream, asked, sent, state } = openStream();
  for (const ID of [1n, 2n, 3n, 4n]) stream.onRequest({ ID });
  const refusal = new ServerError("permission-denied", "a key of the lease");
  asked[2]?.fail(refusal);
  asked[3]?.answer(5n);
  asked[1]?.answer(6n);
  stream.onRequest({ ID: 5n });
  stream.onHalfClose();
  assert.deepEqual([sent.map(({ ID }) => ID), asked.length, state.end], [[2n], 4, undefined]);
  asked[0]?.answer(7n);
  assert.deepEqual([sent.map(({ ID }) => ID), state.end], [[2n, 1n], refusal]);
});

test("a request that is refused at once ends the stream once the earlier ones are answered", () => {
  const { stream, asked, sent, state } = openStream();
  for (const ID of [1n, refusedLease]) stream.onRequest({ ID });
  assert.deepEqual([sent.length, state.end], [0, undefined]);
  asked[0]?.answer(5n);
  assert.ok(sent.length === 1 && state.end instanceof ServerError && state.end.code === "permission-denied");
});

test("the first of two refused requests gives the status of the stream", () => {
  const { stream, asked, sent, state } = openStream();
  for (const ID of [1n, 2n, 3n]) stream.onRequest({ ID });
  const [first, second] = [new ServerError("no-leader", "first"), new ServerError("permission-denied", "second")];
  asked[2]?.fail(second);
  asked[1]?.fail(first);
  assert.equal(state.end, undefined);
  asked[0]?.answer(7n);
  assert.deepEqual([sent.length, state.end], [1, first]);
});

test("a stream that is over closes its session", () => {
  const { stream, state } = openStream();
  stream.onClosed();
  assert.equal(state.isClosed, true);
});

test("a client with too many pending requests or unread answers is refused", () => {
  for (const takes of [true, false]) {
    const { stream, asked, state } = openStream();
    state.takes = takes;
    for (let n = 0; n < maxKeepAlivesPerStream; n++) {
      stream.onRequest({ ID: 1n });
      if (!takes) asked[n]?.answer(5n);
    }
    assert.throws(() => stream.onRequest({ ID: 1n }), { code: "too-many-requests" });
    if (takes) asked[0]?.answer(5n);
    else state.drain();
    stream.onRequest({ ID: 1n });
  }
});

const startMember = async (t: TestContext) => {
  const directory = await temporaryDirectory(t);
  const config = singleMember(directory, { heartbeatInterval: "20", electionTimeout: "200" });
  const endpoint = `unix:${join(directory, "client")}`;
  const client = patientClient({ endpoints: [endpoint] });
  const start = async (): Promise<Member> => {
    const member = await Member.start(config, quietEnvironment());
    await member.whenReady;
    return member;
  };
  const state = { member: await start() };
  t.after(async () => {
    await client.close();
    await state.member.stop();
  });
  const restart = async (): Promise<void> => {
    await state.member.stop();
    state.member = await start();
  };
  return { client, endpoint, restart };
};

const failure = async (call: Promise<unknown>): Promise<{ grpc: string; message: string }> => {
  const error = await call.then(
    () => assert.fail("it succeeded"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof EtcdError);
  return { grpc: error.code, message: error.message };
};

test("a grant has the requested TTL, at least the minimum, and the client's id or a new one", async (t) => {
  const { client } = await startMember(t);
  const { lease } = client;
  const { header } = await client.kv.put("k", "v");
  const own = await lease.grant({ ttlSeconds: 60 });
  assert.ok(own.id > 0n && own.id < 2n ** 63n);
  assert.deepEqual([own.ttlSeconds, own.header.revision], [60, header.revision]);
  // An id that is taken is skipped.
  await lease.grant({ ttlSeconds: 60, id: own.id + 1n });
  assert.equal((await lease.grant({ ttlSeconds: 60 })).id, own.id + 2n);
  assert.deepEqual(await ttlOf(lease.grant({ ttlSeconds: -5, id: -7n })), [-7n, 1]);
  assert.deepEqual(await ttlOf(lease.grant({ ttlSeconds: 0, id: 1n })), [1n, 1]);
  assert.deepEqual(await ttlOf(lease.grant({ ttlSeconds: 9_000_000_000, id: 2n })), [2n, 9_000_000_000]);
  assert.deepEqual(await failure(lease.grant({ ttlSeconds: 9_000_000_001 })), {
    grpc: "out-of-range",
    message: "etcdserver: too large lease TTL",
  });
  assert.deepEqual(await failure(lease.grant({ ttlSeconds: 5, id: 2n })), {
    grpc: "failed-precondition",
    message: "etcdserver: lease already exists",
  });
});

const ttlOf = async (grant: ReturnType<Client["lease"]["grant"]>): Promise<[bigint, number]> => {
  const { id, ttlSeconds } = await grant;
  return [id, ttlSeconds];
};

test("revoking or using a missing lease is an error, its time-to-live is an answer", async (t) => {
  const { client, endpoint } = await startMember(t);
  const notFound = { grpc: "not-found", message: "etcdserver: requested lease not found" };
  assert.deepEqual(await failure(client.lease.revoke(5n)), notFound);
  assert.deepEqual(await failure(client.lease.revoke(0n)), notFound);
  assert.deepEqual(await failure(client.kv.put("k", "v", { lease: 5n })), notFound);
  const { ttlSeconds, grantedTtlSeconds } = await client.lease.timeToLive(5n);
  assert.deepEqual([ttlSeconds, grantedTtlSeconds], [-1, 0]);
  using stream = new RawKeepAlive(endpoint);
  stream.send(5n, 0n, -1n);
  const answers = [await stream.next(), await stream.next(), await stream.next()];
  assert.deepEqual(
    answers.map(({ ID, TTL }) => [ID, TTL]),
    [
      [5n, 0n],
      [0n, 0n],
      [-1n, 0n],
    ],
  );
  stream.halfClose();
  assert.equal((await within(5_000, "the end", stream.whenEnded)).code, status.OK);
});

test("leases keep their keys and have their full time after a restart", async (t) => {
  const { client, restart } = await startMember(t);
  const { id } = await client.lease.grant({ ttlSeconds: 600 });
  await client.lease.grant({ ttlSeconds: 300, id: 3n });
  await client.kv.put("b", "v", { lease: id });
  await client.kv.put("a", "v", { lease: id });
  await restart();
  const { ttlSeconds, grantedTtlSeconds, keys } = await client.lease.timeToLive(id, { keys: true });
  assert.deepEqual([grantedTtlSeconds, keys.map((key) => Buffer.from(key).toString())], [600, ["a", "b"]]);
  assert.ok(ttlSeconds >= 599);
  const { ids } = await client.lease.list();
  assert.deepEqual(ids, [3n, id]);
  const before = await client.kv.get("a");
  const { header } = await client.lease.revoke(id);
  assert.equal(header.revision, before.header.revision + 1);
  assert.equal((await client.kv.get("", { prefix: true })).count, 0);
});

test("a member that stops ends keep-alive streams with an error", async (t) => {
  const { endpoint, restart } = await startMember(t);
  using stream = new RawKeepAlive(endpoint);
  stream.send(1n);
  await stream.next();
  await restart();
  const expected = { code: status.UNAVAILABLE, details: "etcdserver: server stopped" };
  assert.deepEqual(await within(5_000, "the end", stream.whenEnded), expected);
});
