import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  CampaignRequest,
  CompactionRequest,
  KeyValue,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  LockRequest,
  PutRequest,
  RangeRequest,
} from "../../../proto/index.js";
import { createConcurrency, type ElectedLeader, resultOf } from "../../../server/app/index.js";
import { anonymousCaller } from "../../../server/base/index.js";
import { eventually } from "../../support/deadline.js";
import { startApplication } from "./application-fixtures.js";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const caller = anonymousCaller;

/** Sets up the locks and elections of a single member, and two leases. */
const setUp = async (t: TestContext) => {
  const { application } = await startApplication(t);
  const { locks, elections } = createConcurrency(application);
  const grant = async () =>
    (await resultOf(application.leaseGrant, caller, LeaseGrantRequest.create({ TTL: 60n }))).response.ID;
  const keys = async (prefix: string): Promise<string[]> => {
    const request = RangeRequest.create({ key: bytes(prefix), rangeEnd: bytes(`${prefix}\xff`) });
    const { response } = await resultOf(application.range, caller, request);
    return response.kvs.map((each) => Buffer.from(KeyValue.decode(each).key).toString());
  };
  const waitForKeys = (prefix: string, count: number) =>
    eventually(10_000, `${count} keys of ${prefix}`, async () => (await keys(prefix)).length === count || undefined);
  const call = () => {
    const ending = new AbortController();
    return { call: { caller, signal: ending.signal }, giveUp: () => ending.abort() };
  };
  const lock = (name: string, lease: bigint, { call: own } = call()) =>
    locks.lock(own, LockRequest.create({ name: bytes(name), lease }));
  const campaign = (name: string, lease: bigint, value: string, { call: own } = call()) =>
    elections.campaign(own, CampaignRequest.create({ name: bytes(name), lease, value: bytes(value) }));
  const leases = [await grant(), await grant()] as const;
  return { application, locks, elections, leases, keys, waitForKeys, call, lock, campaign };
};

test("waiting callers get a lock in the order of their calls", async (t) => {
  const { locks, leases, lock, waitForKeys } = await setUp(t);
  const held = await lock("l", leases[0]);
  assert.equal(Buffer.from(held.response.key).toString(), `l/${leases[0].toString(16)}`);
  const order: string[] = [];
  const second = lock("l", leases[1]).then((answer) => {
    order.push("second");
    return answer;
  });
  await waitForKeys("l/", 2);
  const third = lock("l", 0n).then(() => order.push("third"));
  await waitForKeys("l/", 3);
  await locks.unlock(caller, { key: held.response.key });
  await locks.unlock(caller, { key: (await second).response.key });
  await third;
  assert.deepEqual(order, ["second", "third"]);
});

test("a call with a lease that holds the lock gets it at once", async (t) => {
  const { leases, lock, keys } = await setUp(t);
  const held = await lock("l", leases[0]);
  assert.deepEqual(await lock("l", leases[0]), held);
  assert.equal((await keys("l/")).length, 1);
});

test("a canceled call leaves the queue of a lock", async (t) => {
  const { leases, lock, call, keys, waitForKeys } = await setUp(t);
  await lock("l", leases[0]);
  const waiting = call();
  const refused = assert.rejects(lock("l", leases[1], waiting), { name: "AbortError" });
  await waitForKeys("l/", 2);
  waiting.giveUp();
  await refused;
  assert.deepEqual(await keys("l/"), [`l/${leases[0].toString(16)}`]);
});

test("a call whose lease ends while it waits does not get the lock", async (t) => {
  const { application, locks, leases, lock, waitForKeys } = await setUp(t);
  const held = await lock("l", leases[0]);
  const refused = assert.rejects(lock("l", leases[1]), { code: "session-expired" });
  await waitForKeys("l/", 2);
  await resultOf(application.leaseRevoke, caller, LeaseRevokeRequest.create({ ID: leases[1] }));
  await locks.unlock(caller, { key: held.response.key });
  await refused;
});

test("the next caller gets the lock when the holder's lease ends", async (t) => {
  const { application, leases, lock, waitForKeys } = await setUp(t);
  await lock("l", leases[0]);
  const next = lock("l", leases[1]);
  await waitForKeys("l/", 2);
  await resultOf(application.leaseRevoke, caller, LeaseRevokeRequest.create({ ID: leases[0] }));
  await next;
});

test("a compaction removes no caller from a queue", async (t) => {
  const { application, locks, leases, lock, waitForKeys } = await setUp(t);
  const held = await lock("l", leases[0]);
  const next = lock("l", leases[1]);
  await waitForKeys("l/", 2);
  const { revision } = await resultOf(application.put, caller, PutRequest.create({ key: bytes("other") }));
  await resultOf(application.compact, caller, CompactionRequest.create({ revision: BigInt(revision) }));
  await locks.unlock(caller, { key: held.response.key });
  await next;
});

test("one candidate leads, proclaims and resigns; then the next candidate leads", async (t) => {
  const { elections, leases, campaign, waitForKeys } = await setUp(t);
  const name = bytes("e");
  await assert.rejects(elections.leader(caller, { name }), { code: "no-elected-leader" });
  const first = (await campaign("e", leases[0], "1")).response.leader;
  const second = campaign("e", leases[1], "2");
  await waitForKeys("e/", 2);
  await elections.proclaim(caller, { leader: first, value: bytes("1b") });
  assert.equal(Buffer.from((await elections.leader(caller, { name })).kv.value).toString(), "1b");
  await elections.resign(caller, { leader: first });
  assert.equal((await second).response.leader?.lease, leases[1]);
  await assert.rejects(elections.proclaim(caller, { leader: first, value: bytes("late") }), { code: "not-elected" });
  await assert.rejects(elections.resign(caller, { leader: undefined }), { code: "leader-key-missing" });
});

test("a candidate that campaigns again with another value proclaims it", async (t) => {
  const { elections, leases, campaign } = await setUp(t);
  const { response } = await campaign("e", leases[0], "1");
  assert.deepEqual((await campaign("e", leases[0], "2")).response, response);
  const { kv } = await elections.leader(caller, { name: bytes("e") });
  assert.equal(Buffer.from(kv.value).toString(), "2");
});

test("an observer gets each leader and value, and misses none while its stream is full", async (t) => {
  const { elections, leases, campaign, call } = await setUp(t);
  const seen: ElectedLeader[] = [];
  let hasRoom = true;
  const own = call();
  const observation = elections.observe(
    own.call,
    { name: bytes("e") },
    {
      onLeader: (leader) => void seen.push(leader),
      hasRoom: () => hasRoom,
    },
  );
  const values = () => seen.map(({ kv }) => Buffer.from(kv.value).toString());
  const waitForLeaders = (count: number) =>
    eventually(10_000, `${count} leaders`, () => seen.length >= count || undefined);
  const { leader } = (await campaign("e", leases[0], "1")).response;
  await waitForLeaders(1);
  hasRoom = false;
  for (const value of ["1b", "1c"]) await elections.proclaim(caller, { leader, value: bytes(value) });
  assert.deepEqual(values(), ["1"]);
  hasRoom = true;
  observation.resume();
  await waitForLeaders(3);
  await elections.resign(caller, { leader });
  await campaign("e", leases[1], "2");
  await waitForLeaders(4);
  assert.deepEqual(values(), ["1", "1b", "1c", "2"]);
  own.giveUp();
  await assert.rejects(observation.whenOver, { name: "AbortError" });
});
