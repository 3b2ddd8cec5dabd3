// Locks and elections of our client, as a user with the rights of a prefix, on etcd 3.7 and minietcd.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AuthError, type Client, toText } from "../../../client/index.js";
import { eventually, within } from "../../support/deadline.js";
import { startEtcdCluster, type ServerKind } from "../../support/etcd-process.js";
import { patientClient } from "../../support/patient-client.js";

const deadlineMs = 20_000;
const ann = { user: "ann", password: "ann's word" };

/** Starts a member. Returns root's client, and two clients of a user who may use the keys of the prefix `/` only. */
async function connect(kind: ServerKind) {
  const cluster = await startEtcdCluster({ kind, flags: ["--bcrypt-cost=4"] });
  const { endpoints } = cluster;
  const root = { user: "root", password: "r" };
  await using first = patientClient({ endpoints });
  for (const user of [root, ann]) {
    await first.auth.userAdd(user);
    await first.auth.roleAdd(user.user);
    await first.auth.userGrantRole({ user: user.user, role: user.user });
  }
  await first.auth.roleGrantPermission({ role: "ann", type: "readwrite", key: "/", prefix: true });
  await first.auth.enable();
  const [one, other, admin] = [ann, ann, root].map((auth) => patientClient({ endpoints, auth })) as [
    Client,
    Client,
    Client,
  ];
  const keysInLine = (name: string, count: number) =>
    eventually(deadlineMs, `${count} in line`, async () => {
      const line = await one.kv.get(`${name}/`, { prefix: true });
      return line.count === count || undefined;
    });
  const dispose = async () => {
    for (const client of [one, other, admin]) await client.close();
    await cluster[Symbol.asyncDispose]();
  };
  return { one, other, admin, keysInLine, [Symbol.asyncDispose]: dispose };
}

const isNotAllowed = (error: unknown): boolean => error instanceof AuthError && error.reason === "not-allowed";

for (const kind of ["etcd-3.7", "minietcd"] as const)
  describe(`a user with the rights of a prefix on ${kind}`, () => {
    test("a user waits for a lock and gets it, and cannot lock outside the prefix", async () => {
      await using clients = await connect(kind);
      const { one, other, keysInLine } = clients;
      const held = await one.lock("/locks/x");
      assert.equal(await other.tryLock("/locks/x"), undefined);
      const waiting = other.lock("/locks/x");
      await keysInLine("/locks/x", 2);
      await held.release();
      await (await within(deadlineMs, "the second lock", waiting)).release();
      await keysInLine("/locks/x", 0);
      await assert.rejects(one.lock("locks/x"), isNotAllowed);
      await assert.rejects(one.tryLock("locks/x"), isNotAllowed);
    });

    test("a user leads an election, is observed and resigns, and cannot campaign outside the prefix", async () => {
      await using clients = await connect(kind);
      const { one, other, keysInLine } = clients;
      const [mine, theirs] = [one, other].map((client) => client.election("/jobs")) as [
        ReturnType<Client["election"]>,
        ReturnType<Client["election"]>,
      ];
      const leadership = await mine.campaign("one");
      const observed: string[] = [];
      const stop = new AbortController();
      const observer = (async () => {
        for await (const { value } of theirs.observe({ signal: stop.signal })) {
          observed.push(toText(value));
          if (toText(value) === "other") return;
        }
      })();
      await eventually(deadlineMs, "the first leader", () => Promise.resolve(observed.includes("one") || undefined));
      await leadership.proclaim("one, again");
      await eventually(deadlineMs, "the proclamation", () =>
        Promise.resolve(observed.includes("one, again") || undefined),
      );
      const waiting = theirs.campaign("other");
      await keysInLine("/jobs", 2);
      await leadership.resign();
      const next = await within(deadlineMs, "the second leader", waiting);
      await within(deadlineMs, "the observer", observer);
      stop.abort();
      assert.deepEqual(observed, ["one", "one, again", "other"]);
      await next.resign();
      assert.equal(await mine.leader(), undefined);
      await assert.rejects(one.election("jobs").campaign("one"), isNotAllowed);
      await assert.rejects(one.election("jobs").leader(), isNotAllowed);
      await assert.rejects(one.election("jobs").observe().next(), isNotAllowed);
    });

    test("a user that waits for a lock gets an error when its permission is revoked", async () => {
      await using clients = await connect(kind);
      const { one, other, admin, keysInLine } = clients;
      await one.lock("/locks/x");
      const waiting = other.lock("/locks/x");
      await keysInLine("/locks/x", 2);
      waiting.catch(() => undefined);
      await admin.auth.roleRevokePermission({ role: "ann", key: "/", prefix: true });
      await admin.kv.delete("/locks/x/", { prefix: true });
      // minietcd ends the watch immediately; etcd sends the deletion, and then refuses a read.
      await assert.rejects(within(deadlineMs, "the end of the wait", waiting), { code: "permission-denied" });
    });
  });
