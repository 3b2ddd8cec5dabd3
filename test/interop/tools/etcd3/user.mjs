// Uses npm's etcd3 over mutual TLS as a user who may read and write the keys that begin with a slash, and nothing else:
// `user.mjs ENDPOINT CA CERT KEY SLOWNESS USER PASSWORD`. Prints every step; on a fresh member, its output is
// the same with every server that has etcd's API.

import { once } from "node:events";
import { connect, expectRefusal, finish, ownArguments, say } from "./steps.mjs";

const [username = "", password = ""] = ownArguments;

const logins = async () => {
  const stranger = connect({ username, password: "wrong" });
  await expectRefusal("login", () => stranger.get("/a"));
  const nobody = connect(undefined);
  await expectRefusal("nobody's get", () => nobody.get("/a"));
  for (const client of [stranger, nobody]) client.close();
};

const rights = async (etcd, writer) => {
  const watcher = await etcd.watch().prefix("/a").create();
  const event = once(watcher, "put"); // the event may come before the put is answered
  await writer.put("/a").value("1");
  const [{ value }] = await event;
  say("event", String(value));
  await watcher.cancel();
  await expectRefusal("put", () => etcd.put("a").value("1").exec());
  await expectRefusal("get", () => etcd.getAll().strings());
  await expectRefusal("txn", () =>
    etcd.if("/a", "Version", ">", 0).then(etcd.put("/a").value("2"), etcd.get("a")).commit(),
  );
  say("unchanged", await etcd.getAll().prefix("/").strings());
  await expectRefusal("delete", () => etcd.delete().prefix("a"));
  await expectRefusal("watch", () => etcd.watch().prefix("a").create());
  await expectRefusal("user", () => etcd.user("more").create("p"));
  await expectRefusal("defragment", () => etcd.maintenance.defragment());
  say("own roles", (await etcd.auth.userGet({ name: username })).roles);
};

const leases = async (etcd) => {
  const lease = etcd.lease(60);
  await lease.put("/lease").value("1");
  await expectRefusal("put on a lease", () => lease.put("lease").value("1").exec());
  await lease.keepaliveOnce();
  await lease.revoke();
  say("revoked", await etcd.get("/lease"));
};

const recipes = async (one, other) => {
  const [ours, theirs] = [one, other].map((client) => client.namespace("/"));
  const lock = await ours.lock("boat").ttl(60).acquire();
  await expectRefusal("lock", () => theirs.lock("boat").ttl(60).acquire());
  await lock.release();
  say(
    "lock",
    await theirs
      .lock("boat")
      .ttl(60)
      .do(() => "acquired"),
  );
  const denied = one.lock("boat").ttl(60);
  await expectRefusal("lock without rights", () => denied.acquire());
  await denied.release(); // otherwise its lease would be kept alive
  const campaign = ours.election("election", 60).campaign("one");
  await once(campaign, "elected");
  say("leader", await theirs.election("election", 60).leader());
  await campaign.resign();
  say("leader", await theirs.election("election", 60).leader());
};

await logins();
const [one, other] = Array.from({ length: 2 }, () => connect({ username, password }));
await rights(one, other);
await leases(one);
await recipes(one, other);
for (const client of [one, other]) client.close();
finish();
say("done");
process.exit(0); // etcd3 does not close the connections of its logins
