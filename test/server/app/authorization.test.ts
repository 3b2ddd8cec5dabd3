// The rights of users, checked with a member in this process.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DeleteRangeRequest,
  LeaseGrantRequest,
  PutRequest,
  RangeRequest,
  type TxnRequest,
  WatchCreateRequest,
} from "../../../proto/index.js";
import type { WatchAnswer, WatchSession } from "../../../server/app/sessions.js";
import type { Application } from "../../../server/app/application.js";
import { anonymousCaller, type Caller } from "../../../server/base/caller.js";
import {
  ask,
  bytes,
  noBytes,
  READ,
  READWRITE,
  assertRefused,
  startWithUsers,
  withToken,
  WRITE,
} from "./authorization-fixtures.js";

const put = (key: string, options: Partial<PutRequest> = {}): PutRequest =>
  PutRequest.fromPartial({ key: bytes(key), value: bytes("v"), ...options });
const range = (key: string, rangeEnd = "", options: Partial<RangeRequest> = {}): RangeRequest =>
  RangeRequest.fromPartial({ key: bytes(key), rangeEnd: bytes(rangeEnd), ...options });
/** Returns a transaction with one put. */
const txnThatPuts = (key: string): TxnRequest => ({
  compare: [],
  success: [{ request: { $case: "requestPut", value: put(key) } }],
  failure: [],
});

test("a user reads and writes only keys that its roles permit", async (t) => {
  const { application, logIn } = await startWithUsers(t, {
    ann: [
      [READWRITE, "a", "c"],
      [READ, "c", "e"],
      [WRITE, "x"],
    ],
  });
  const ann = await logIn("ann");
  await ask(application, "put", ann, put("a1"));
  await ask(application, "put", ann, put("x"));
  await assertRefused(ask(application, "put", ann, put("c")), "permission-denied");
  await assertRefused(ask(application, "put", ann, put("x", { prevKv: true })), "permission-denied");
  const { response } = await ask(application, "range", ann, range("a", "e"));
  assert.equal(response.count, 1n);
  for (const serializable of [false, true]) {
    await assertRefused(ask(application, "range", ann, range("a", "f", { serializable })), "permission-denied");
    await assertRefused(ask(application, "range", ann, range("a", "\0", { serializable })), "permission-denied");
    await assertRefused(ask(application, "range", ann, range("x", "", { serializable })), "permission-denied");
  }
});

test("a caller without a token is refused, after the shape of its request", async (t) => {
  const { application } = await startWithUsers(t, {});
  for (const caller of [anonymousCaller, withToken("nonsense")]) {
    const code = caller === anonymousCaller ? "user-name-empty" : "invalid-auth-token";
    await assertRefused(ask(application, "put", caller, put("a")), code);
    await assertRefused(ask(application, "put", caller, put("")), "empty-key");
    await assertRefused(
      ask(application, "deleteRange", caller, DeleteRangeRequest.fromPartial({ key: bytes("a") })),
      code,
    );
    await assertRefused(ask(application, "deleteRange", caller, DeleteRangeRequest.fromPartial({})), "empty-key");
    await assertRefused(ask(application, "txn", caller, txnThatPuts("a")), code);
    await assertRefused(ask(application, "txn", caller, txnThatPuts("")), "empty-key");
    await assertRefused(ask(application, "range", caller, range("a")), code);
    await assertRefused(ask(application, "range", caller, range("")), "empty-key");
    await assertRefused(ask(application, "leaseGrant", caller, LeaseGrantRequest.fromPartial({ TTL: 10n })), code);
    await assertRefused(ask(application, "memberList", caller, { linearizable: false }), code);
    await assertRefused(ask(application, "userList", caller, {}), code);
  }
  const empty: TxnRequest = { compare: [], success: [], failure: [] };
  await ask(application, "txn", anonymousCaller, empty);
  await ask(application, "authStatus", anonymousCaller, {});
  await assertRefused(ask(application, "authStatus", withToken("nonsense"), {}), "invalid-auth-token");
});

test("a login with a wrong password, of an unknown user, or of a user without password fails", async (t) => {
  const { application, logIn, root } = await startWithUsers(t, { ann: [] });
  await assertRefused(logIn("ann", "wrong"), "authentication-failed");
  await assertRefused(logIn("bob"), "authentication-failed");
  const options = { noPassword: true };
  await ask(application, "userAdd", root, { name: "bob", password: "", options, hashedPassword: "" });
  await assertRefused(logIn("bob", ""), "no-password-user");
});

test("a revoked permission takes effect at once; a password change ends the tokens of its user", async (t) => {
  const { application, logIn, root } = await startWithUsers(t, { ann: [[READWRITE, "a"]], bob: [[READWRITE, "a"]] });
  const [ann, bob] = [await logIn("ann"), await logIn("bob")];
  await ask(application, "put", ann, put("a"));
  await ask(application, "roleRevokePermission", root, { role: "ann", key: bytes("a"), rangeEnd: noBytes });
  await assertRefused(ask(application, "put", ann, put("a")), "permission-denied");
  await assertRefused(ask(application, "range", ann, range("a")), "permission-denied");
  await ask(application, "userChangePassword", root, { name: "bob", password: "new", hashedPassword: "" });
  await assertRefused(ask(application, "put", bob, put("a")), "invalid-auth-token");
  await ask(application, "put", await logIn("bob", "new"), put("a"));
});

/** Opens a watch session. `received` gets its answers, and the numbers of events. */
const openWatches = (application: Application, caller: Caller) => {
  const received: (WatchAnswer | number)[] = [];
  const session: WatchSession = application.watch(caller, {
    createLabel: () => noBytes,
    onEvents: (_watches, from, to, { events }) => {
      received.push(events.length);
      return to - from;
    },
    onAnswer: (answer) => {
      received.push(answer);
      return true;
    },
    onError: (error) => assert.fail(error as Error),
  });
  const create = (key: string, rangeEnd = "", options: Partial<WatchCreateRequest> = {}): void =>
    session.create(WatchCreateRequest.fromPartial({ key: bytes(key), rangeEnd: bytes(rangeEnd), ...options }));
  return { session, create, received };
};

const summaryOf = (received: readonly (WatchAnswer | number)[]): unknown[] =>
  received.map((answer) => {
    if (typeof answer === "number") return answer;
    return "reason" in answer ? `${answer.kind}: ${answer.reason}` : answer.kind;
  });

const deniedReason = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
const emptyReason = "rpc error: code = InvalidArgument desc = etcdserver: user name is empty";

test("a watch needs the right to read all its keys, an open end too", async (t) => {
  const { application, logIn } = await startWithUsers(t, { ann: [[READ, "a", "c"]] });
  const { create, received } = openWatches(application, await logIn("ann"));
  create("a", "c");
  create("a", "\0");
  create("a", "d");
  create("");
  create("a", "\0", { startRevision: -1n });
  assert.deepEqual(summaryOf(received), [
    "created",
    ...[1, 2, 3].map(() => `refused: ${deniedReason}`),
    "refused: etcdserver: mvcc: required revision has been compacted",
  ]);
  for (const [caller, reason] of [
    [anonymousCaller, emptyReason],
    [withToken("x"), "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token"],
  ] as const) {
    const other = openWatches(application, caller);
    other.create("a");
    assert.deepEqual(summaryOf(other.received), [`refused: ${reason}`]);
  }
});

test("a running watch ends before any later event when its user loses the permission for its keys", async (t) => {
  const { application, logIn, root } = await startWithUsers(t, {
    ann: [
      [READ, "a"],
      [READ, "b"],
    ],
  });
  const watches = openWatches(application, await logIn("ann"));
  watches.create("a");
  watches.create("b");
  const change = ask(application, "roleRevokePermission", root, { role: "ann", key: bytes("a"), rangeEnd: noBytes });
  const puts = [ask(application, "put", root, put("a")), ask(application, "put", root, put("b"))];
  await change;
  await Promise.allSettled(puts);
  await ask(application, "put", root, put("a"));
  await ask(application, "put", root, put("b"));
  assert.deepEqual(summaryOf(watches.received).slice(0, 3), ["created", "created", `canceled: ${deniedReason}`]);
  assert.ok(
    summaryOf(watches.received)
      .slice(3)
      .every((events) => events === 1),
  );
});

test("enabling authentication ends earlier watches", async (t) => {
  const { application, root } = await startWithUsers(t, {});
  await ask(application, "authDisable", root, {});
  const watches = openWatches(application, anonymousCaller);
  watches.create("a");
  await ask(application, "authEnable", anonymousCaller, {});
  assert.deepEqual(summaryOf(watches.received), ["created", `canceled: ${emptyReason}`]);
});
