// Logins of the client: one login for all requests, another one when the token is refused, on every kind of call and stream.

import { status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { AuthError, Client, type EtcdError, type ClientOptions, type Credentials } from "../../../client/index.js";
import { LeaseGrantResponse, WatchResponse, type WatchRequest } from "../../../proto/index.js";
import { FakeServer, putAt, type Answers, type Call, type Failing, type FakeStream } from "../fake-server.js";

/** A timeout that no test reaches: a request that should have ended hangs visibly. */
const anHour = 3_600_000;

const alice: Credentials = { user: "alice", password: "secret word" };

const invalidToken = { code: status.UNAUTHENTICATED, details: "etcdserver: invalid auth token" };
const oldRevision = { code: status.INVALID_ARGUMENT, details: "etcdserver: revision of auth store is old" };
const noUser = { code: status.INVALID_ARGUMENT, details: "etcdserver: user name is empty" };
const notEnabled = { code: status.FAILED_PRECONDITION, details: "etcdserver: authentication is not enabled" };
const wrongPassword = {
  code: status.INVALID_ARGUMENT,
  details: "etcdserver: authentication failed, invalid user ID or password",
};

/** Issues tokens t1, t2 and so on; other methods accept only the newest one. */
const tokens = (refusal: Failing = invalidToken) => {
  let newest = 0;
  const authenticate = () => ({ token: `t${++newest}` });
  const requireToken =
    (answer: object) =>
    ({ token }: Call) =>
      token === `t${newest}` ? answer : refusal;
  const expire = () => {
    newest += 1;
  };
  return { authenticate, requireToken, expire };
};

async function connect(answers: Answers = {}, options: Partial<ClientOptions> = {}) {
  const server = await FakeServer.start(answers);
  const client = new Client({ endpoints: [server.endpoint], requestTimeoutMs: anHour, auth: alice, ...options });
  const dispose = async () => {
    await client.close();
    await server[Symbol.asyncDispose]();
  };
  const listCalls = () => server.calls.map(({ method, token }) => `${method} ${token ?? "-"}`);
  return { server, client, listCalls, [Symbol.asyncDispose]: dispose };
}

const isRefusal = (reason: AuthError["reason"]) => (error: unknown) =>
  error instanceof AuthError && error.reason === reason && error.outcome === "failed";

/** Waits until `times` calls of this method have come. */
async function waitForCalls(server: FakeServer, method: string, times = 1): Promise<void> {
  while (server.calls.filter((call) => call.method === method).length < times) await new Promise(setImmediate);
}

describe("a client with a user", () => {
  test("sends its token with every kind of call, and logs in once", async () => {
    const { authenticate } = tokens();
    await using pair = await connect({ Authenticate: authenticate });
    const { client, server } = pair;
    const { kv, lease, maintenance, cluster, auth } = client;
    const calls = [
      kv.get("k"),
      kv.put("k", "v"),
      kv.delete("k"),
      kv.txn({ success: [{ op: "put", key: "k", value: "v" }] }),
      kv.compact(1),
      lease.grant({ ttlSeconds: 1 }),
      lease.revoke(1n),
      lease.timeToLive(1n),
      lease.list(),
      cluster.memberList(),
      maintenance.alarmList(),
      maintenance.status(server.endpoint),
      maintenance.hashKv(server.endpoint),
      maintenance.defragment(server.endpoint),
      maintenance.moveLeader(server.endpoint, 1n),
      auth.userList(),
      client.namespace("n/").kv.get("k"),
    ];
    await Promise.all(calls);
    const [login, ...others] = server.calls;
    assert.deepEqual([login?.method, login?.request], ["Authenticate", { name: "alice", password: "secret word" }]);
    assert.equal(others.length, calls.length);
    assert.deepEqual(new Set(others.map(({ token }) => token)), new Set(["t1"]));
  });

  test("sends its token with watches and renewals", async () => {
    const { authenticate } = tokens();
    const granted = LeaseGrantResponse.create({ ID: 7n, TTL: 30n });
    await using pair = await connect({ Authenticate: authenticate, LeaseGrant: granted });
    const watch = pair.client.watch("k");
    const watching = await pair.server.stream();
    const lease = await pair.client.lease.hold({ ttlSeconds: 30 });
    const renewing = await pair.server.stream();
    assert.deepEqual(
      [watching, renewing].map(({ metadata }) => metadata.get("token")),
      ["t1", "t1"],
    );
    assert.deepEqual(pair.listCalls(), ["Authenticate -", "LeaseGrant t1"]);
    await watch.close();
    await lease.close();
  });

  for (const refusal of [invalidToken, oldRevision])
    test(`logs in again once for all requests that end with "${refusal.details}", and repeats them`, async () => {
      const { authenticate, requireToken, expire } = tokens(refusal);
      await using pair = await connect({ Authenticate: authenticate, Put: requireToken(putAt(5n)) });
      await pair.client.kv.put("k", "v");
      expire();
      const results = await Promise.all(["a", "b", "c"].map((key) => pair.client.kv.put(key, "v")));
      assert.deepEqual(
        results.map(({ header }) => header.revision),
        [5, 5, 5],
      );
      assert.equal(pair.listCalls().filter((call) => call.startsWith("Authenticate")).length, 2);
      assert.deepEqual(pair.listCalls().slice(-3), ["Put t3", "Put t3", "Put t3"]);
    });

  test("fails a request whose token is refused after three more logins", async () => {
    const { authenticate } = tokens();
    await using pair = await connect({ Authenticate: authenticate, Put: invalidToken });
    await assert.rejects(pair.client.kv.put("k", "v"), isRefusal("invalid-token"));
    const once = ["Authenticate -"];
    assert.deepEqual(
      pair.listCalls(),
      ["t1", "t2", "t3", "t4"].flatMap((token) => [...once, `Put ${token}`]),
    );
  });

  test("fails all requests that wait for a failed login; the next request logs in again", async () => {
    const { authenticate } = tokens();
    await using pair = await connect({ Authenticate: wrongPassword });
    const results = await Promise.allSettled(["a", "b", "c"].map((key) => pair.client.kv.put(key, "v")));
    for (const result of results) assert.ok(result.status === "rejected" && isRefusal("wrong-password")(result.reason));
    assert.deepEqual(pair.listCalls(), ["Authenticate -"]);
    pair.server.answers = { Authenticate: authenticate };
    await pair.client.kv.put("k", "v");
    assert.deepEqual(pair.listCalls().slice(1), ["Authenticate -", "Put t1"]);
  });

  test("ends all waiting requests when it is closed during a login", async () => {
    await using pair = await connect({ Authenticate: "never" });
    const results = Promise.allSettled([pair.client.kv.put("a", "v"), pair.client.kv.get("b")]);
    const watch = pair.client.watch("k");
    const events = assert.rejects(watch.batches().next(), { code: "cancelled" });
    await waitForCalls(pair.server, "Authenticate");
    await pair.client.close();
    for (const result of await results)
      assert.ok(result.status === "rejected" && (result.reason as EtcdError).code === "cancelled");
    await events;
  });

  test("continues a login for the others when a waiting request is aborted or late", async () => {
    let answer: (message: object) => void = () => undefined;
    await using pair = await connect({ Authenticate: new Promise<object>((resolve) => (answer = resolve)) });
    const giveUp = new AbortController();
    const given = assert.rejects(pair.client.kv.put("a", "v", { signal: giveUp.signal }), { code: "cancelled" });
    const late = assert.rejects(pair.client.kv.put("b", "v", { timeoutMs: 50 }), {
      code: "deadline-exceeded",
      outcome: "failed",
    });
    const patient = pair.client.kv.put("c", "v");
    await waitForCalls(pair.server, "Authenticate");
    giveUp.abort();
    await Promise.all([given, late]);
    answer({ token: "t1" });
    await patient;
    assert.deepEqual(pair.listCalls(), ["Authenticate -", "Put t1"]);
  });

  test("sends no token while authentication is off, and logs in once it is on", async () => {
    const { authenticate, requireToken } = tokens(noUser);
    await using pair = await connect({ Authenticate: notEnabled });
    await pair.client.kv.put("k", "v");
    await pair.client.kv.put("k", "v");
    await assert.rejects(pair.client.auth.login(), isRefusal("not-enabled"));
    pair.server.answers = { Authenticate: authenticate, Put: requireToken({}) };
    await pair.client.kv.put("k", "v");
    const before = ["Authenticate -", "Put -", "Put -", "Authenticate -"];
    assert.deepEqual(pair.listCalls(), [...before, "Put -", "Authenticate -", "Put t1"]);
  });

  test("does not log in again when a server misses the name of a user to add", async () => {
    const { authenticate } = tokens();
    await using pair = await connect({ Authenticate: authenticate, UserAdd: noUser });
    await assert.rejects(pair.client.auth.userAdd({ user: "", password: "x" }), isRefusal("no-user"));
    assert.deepEqual(pair.listCalls(), ["Authenticate -", "UserAdd t1"]);
  });

  test("logs in again for a read in chunks whose token is refused", async () => {
    const { authenticate, requireToken, expire } = tokens();
    const chunk = { rangeResponse: { count: 1n } };
    await using pair = await connect({ Authenticate: authenticate, RangeStream: requireToken(chunk) });
    await pair.client.kv.getStream("k");
    expire();
    assert.equal((await pair.client.kv.getStream("k")).count, 1);
    assert.deepEqual(pair.listCalls().slice(-3), ["RangeStream t1", "Authenticate -", "RangeStream t3"]);
  });

  test("repeats a read that was sent again without a token, while another request logs in", async () => {
    const { authenticate } = tokens();
    await using pair = await connect({ Authenticate: authenticate });
    const { server, client } = pair;
    await client.auth.login();
    let failRange: (failing: object) => void = () => undefined;
    let logIn: (message: object) => void = () => undefined;
    server.answers = {
      Authenticate: new Promise<object>((resolve) => (logIn = resolve)),
      Range: new Promise<object>((resolve) => (failRange = resolve)),
      Put: ({ token }: Call) => (token === "t1" ? invalidToken : {}),
    };
    const read = client.kv.get("k");
    await waitForCalls(server, "Range");
    const write = client.kv.put("k", "v");
    await waitForCalls(server, "Put"); // the login follows, during which the client has no token
    await waitForCalls(server, "Authenticate", 2);
    server.answers = { ...server.answers, Range: ({ token }: Call) => (token === undefined ? noUser : {}) };
    failRange({ code: status.UNAVAILABLE, details: "etcdserver: leader changed" });
    await waitForCalls(server, "Range", 2);
    logIn({ token: "t2" });
    await Promise.all([read, write]);
    const range = pair.listCalls().filter((call) => call.startsWith("Range"));
    assert.deepEqual(range, ["Range t1", "Range -", "Range t2"]);
  });

  test("logs in on request, repeatedly", async () => {
    const { authenticate } = tokens();
    await using pair = await connect({ Authenticate: authenticate });
    await pair.client.auth.login();
    await pair.client.auth.login();
    await pair.client.kv.get("k");
    assert.deepEqual(pair.listCalls(), ["Authenticate -", "Authenticate -", "Range t2"]);
  });
});

describe("credentials", () => {
  test("can be a given token, which is sent and never renewed", async () => {
    await using pair = await connect({ Range: invalidToken }, { auth: { token: "given" } });
    await pair.client.kv.put("k", "v");
    await assert.rejects(pair.client.kv.get("k"), isRefusal("invalid-token"));
    assert.deepEqual(pair.listCalls(), ["Put given", "Range given"]);
  });

  test("are read from a function at each login", async () => {
    const given = ["old", "new"];
    const refuseOld = ({ token }: Call) => (token === "new" ? {} : invalidToken);
    await using pair = await connect(
      { Put: refuseOld },
      { auth: () => Promise.resolve({ token: given.shift() ?? "" }) },
    );
    await pair.client.kv.put("k", "v");
    assert.deepEqual(pair.listCalls(), ["Put old", "Put new"]);
  });

  test("whose function fails make the request fail, with that error as the cause", async () => {
    const cause = new Error("the vault is closed");
    await using pair = await connect({}, { auth: () => Promise.reject(cause) });
    await assert.rejects(pair.client.kv.put("k", "v"), { code: "unauthenticated", cause });
    assert.deepEqual(pair.listCalls(), []);
  });

  test("do not appear in errors or inspection", async () => {
    await using pair = await connect({ Authenticate: wrongPassword });
    const error: unknown = await pair.client.kv.put("k", "v").catch((reason: unknown) => reason);
    for (const shown of [
      inspect(error, { depth: 20, showHidden: true }),
      inspect(pair.client, { depth: 6, showHidden: true }),
    ])
      assert.ok(!shown.includes("secret word"));
  });

  test("that are invalid are refused, without their values", () => {
    const wrong = [
      "secret",
      null,
      {},
      { user: "", password: "secret" },
      { user: "a" },
      { password: "secret" },
      { token: "" },
    ];
    const more = [
      { user: "a", password: "secret", extra: 1 },
      { user: "a", password: 7 },
    ];
    for (const auth of [...wrong, ...more])
      assert.throws(
        () => new Client({ endpoints: ["a:1"], auth: auth as Credentials }),
        (error: unknown) => error instanceof TypeError && !error.message.includes("secret"),
      );
  });

  test("are required for a login", async () => {
    await using client = new Client({ endpoints: ["a:1"] });
    await assert.rejects(client.auth.login(), TypeError);
  });
});

type WatchStreamOfServer = FakeStream<WatchRequest, WatchResponse>;

/** Returns the start revision of the next watch on a stream. */
async function startRevisionOf(stream: WatchStreamOfServer): Promise<bigint | undefined> {
  const { requestUnion } = await stream.request();
  return requestUnion?.$case === "createRequest" ? requestUnion.value.startRevision : undefined;
}

const createdResponse = (watchId: bigint, revision: bigint) =>
  WatchResponse.create({ created: true, watchId, header: { revision } });
const changeResponse = (watchId: bigint, modRevision: bigint) =>
  WatchResponse.create({ watchId, header: { revision: modRevision }, events: [{ kv: { modRevision } }] });
const notCreatedResponse = (cancelReason: string) =>
  WatchResponse.create({ created: true, canceled: true, watchId: -1n, cancelReason });

describe("streams of a client with a user", () => {
  for (const [name, reason] of [
    ["Unauthenticated", invalidToken.details],
    ["InvalidArgument", oldRevision.details],
  ])
    test(`go on with another token, without a gap, when a watch is refused with "${reason}"`, async () => {
      const { authenticate } = tokens();
      await using pair = await connect({ Authenticate: authenticate });
      const first = pair.client.watch("a");
      const before: WatchStreamOfServer = await pair.server.stream();
      await startRevisionOf(before);
      before.send(createdResponse(0n, 4n));
      before.send(changeResponse(0n, 5n));
      const batches = first.batches();
      assert.equal((await batches.next()).value?.revision, 5);

      const second = pair.client.watch("b");
      await startRevisionOf(before);
      before.send(notCreatedResponse(`rpc error: code = ${name} desc = ${reason}`));
      const after: WatchStreamOfServer = await pair.server.stream();
      assert.equal(after.metadata.get("token"), "t2");
      assert.deepEqual([await startRevisionOf(after), await startRevisionOf(after)], [6n, 0n]);
      after.send(createdResponse(0n, 5n));
      after.send(createdResponse(1n, 5n));
      assert.equal(await second.whenReady(), 6);
      after.send(changeResponse(0n, 6n));
      assert.equal((await batches.next()).value?.revision, 6);
      await before.whenEnded();
    });

  test("end with the refusal when the watch is refused after three more logins", async () => {
    const { authenticate } = tokens();
    await using pair = await connect({ Authenticate: authenticate });
    const watch = pair.client.watch("a");
    const end = assert.rejects(watch.batches().next(), { name: "WatchEndedError", code: "unauthenticated" });
    for (let login = 1; login <= 4; login++) {
      const stream: WatchStreamOfServer = await pair.server.stream();
      await startRevisionOf(stream);
      stream.send(notCreatedResponse(`rpc error: code = Unauthenticated desc = ${invalidToken.details}`));
    }
    await end;
    assert.equal(pair.listCalls().length, 4);
  });

  test("end with an AuthError when the login fails", async () => {
    await using pair = await connect({ Authenticate: wrongPassword });
    await assert.rejects(pair.client.watch("a").batches().next(), isRefusal("wrong-password"));
  });

  test("of renewals are opened again with another token, and the lease is kept", async () => {
    const { authenticate } = tokens();
    const granted = LeaseGrantResponse.create({ ID: 7n, TTL: 30n });
    await using pair = await connect({ Authenticate: authenticate, LeaseGrant: granted });
    const lease = await pair.client.lease.hold({ ttlSeconds: 30 });
    const before = await pair.server.stream();
    before.fail(invalidToken);
    const after = await pair.server.stream();
    assert.equal(after.metadata.get("token"), "t2");
    assert.ok(!lease.lossSignal.aborted);
    await lease.close();
  });
});

test("AuthError distinguishes the reasons of refusals, with code, number and a hint", async () => {
  const denied = { code: status.PERMISSION_DENIED, details: "etcdserver: permission denied" };
  const noPassword = {
    code: status.UNKNOWN,
    details: "auth: authentication failed, password was given for no password user",
  };
  const rows = [
    [denied, "not-allowed", "permission-denied", 7],
    [invalidToken, "invalid-token", "unauthenticated", 16],
    [oldRevision, "invalid-token", "invalid-argument", 3],
    [noUser, "no-user", "invalid-argument", 3],
    [notEnabled, "not-enabled", "failed-precondition", 9],
    [wrongPassword, "wrong-password", "invalid-argument", 3],
    [noPassword, "wrong-password", "unknown", 2],
  ] as const;
  await using server = await FakeServer.start();
  await using client = new Client({ endpoints: [server.endpoint], requestTimeoutMs: anHour });
  for (const [failing, reason, code, grpcCode] of rows) {
    server.answers = { Put: failing };
    const error: unknown = await client.kv.put("k", "v").catch((thrown: unknown) => thrown);
    assert.ok(error instanceof AuthError);
    assert.deepEqual([error.reason, error.code, error.grpcCode, error.outcome], [reason, code, grpcCode, "failed"]);
    assert.equal(error.retryable, failing === oldRevision);
    assert.match(error.hint, /^[A-Z].*\.$/);
  }
});
