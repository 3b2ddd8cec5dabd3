// minietcdctl make-mirror: prefixes, the order of changes, resuming at a revision, refusals.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../../../client/index.js";
import { startTestServer } from "../../../../testing/kit/index.js";
import { eventually } from "../../../support/deadline.js";
import { startProgram } from "./running-program.js";

const contents = async (client: Client): Promise<Record<string, string>> => {
  const { kvs } = await client.kv.get("", { fromKey: true });
  return Object.fromEntries(kvs.map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()]));
};

const waitForContents = (client: Client, expected: Record<string, string>) =>
  eventually(10_000, JSON.stringify(expected), async () => {
    const actual = JSON.stringify(await contents(client));
    return actual === JSON.stringify(expected) || undefined;
  });

test("make-mirror copies the keys of a prefix, then each change, and prints the revision to continue from", async () => {
  await using source = await startTestServer();
  await using destination = await startTestServer();
  const from = source.client();
  const to = destination.client();
  await from.kv.put("a/1", "one");
  await from.kv.put("b", "not copied");
  const words = ["make-mirror", "--prefix", "a/", "--dest-prefix", "copy/", "--max-txn-ops", "2"];
  const mirror = startProgram(source.endpoint, ...words, destination.endpoint);
  await waitForContents(to, { "copy/1": "one" });
  const three = ["2", "3", "4"].map((name) => ({ op: "put", key: `a/${name}`, value: name }) as const);
  await from.kv.txn({ success: three });
  await from.kv.delete("a/1");
  await waitForContents(to, { "copy/2": "2", "copy/3": "3", "copy/4": "4" });
  mirror.signals.emit("SIGTERM", "SIGTERM");
  const { code, stderr } = await mirror.ended;
  const { header } = await from.kv.get("a/1");
  assert.deepEqual([code, stderr], [143, `Copied 5 keys and deletions; continue with --rev=${header.revision + 1}\n`]);

  await from.kv.put("a/5", "later");
  const resumed = startProgram(source.endpoint, ...words, `--rev=${header.revision + 1}`, destination.endpoint);
  await waitForContents(to, { "copy/2": "2", "copy/3": "3", "copy/4": "4", "copy/5": "later" });
  resumed.signals.emit("SIGINT", "SIGINT");
  assert.equal((await resumed.ended).code, 130);
});

test("make-mirror copies many keys, all without their prefix", async () => {
  await using source = await startTestServer();
  await using destination = await startTestServer();
  const keys = Array.from({ length: 2_100 }, (_, n) => String(n).padStart(4, "0"));
  for (let at = 0; at < keys.length; at += 100) {
    const part = keys.slice(at, at + 100);
    await source.client().kv.txn({ success: part.map((key) => ({ op: "put", key: `p/${key}`, value: "v" })) });
  }
  const words = ["make-mirror", "--prefix=p/", "--no-dest-prefix", destination.endpoint];
  const mirror = startProgram(source.endpoint, ...words);
  await waitForContents(destination.client(), Object.fromEntries(keys.map((key) => [key, "v"])));
  mirror.signals.emit("SIGINT", "SIGINT");
  assert.equal((await mirror.ended).code, 130);
});

/** Turns authentication on, with the users root and `writer`, who may write below `copy/` only. */
const askForUsers = async ({ auth }: Client): Promise<void> => {
  for (const user of ["root", "writer"]) {
    await auth.userAdd({ user, password: `${user}'s` });
    await auth.roleAdd(user);
    await auth.userGrantRole({ user, role: user });
  }
  await auth.roleGrantPermission({ role: "writer", type: "readwrite", key: "copy/", prefix: true });
  await auth.enable();
};

test("make-mirror acts at the destination as the user of --dest-user, and never as that of the source", async () => {
  const flags = { bcryptCost: "4" };
  await using source = await startTestServer({ flags });
  await using destination = await startTestServer({ flags });
  await source.client().kv.put("a/1", "one");
  await askForUsers(source.client());
  await askForUsers(destination.client());
  const from = ["--user=root:root's", "make-mirror", "--prefix=a/", "--dest-prefix=copy/"];
  const mirror = startProgram(source.endpoint, ...from, "--dest-user=writer:writer's", destination.endpoint);
  const root = destination.client({ auth: { user: "root", password: "root's" } });
  await waitForContents(root, { "copy/1": "one" });
  mirror.signals.emit("SIGINT", "SIGINT");
  assert.equal((await mirror.ended).code, 130);

  const refusal = async (...words: string[]) => {
    const { code, stderr } = await startProgram(source.endpoint, ...from, ...words, destination.endpoint).ended;
    return [code, stderr];
  };
  assert.deepEqual(await refusal(), [1, "Error: etcdserver: user name is empty\n"]);
  assert.deepEqual(await refusal("--dest-user=writer", "--dest-password=writer's", "--dest-prefix=b/"), [
    1,
    "Error: etcdserver: permission denied\n",
  ]);
});

test("make-mirror ends when the changes that it needs are compacted, or when a cluster refuses a request", async () => {
  await using source = await startTestServer();
  const client = source.client();
  for (const value of ["1", "2", "3"]) await client.kv.put("k", value);
  await client.kv.compact(3);
  const compacted = await startProgram(source.endpoint, "make-mirror", "--rev=2", source.endpoint).ended;
  assert.deepEqual(
    [compacted.code, compacted.stderr],
    [1, "Error: etcdserver: mvcc: required revision has been compacted\n"],
  );
});

test("make-mirror from revision 1 copies the keys, also of a source that has compacted its history", async () => {
  await using source = await startTestServer();
  await using destination = await startTestServer();
  const client = source.client();
  for (const value of ["1", "2", "3"]) await client.kv.put("k", value);
  await client.kv.compact(3);
  const mirror = startProgram(source.endpoint, "make-mirror", "--rev=1", destination.endpoint);
  await waitForContents(destination.client(), { k: "3" });
  mirror.signals.emit("SIGINT", "SIGINT");
  assert.equal((await mirror.ended).code, 130);
});

test("make-mirror refuses flags that contradict each other, in etcdctl's words", async () => {
  const refusal = async (...words: string[]) => {
    const { code, stderr } = await startProgram("127.0.0.1:1", "make-mirror", ...words).ended;
    return [code, stderr];
  };
  assert.deepEqual(await refusal(), [128, "Error: make-mirror takes one destination argument\n"]);
  assert.deepEqual(await refusal("a:1", "--dest-prefix=x", "--no-dest-prefix"), [
    128,
    "Error: `--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one\n",
  ]);
  const files = "KeyFile and CertFile must both be present[key: , cert: c.pem]";
  assert.deepEqual(await refusal("a:1", "--dest-cert=c.pem"), [128, `Error: ${files}\n`]);
});
