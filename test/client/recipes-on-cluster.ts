// Promises of queues, barriers, transactions, mirrors and namespaces on three real members, minietcd's or etcd's.

import assert from "node:assert/strict";
import { type Client, EtcdError, type Mirror, toText } from "../../client/index.js";
import { eventually, within } from "../support/deadline.js";
import { type EtcdCluster, type EtcdMember, type ServerKind } from "../support/etcd-process.js";
import { lengthen } from "../support/machine-speed.js";
import { patientClient } from "../support/patient-client.js";
import { testPromises } from "./promises-on-cluster.js";

const deadlineMs = 30_000;

const texts = async (values: readonly Promise<Uint8Array>[]): Promise<string[]> =>
  (await within(deadlineMs, "all elements", Promise.all(values))).map(toText);

export const testRecipes = (kind: ServerKind): void =>
  testPromises("recipes", kind, [
    ["transactions that count at the same time lose nothing", checkConcurrentCounting],
    ["a transaction reads one revision, and its own writes", checkReadsOfOneRevision],
    ["a transaction gives up after its last run, and writes nothing when its function fails", checkAbortedTransaction],
    ["a queue gives each element once, in order", checkQueue],
    ["a priority queue gives the lowest number first", checkPriorityQueue],
    ["a barrier holds until it is released", checkBarrier],
    ["a double barrier is entered and left together", checkDoubleBarrier],
    ["a lock's signal is raised with its release", checkLockSignal],
    ["a namespace has keys, watches, locks and transactions of its own", checkNamespace],
    ["a watch with resync loses nothing while its member is away and the history is compacted", checkResyncedWatch],
    ["a mirror is the truth again after a compaction that it missed", checkMirrorThroughCompaction],
    ["an instance is found while it is registered, and registered again when its lease is revoked", checkServices],
    ["syncEndpoints finds all members from one", checkSyncedEndpoints],
  ]);

async function checkConcurrentCounting(client: Client): Promise<void> {
  const add = async (by: number) =>
    client.stm(async (tx) => {
      const count = Number((await tx.getText("stm/count")) ?? 0);
      tx.put("stm/count", `${count + by}`);
      return count;
    });
  const before = await Promise.all(Array.from({ length: 10 }, () => add(1)));
  assert.equal(await client.kv.getText("stm/count"), "10");
  assert.deepEqual(
    before.sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
}

async function checkReadsOfOneRevision(client: Client): Promise<void> {
  await client.kv.put("stm/a", "1");
  await client.kv.put("stm/b", "1");
  let runs = 0;
  const seen = await client.stm(async (tx) => {
    runs++;
    const a = await tx.getText("stm/a");
    if (runs === 1) await client.kv.put("stm/b", "2");
    const b = await tx.getText("stm/b");
    tx.put("stm/c", "own");
    tx.delete("stm/a");
    return [a, b, await tx.getText("stm/c"), await tx.getText("stm/a")];
  });
  assert.deepEqual([runs, seen], [2, ["1", "2", "own", undefined]]);
  assert.equal(await client.kv.getText("stm/a"), undefined);
}

async function checkAbortedTransaction(client: Client): Promise<void> {
  const conflict = client.stm(
    async (tx) => {
      await tx.get("stm/x");
      await client.kv.put("stm/x", "other");
      tx.put("stm/x", "own");
    },
    { maxAttempts: 2 },
  );
  await assert.rejects(conflict, (error: unknown) => error instanceof EtcdError && error.code === "aborted");
  assert.equal((await client.kv.get("stm/x")).kvs[0]?.version, 2);
  const failing = client.stm((tx) => {
    tx.put("stm/y", "v");
    throw new Error("no");
  });
  await assert.rejects(failing, { message: "no" });
  assert.equal(await client.kv.getText("stm/y"), undefined);
}

async function checkQueue(client: Client): Promise<void> {
  const jobs = client.queue("queue");
  const waiting = jobs.dequeue();
  await jobs.enqueue("first");
  assert.deepEqual(await texts([waiting]), ["first"]);
  const names = Array.from({ length: 6 }, (_, number) => `${number}`);
  for (const name of names) await jobs.enqueue(name);
  assert.deepEqual(await texts([jobs.dequeue()]), ["0"]);
  const taken = await texts(names.slice(1).map(() => client.queue("queue").dequeue()));
  assert.deepEqual(taken.sort(), names.slice(1));
  const late = jobs.dequeue({ timeoutMs: 100 });
  await assert.rejects(late, (error: unknown) => error instanceof EtcdError && error.code === "deadline-exceeded");
}

async function checkPriorityQueue(client: Client): Promise<void> {
  const jobs = client.priorityQueue("priorities");
  await Promise.all(["a", "b", "c"].map((name) => jobs.enqueue(name, 7)));
  await jobs.enqueue("urgent", 0);
  await jobs.enqueue("later", 65_535);
  const taken = [];
  for (let count = 0; count < 5; count++) taken.push(...(await texts([jobs.dequeue()])));
  assert.deepEqual([taken[0], taken.slice(1, 4).sort(), taken[4]], ["urgent", ["a", "b", "c"], "later"]);
  await assert.rejects(jobs.enqueue("x", -1), RangeError);
}

async function checkBarrier(client: Client): Promise<void> {
  const gate = client.barrier("gate");
  await gate.wait();
  await gate.hold();
  await assert.rejects(gate.hold(), (error: unknown) => error instanceof EtcdError && error.code === "already-exists");
  await assert.rejects(gate.wait({ timeoutMs: 50 }), EtcdError);
  const waiting = [gate.wait(), client.barrier("gate").wait()];
  await gate.release();
  await within(deadlineMs, "the barrier", Promise.all(waiting));
}

async function checkDoubleBarrier(client: Client): Promise<void> {
  const barriers = [1, 2, 3].map(() => client.doubleBarrier("double", 3));
  const [first, second, third] = barriers as [(typeof barriers)[0], (typeof barriers)[0], (typeof barriers)[0]];
  let inside = 0;
  const enter = async (one: typeof first) => {
    await one.enter({ ttlSeconds: lengthen(10) });
    inside++;
  };
  const entering = [enter(first), enter(second)];
  const waiters = async () => (await client.kv.get("double/waiters/", { prefix: true })).count === 2 || undefined;
  await eventually(deadlineMs, "two waiters", waiters);
  assert.equal(inside, 0);
  await within(deadlineMs, "all inside", Promise.all([...entering, enter(third)]));
  await assert.rejects(first.leave({ timeoutMs: 50 }), EtcdError);
  await within(deadlineMs, "the others outside", Promise.all([second.leave(), third.leave()]));
  assert.equal((await client.kv.get("double", { prefix: true })).count, 0);
}

async function checkLockSignal(client: Client): Promise<void> {
  const held = await client.lock("signal", { ttlSeconds: lengthen(10) });
  assert.ok(!held.signal.aborted);
  await held.release();
  assert.deepEqual([held.signal.aborted, held.lossSignal.aborted], [true, false]);
  const lost = await client.lock("signal", { ttlSeconds: lengthen(3) });
  assert.ok(lost.revision > held.revision);
  const [kv] = (await client.kv.get(lost.key)).kvs;
  await client.lease.revoke(kv!.lease);
  const raised = new Promise((resolve) => lost.signal.addEventListener("abort", resolve));
  await within(deadlineMs, "the signal", raised);
}

async function checkNamespace(client: Client): Promise<void> {
  const app = client.namespace("app/");
  await using watch = app.watch("", { prefix: true });
  await watch.whenReady();
  const { succeeded } = await app.kv.txn({
    compare: [{ target: "version", key: "a", is: "=", than: 0 }],
    success: [{ op: "put", key: "a", value: "1" }],
  });
  assert.ok(succeeded);
  await client.kv.put("app0", "outside");
  await client.kv.put("app/b", "2");
  const keys: string[] = [];
  for await (const { kv } of watch) if (keys.push(toText(kv.key)) === 2) break;
  assert.deepEqual(keys, ["a", "b"]);
  const all = await app.kv.get("", { prefix: true });
  assert.deepEqual(
    all.kvs.map(({ key }) => toText(key)),
    ["a", "b"],
  );
  await using lock = await app.lock("lock", { ttlSeconds: lengthen(10) });
  assert.equal(await client.tryLock("app/lock"), undefined);
  assert.ok(
    (await app.kv.txn({ compare: [lock.condition], success: [{ op: "put", key: "a", value: "3" }] })).succeeded,
  );
  assert.equal(await client.kv.getText("app/a"), "3");
}

/** Kills the only member of a client, changes four keys, compacts, and starts it again. */
async function makeMemberMissChanges(client: Client, { members }: EtcdCluster, prefix: string): Promise<void> {
  const [own, ...rest] = members as [EtcdMember, ...EtcdMember[]];
  await own.stop("SIGKILL");
  await using others = patientClient({ endpoints: rest.map(({ endpoint }) => endpoint) });
  const put = (name: string) => eventually(deadlineMs, `a put of ${name}`, () => others.kv.put(prefix + name, "new"));
  await put("1");
  await put("2");
  await eventually(deadlineMs, "a deletion", () => others.kv.delete(`${prefix}3`));
  const { header } = await put("4");
  await eventually(deadlineMs, "the compaction", () => others.kv.compact(header.revision));
  own.launch();
  await own.whenReady();
  await put("5");
}

async function checkResyncedWatch(client: Client, cluster: EtcdCluster): Promise<void> {
  for (const name of ["1", "3", "same"]) await client.kv.put(`resync/${name}`, "old");
  await using own = patientClient({ endpoints: [cluster.member(0).endpoint] });
  const watch = own.watch("resync/", { prefix: true, delivery: { resync: true } });
  await watch.whenReady();
  const seen: string[] = [];
  const all = (async () => {
    for await (const { type, kv } of watch) {
      seen.push(`${type} ${toText(kv.key)} ${toText(kv.value)}`);
      if (new Set(seen).size === 5) break;
    }
  })();
  await makeMemberMissChanges(client, cluster, "resync/");
  await within(deadlineMs, "all changes", all);
  const names = ["put resync/1 new", "put resync/2 new", "put resync/4 new", "put resync/5 new"];
  assert.deepEqual([...new Set(seen)].sort(), ["delete resync/3 ", ...names]);
}

const content = (mirror: Mirror) =>
  mirror.entries().map(({ key, value, modRevision }) => [toText(key), toText(value), modRevision]);

async function checkMirrorThroughCompaction(client: Client, cluster: EtcdCluster): Promise<void> {
  for (const name of ["1", "3", "same"]) await client.kv.put(`mirror/${name}`, "old");
  await using own = patientClient({ endpoints: [cluster.member(0).endpoint] });
  await using mirror = await own.mirror("mirror/");
  assert.equal(mirror.size, 3);
  await makeMemberMissChanges(client, cluster, "mirror/");
  const { header } = await client.kv.put("mirror/last", "v");
  await mirror.whenReached(header.revision, { timeoutMs: deadlineMs });
  const { kvs } = await client.kv.get("mirror/", { prefix: true });
  assert.deepEqual(
    content(mirror),
    kvs.map(({ key, value, modRevision }) => [toText(key), toText(value), modRevision]),
  );
}

async function checkServices(client: Client): Promise<void> {
  const lists = client.resolve("web");
  const next = async () => {
    const { value } = await within(deadlineMs, "a list", lists.next());
    return value?.map(({ address }) => address);
  };
  assert.deepEqual(await next(), []);
  const instance = await client.register({ service: "web", address: "a:1", ttlSeconds: lengthen(3) });
  assert.deepEqual(await next(), ["a:1"]);
  const [kv] = (await client.kv.get(instance.key)).kvs;
  await client.lease.revoke(kv!.lease);
  assert.deepEqual([await next(), await next()], [[], ["a:1"]]);
  await instance.close();
  assert.deepEqual(await next(), []);
  await lists.return();
}

async function checkSyncedEndpoints(_: Client, { members }: EtcdCluster): Promise<void> {
  const [first] = members as [EtcdMember, ...EtcdMember[]];
  await using client = patientClient({ endpoints: [first.endpoint] });
  assert.equal((await client.syncEndpoints()).length, 3);
  await first.stop("SIGKILL");
  assert.equal(await eventually(deadlineMs, "an answer", () => client.kv.getText("app/a")), "3");
  first.launch();
  await first.whenReady();
}
