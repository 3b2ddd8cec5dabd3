// Uses npm's etcd3 over mutual TLS: `services.mjs ENDPOINT CA CERT KEY SLOWNESS`.
// Prints every step; on a fresh cluster, its output is the same with every server that has etcd's API.

import { once } from "node:events";
import { connect, expectRefusal, finish, say } from "./steps.mjs";

const section = (name) => say(`== ${name}`);

const keys = async (etcd) => {
  section("keys");
  const { header } = await etcd.put("config/a").value("1");
  say("put at", header.revision);
  await etcd.put("config/b").value(Buffer.from([0, 255]));
  say("get", await etcd.get("config/a").number(), await etcd.get("config/b").buffer(), await etcd.get("none"));
  say("of the prefix", await etcd.getAll().prefix("config/").sort("Key", "Descend").keys());
  say("limited", await etcd.getAll().limit(1).strings());
  say("count, exists", await etcd.getAll().count(), await etcd.get("config/a").exists());
  say("at a revision", await etcd.get("config/b").revision(header.revision));
  const large = "x".repeat(1_000_000);
  await etcd.put("large").value(large);
  say("large", (await etcd.get("large").string()) === large);
  await expectRefusal("get of the future", () => etcd.get("config/a").revision(1_000_000).exec());
  const scoped = etcd.namespace("config/");
  say("scoped", await scoped.getAll().strings());
  say("deleted", (await scoped.delete().all()).deleted, (await etcd.delete().key("none")).deleted);
};

const transactions = async (etcd) => {
  section("transactions");
  for (let n = 0; n < 2; n++) {
    const { succeeded, responses } = await etcd
      .if("txn", "Version", "==", 0)
      .then(etcd.put("txn").value("first"), etcd.get("txn"))
      .else(etcd.get("txn"))
      .commit();
    say(succeeded, responses.map(({ response }) => response).join());
  }
  await etcd.put("account/a").value(100);
  await etcd.put("account/b").value(0);
  const transfer = (isolation) =>
    etcd.stm({ retries: 100, isolation }).transact(async (tx) => {
      await tx.put("account/a").value((await tx.get("account/a").number()) - 1);
      await tx.put("account/b").value((await tx.get("account/b").number()) + 1);
    });
  for (let n = 0; n < 10; n++) await Promise.all([transfer(0), transfer(1)]); // serializable transactions, with snapshot reads and without
  say("accounts", await etcd.getAll().prefix("account/").numbers());
};

const leases = async (etcd) => {
  section("leases");
  const lease = etcd.lease(60);
  await lease.put("lease/a").value("1");
  await lease.keepaliveOnce();
  say("kept", (await etcd.leaseClient.leaseTimeToLive({ ID: await lease.grant(), keys: true })).keys.map(String));
  await lease.revoke();
  say("revoked", await etcd.get("lease/a"));
  await expectRefusal("put with none", () => etcd.put("lease/a").value("1").lease(4711).exec());
  const brief = etcd.lease(1, { autoKeepAlive: false });
  const watcher = await etcd.watch().key("lease/b").only("delete").create();
  await brief.put("lease/b").value("1");
  await once(watcher, "delete");
  say("expired", await etcd.get("lease/b"));
  await watcher.cancel();
};

const watches = async (etcd, writer) => {
  section("watches");
  const watcher = await etcd.watch().prefix("watched/").withPreviousKV().create();
  const events = [];
  watcher.on("put", ({ key, value, version }, before) =>
    events.push(`put ${key} ${value} ${version} ${before?.value}`),
  );
  watcher.on("delete", ({ key }, before) => events.push(`delete ${key} ${before?.value}`));
  await writer.put("watched/a").value("1");
  await writer.put("watched/a").value("2");
  await writer.delete().prefix("watched/");
  await writer.put("watched/end").value("");
  await writer.delete().key("watched/end");
  while (!events.at(-1)?.startsWith("delete watched/end")) await once(watcher, "data");
  for (const event of events) say(event);
  await watcher.cancel();
  const from = (await writer.get("txn").exec()).kvs[0].create_revision;
  const again = await etcd.watch().key("txn").startRevision(from).create();
  const [{ value }] = await once(again, "put");
  say("from a revision", String(value));
  await again.cancel();
};

const concurrency = async (one, other) => {
  section("locks and elections");
  const lock = await one.lock("boat").ttl(60).acquire();
  await expectRefusal("lock", () => other.lock("boat").ttl(60).acquire());
  await lock.release();
  say(
    "lock",
    await other
      .lock("boat")
      .ttl(60)
      .do(() => "acquired"),
  );

  const first = one.election("election", 60);
  const second = other.election("election", 60);
  say("leader", await second.leader());
  const campaign = first.campaign("one");
  await once(campaign, "elected");
  const observer = await second.observe();
  say("observed", observer.leader());
  const rival = second.campaign("two");
  const elected = once(rival, "elected");
  await campaign.proclaim("one, again");
  while (observer.leader() !== "one, again") await once(observer, "change");
  await campaign.resign();
  await elected;
  while (observer.leader() !== "two") await once(observer, "change");
  say("observed", observer.leader());
  await observer.cancel();
  await rival.resign();
};

const cluster = async (etcd) => {
  section("cluster");
  const { members } = await etcd.cluster.memberList({});
  say("members", members.map(({ name, clientURLs }) => `${name} ${clientURLs.length}`).join());
  const { leader, header } = await etcd.maintenance.status();
  say("leader", leader === header.member_id);
  say("hash", Number((await etcd.maintenance.hash()).hash) > 0);
};

const one = connect();
const other = connect();
await keys(one);
await transactions(one);
await leases(one);
await watches(one, other);
await concurrency(one, other);
await cluster(one);
one.close();
other.close();
finish();
section("done");
