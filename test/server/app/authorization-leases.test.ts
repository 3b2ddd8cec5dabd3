// Leases, transactions and administration by users with few rights, and requests whose rights change before they are applied.

import assert from "node:assert/strict";
import { test } from "node:test";
import { leaseIdFrom } from "../../../store/index.js";
import {
  AlarmRequest,
  LeaseGrantRequest,
  LeaseTimeToLiveResponse,
  PutRequest,
  RangeRequest,
  type RequestOp,
  type TxnRequest,
} from "../../../proto/index.js";
import type { Application, OperationName, Operations } from "../../../server/app/application.js";
import { resultOf } from "../../../server/app/result-of.js";
import { anonymousCaller, type Caller } from "../../../server/base/caller.js";
import {
  ask,
  bytes,
  noBytes,
  READ,
  READWRITE,
  assertRefused,
  startWithUsers,
  WRITE,
} from "./authorization-fixtures.js";

const put = (key: string, options: Partial<PutRequest> = {}): PutRequest =>
  PutRequest.fromPartial({ key: bytes(key), value: bytes("v"), ...options });

const rangeOp = (key: string, rangeEnd = ""): RequestOp => ({
  request: {
    $case: "requestRange",
    value: RangeRequest.fromPartial({ key: bytes(key), rangeEnd: bytes(rangeEnd) }),
  },
});
const putOp = (key: string): RequestOp => ({ request: { $case: "requestPut", value: put(key) } });
const deleteOp = (key: string, prevKv = false): RequestOp => ({
  request: { $case: "requestDeleteRange", value: { key: bytes(key), rangeEnd: noBytes, prevKv } },
});
const txnOf = (fields: Partial<TxnRequest>): TxnRequest => ({ compare: [], success: [], failure: [], ...fields });
const txnOp = (fields: Partial<TxnRequest>): RequestOp => ({
  request: { $case: "requestTxn", value: txnOf(fields) },
});
const compareOf = (key: string, rangeEnd = ""): TxnRequest["compare"][number] => ({
  ...{ result: 0, target: 0, key: bytes(key), rangeEnd: bytes(rangeEnd), targetUnion: undefined },
});

/** Returns the lease operations of a caller. */
const leasesOf = (application: Application) => {
  const grant = async (caller: Caller): Promise<bigint> =>
    (await ask(application, "leaseGrant", caller, LeaseGrantRequest.fromPartial({ TTL: 60n }))).response.ID;
  const renew = (caller: Caller, ID: bigint): Promise<unknown> => {
    const session = application.leaseKeepAlive(caller, { onError: (error) => assert.fail(error as Error) });
    return resultOf((_caller, id: bigint, handler) => session.renew(leaseIdFrom(id), handler), caller, ID);
  };
  const keys = async (caller: Caller, ID: bigint): Promise<string[]> => {
    const { response } = await ask(application, "leaseTimeToLive", caller, { ID, keys: true });
    return LeaseTimeToLiveResponse.decode(response.encodedKeys).keys.map((key) => Buffer.from(key).toString());
  };
  return { grant, renew, keys };
};

test("the rights of a transaction are checked for every compare and operation, nested ones and both branches included", async (t) => {
  const { application, logIn } = await startWithUsers(t, {
    ann: [
      [READ, "r"],
      [WRITE, "w"],
      [READWRITE, "a", "c"],
    ],
  });
  const ann = await logIn("ann");
  const allowed = [
    txnOf({ compare: [compareOf("r"), compareOf("a", "c")], success: [putOp("w")], failure: [rangeOp("r")] }),
    txnOf({ success: [txnOp({ success: [putOp("a")], failure: [deleteOp("a", true)] })] }),
    txnOf({}),
  ];
  for (const request of allowed) await ask(application, "txn", ann, request);
  const denied = [
    txnOf({ compare: [compareOf("w")], success: [rangeOp("r")] }),
    txnOf({ compare: [compareOf("a", "d")], success: [putOp("w")] }),
    txnOf({ success: [rangeOp("w")] }),
    txnOf({ failure: [rangeOp("r"), rangeOp("x")] }),
    txnOf({ success: [putOp("w")], failure: [putOp("r")] }),
    txnOf({ success: [deleteOp("w", true)] }),
    txnOf({ success: [txnOp({ failure: [txnOp({ success: [rangeOp("a", "\0")] })] })] }),
    txnOf({ success: [txnOp({ compare: [compareOf("w")] })] }),
  ];
  for (const request of denied) await assertRefused(ask(application, "txn", ann, request), "permission-denied");
});

test("a lease is used, kept alive, revoked and shown only with rights on all its keys", async (t) => {
  const { application, logIn, root } = await startWithUsers(t, {
    ann: [[READWRITE, "a"]],
    bob: [
      [READ, "a"],
      [READ, "z"],
    ],
  });
  const [ann, bob] = [await logIn("ann"), await logIn("bob")];
  const { grant, renew, keys } = leasesOf(application);
  const own = await grant(ann);
  await ask(application, "put", ann, put("a", { lease: own }));
  await renew(ann, own);
  assert.deepEqual(await keys(ann, own), ["a"]);
  assert.deepEqual(await keys(bob, own), ["a"]);
  await ask(application, "leaseLeases", ann, {});
  await assertRefused(renew(bob, own), "permission-denied");
  await assertRefused(renew(anonymousCaller, own), "user-name-empty");
  await assertRefused(ask(application, "leaseRevoke", bob, { ID: own }), "permission-denied");

  await ask(application, "put", root, put("z", { lease: own }));
  await assertRefused(ask(application, "put", ann, put("a", { lease: own })), "permission-denied");
  await assertRefused(renew(ann, own), "permission-denied");
  await assertRefused(ask(application, "leaseRevoke", ann, { ID: own }), "permission-denied");
  await assertRefused(keys(ann, own), "permission-denied");
  await assertRefused(ask(application, "leaseLeases", ann, {}), "permission-denied");
  await ask(application, "leaseTimeToLive", ann, { ID: own, keys: false });
  assert.deepEqual(await keys(bob, own), ["a", "z"]);
  await ask(application, "leaseLeases", bob, {});
  await ask(application, "leaseRevoke", root, { ID: own });
});

test("the keys of a lease, in several ranges of a user's permissions, are shown unless one key is outside", async (t) => {
  const { application, logIn, root } = await startWithUsers(t, {
    ann: [
      [READWRITE, "a", "b"],
      [READWRITE, "c", "d"],
      [READ, "e", "f"],
    ],
  });
  const ann = await logIn("ann");
  const { grant, renew, keys } = leasesOf(application);
  const lease = await grant(root);
  const all = Array.from({ length: 200 }, (_, n) => ["a", "c"].map((range) => `${range}${n}`)).flat();
  for (const key of all) await ask(application, "put", root, put(key, { lease }));
  await ask(application, "put", ann, put("a0", { lease }));
  assert.deepEqual(await keys(ann, lease), all.sort());
  await ask(application, "put", root, put("e", { lease }));
  assert.deepEqual(await keys(ann, lease), [...all, "e"]);
  await assertRefused(renew(ann, lease), "permission-denied");
  await ask(application, "put", root, put("bb", { lease }));
  await assertRefused(keys(ann, lease), "permission-denied");
});

test("operations of the role root are refused to others", async (t) => {
  const { application, logIn } = await startWithUsers(t, { ann: [[READWRITE, "\0", "\0"]] });
  const ann = await logIn("ann");
  const requests: { readonly [Name in OperationName]?: Operations[Name]["request"] } = {
    compact: { revision: 1n, physical: false },
    hash: {},
    hashKv: { revision: 0n },
    defragment: {},
    downgrade: { action: 0, version: "3.6" },
    alarm: AlarmRequest.fromPartial({ action: 1, memberID: 1n, alarm: 1 }),
    moveLeader: { targetID: 1n },
    authEnable: {},
    authDisable: {},
    userAdd: { name: "x", password: "x", options: undefined, hashedPassword: "" },
    userGet: { name: "root" },
    userList: {},
    userDelete: { name: "ann" },
    userChangePassword: { name: "ann", password: "x", hashedPassword: "" },
    userGrantRole: { user: "ann", role: "root" },
    userRevokeRole: { name: "root", role: "root" },
    roleAdd: { name: "x" },
    roleGet: { role: "root" },
    roleList: {},
    roleDelete: { role: "ann" },
    roleGrantPermission: { name: "ann", perm: undefined },
    roleRevokePermission: { role: "ann", key: bytes("\0"), rangeEnd: bytes("\0") },
  };
  for (const name of Object.keys(requests) as OperationName[]) {
    await assertRefused(ask(application, name, ann, requests[name] as never), "permission-denied");
    await assertRefused(ask(application, name, anonymousCaller, requests[name] as never), "user-name-empty");
  }
  await ask(application, "userGet", ann, { name: "ann" });
  await ask(application, "roleGet", ann, { role: "ann" });
  await ask(application, "alarm", ann, AlarmRequest.fromPartial({}));
  await ask(application, "status", ann, {});
  await ask(application, "memberList", ann, { linearizable: true });
});

test("a put whose rights change before it is applied is not carried out", async (t) => {
  const { application, logIn, root } = await startWithUsers(t, { ann: [[READWRITE, "a"]] });
  const ann = await logIn("ann");
  const change = ask(application, "roleAdd", root, { name: "other" });
  const late = ask(application, "put", ann, put("a")); // proposed after the change, with the auth revision before it
  await change;
  await assertRefused(late, "auth-revision-old");
  await ask(application, "put", ann, put("a"));
});

test("deleting a user, and disabling authentication, take effect on its requests at once", async (t) => {
  const { application, logIn, root } = await startWithUsers(t, { ann: [[READWRITE, "a"]] });
  const ann = await logIn("ann");
  await ask(application, "userDelete", root, { name: "ann" });
  await assertRefused(ask(application, "put", ann, put("a")), "invalid-auth-token");
  await ask(application, "userAdd", root, { name: "ann", password: "other", options: undefined, hashedPassword: "" });
  await ask(application, "userGrantRole", root, { user: "ann", role: "ann" });
  await assertRefused(ask(application, "put", ann, put("a")), "invalid-auth-token"); // the token is of the deleted user, not of the new one
  await ask(application, "authDisable", root, {});
  await ask(application, "put", ann, put("a"));
  await ask(application, "authEnable", anonymousCaller, {});
  await assertRefused(ask(application, "put", root, put("a")), "invalid-auth-token");
});
