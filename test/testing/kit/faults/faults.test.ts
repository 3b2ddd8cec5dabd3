import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Client, CompactedError } from "../../../../client/index.js";
import { startTestCluster, startTestServer } from "../../../../testing/kit/index.js";
import { patientClient } from "../../../support/patient-client.js";

/** Returns the error that a promise is rejected with. */
const errorOf = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("not rejected");
};

describe("faults of requests", () => {
  it("reject a put that was not carried out", async () => {
    await using server = await startTestServer({ listen: false });
    const client = server.client();
    server.faults.on("Put").reject("RESOURCE_EXHAUSTED");
    await assert.rejects(client.kv.put("a", "1"), { code: "resource-exhausted" });
    assert.deepEqual(await server.dump(), {});
    await client.kv.put("a", "2");
    assert.deepEqual(await server.dump(), { a: "2" });
  });

  it("reject a put that was carried out, which the client reports as unknown", async () => {
    await using server = await startTestServer({ listen: false });
    const fault = server.faults.on("Put").after(2).reject("UNAVAILABLE", { committed: true });
    const client = server.client();
    await client.kv.put("a", "1");
    await client.kv.put("b", "1");
    await assert.rejects(client.kv.put("c", "1"), { code: "unavailable", outcome: "unknown" });
    assert.equal(fault.hits, 1);
    assert.deepEqual(await server.dump(), { a: "1", b: "1", c: "1" });
  });

  it("hold at the endpoint, too", async () => {
    await using server = await startTestServer();
    await using client = patientClient({ endpoints: [server.endpoint] });
    server.faults.on("Range").times(2).reject("DATA_LOSS");
    await assert.rejects(client.kv.get("a"), { code: "data-loss" });
    await assert.rejects(client.kv.get("a"), { code: "data-loss" });
    assert.equal((await client.kv.get("a")).kvs.length, 0);
  });

  it("delay a request in the time of the server", async () => {
    await using server = await startTestServer({ clock: "virtual", listen: false });
    const client = server.client();
    server.faults.on("Txn").delay("1s");
    let isDone = false;
    const txn = client.kv.txn({ success: [{ op: "put", key: "a", value: "1" }] }).then(() => (isDone = true));
    await server.clock.advance(999);
    assert.equal(isDone, false);
    await server.clock.advance(1);
    await txn;
    assert.equal(isDone, true);
  });

  it("apply at one member alone, until they are removed", async () => {
    await using cluster = await startTestCluster({ listen: false });
    const [m1, m2, m3] = ["m1", "m2", "m3"].map((name) => cluster.member(name));
    assert.ok(m1 !== undefined && m2 !== undefined && m3 !== undefined);
    const fault = m2.faults.on("Range").times(Infinity).reject("DATA_LOSS");
    const elsewhere = m1.faults.on("Range").times(Infinity).reject("INTERNAL");
    await Promise.all([m1.kill(), m3.kill()]);
    const { kv } = cluster.client();
    await assert.rejects(kv.get("a", { serializable: true }), { code: "data-loss" });
    assert.equal(fault.hits > 0, true);
    m2.faults.clear();
    assert.equal((await kv.get("a", { serializable: true })).count, 0);
    assert.equal(elsewhere.hits, 0);
  });

  it("have no effect once they are removed", async () => {
    await using server = await startTestServer({ listen: false });
    server.faults.on("Put").times(Infinity).reject("INTERNAL");
    await assert.rejects(server.client().kv.put("a", "1"));
    server.faults.clear();
    await server.client().kv.put("a", "1");
  });

  it("cancel the watches of a stream instead of sending events", async () => {
    await using server = await startTestServer({ listen: false });
    const client = server.client();
    const watch = client.watch("a");
    await watch.whenReady();
    server.faults.on("Watch").cancel();
    await client.kv.put("a", "1");
    const next = watch.batches().next();
    await assert.rejects(next, { name: "WatchEndedError" });
  });

  it("fail keep-alives", async () => {
    await using server = await startTestServer({ listen: false });
    const client = server.client();
    const { id } = await client.lease.grant({ ttlSeconds: 60 });
    server.faults.on("LeaseKeepAlive").reject("NOT_FOUND");
    await assert.rejects(client.lease.renew(id));
  });
});

describe("compactUnderWatchers", () => {
  it("has a watcher miss changes that are compacted", async () => {
    await using server = await startTestServer({ listen: false });
    const client = server.client();
    const watch = client.watch("a");
    await watch.whenReady();
    const batches = watch.batches();
    await client.kv.put("a", "1");
    await batches.next();
    await server.compactUnderWatchers(async () => {
      await client.kv.put("a", "2");
      await client.kv.put("a", "3");
    });
    assert.ok((await errorOf(batches.next())) instanceof CompactedError);
  });
});

describe("compactUnderWatchers with few changes", () => {
  for (const changes of [0, 1])
    it(`compacts after ${changes} changes, and again`, async () => {
      await using server = await startTestServer({ listen: false });
      const client = server.client();
      for (let round = 0; round < 2; round++) {
        const watch = client.watch("", { prefix: true });
        await watch.whenReady();
        const next = errorOf(watch.batches().next());
        if (changes === 0) await server.compactUnderWatchers();
        else await server.compactUnderWatchers(() => client.kv.put("a", "1"));
        assert.ok((await next) instanceof CompactedError);
      }
      assert.deepEqual(await server.dump(), changes === 0 ? {} : { a: "1" });
      await client.kv.put("a", "2");
      const { length } = await server.history();
      assert.ok(length <= 2, `${length} revisions`);
    });
});

describe("faults of links", () => {
  it("elect another leader behind a partition, and end with equal members", async () => {
    await using cluster = await startTestCluster({ clock: "virtual", listen: false });
    const former = await cluster.waitForLeader();
    const others = cluster.members.filter((member) => member !== former).map(({ name }) => name);
    cluster.partition([former.name], others);
    assert.equal(cluster.leader(), undefined);
    const leader = await cluster.waitForLeader();
    assert.ok(others.includes(leader.name));
    await cluster.client().kv.put("a", "1");
    cluster.heal();
    await cluster.waitUntilEqual();
    assert.deepEqual(await cluster.dump(), { a: "1" });
  });

  it("in one direction depose a leader whose messages are lost", async () => {
    await using cluster = await startTestCluster({ clock: "virtual", listen: false });
    const former = await cluster.waitForLeader();
    for (const { name } of cluster.members) if (name !== former.name) cluster.cut(former.name, name);
    assert.notEqual((await cluster.waitForLeader()).name, former.name);
  });

  it("allow lost, repeated and late messages", async () => {
    await using cluster = await startTestCluster({ clock: "virtual", listen: false });
    cluster.drop(0.1);
    cluster.duplicate(0.2);
    cluster.delay("2ms", { to: "m1" });
    const client = cluster.client();
    const puts = Promise.allSettled(Array.from({ length: 20 }, (_, n) => client.kv.put(`key${n}`, "value")));
    await cluster.clock.advance("10s");
    await puts;
    cluster.heal();
    await cluster.waitUntilEqual();
  });

  it("refuse unknown names", async () => {
    await using cluster = await startTestCluster({ clock: "virtual", listen: false });
    assert.throws(() => cluster.partition(["m1"], ["m9"]), TypeError);
    assert.throws(() => cluster.drop(2), RangeError);
  });
});

describe("faults of a member", () => {
  it("freeze: it answers no request, and continues when thawed", async () => {
    await using server = await startTestServer({ clock: "virtual", listen: false });
    const client = server.client();
    await client.kv.put("a", "1");
    server.member.freeze();
    assert.equal(server.member.state, "frozen");
    const get = client.kv.getText("a");
    await server.clock.advance("1s");
    server.member.thaw();
    assert.equal(await get, "1");
  });

  it("a kill keeps what was acknowledged", async () => {
    await using server = await startTestServer({ listen: false });
    const client = server.client();
    for (let n = 0; n < 10; n++) await client.kv.put(`key${n}`, "value");
    await server.member.kill({ loseUnsynced: true });
    assert.equal(server.member.state, "down");
    await server.member.restart();
    assert.equal(Object.keys(await server.dump()).length, 10);
  });

  it("a kill during a slow sync loses the write that was not acknowledged, if the power fails", async () => {
    for (const loseUnsynced of [true, false]) {
      await using server = await startTestServer({ clock: "virtual", listen: false });
      const client = server.client();
      server.member.slowSync("10s");
      const put = errorOf(client.kv.put("a", "1"));
      await server.clock.advance("1s");
      await server.member.kill({ loseUnsynced });
      server.member.slowSync(0);
      await put;
      await server.member.restart();
      assert.deepEqual(await server.dump(), loseUnsynced ? {} : { a: "1" });
    }
  });

  it("a full disk refuses writes and answers reads", async () => {
    await using server = await startTestServer({ clock: "virtual", listen: false });
    const client = server.client();
    await client.kv.put("a", "1");
    server.member.diskFull();
    await assert.rejects(client.kv.put("a", "2"), { code: "resource-exhausted" });
    assert.equal(await client.kv.getText("a"), "1");
    server.member.diskFull(false);
    await client.kv.put("a", "2");
  });

  it("a member with a full disk does not start, and says why", async () => {
    await using server = await startTestServer({ listen: false });
    await server.member.kill();
    server.member.diskFull();
    await assert.rejects(server.member.restart(), /free some space/);
    assert.match(String(server.member.failure), /free some space/);
    assert.ok(server.log().some((line) => line.includes("stopped by itself")));
    server.member.diskFull(false);
    await server.member.restart();
  });

  it("members that were all killed are restarted one after the other; the second one completes a majority", async () => {
    for (const clock of ["machine", "virtual"] as const) {
      await using cluster = await startTestCluster({ clock, listen: false });
      const client = cluster.client();
      await client.kv.put("a", "1");
      for (const member of cluster.members) await member.kill({ loseUnsynced: true });
      const [first, second, third] = cluster.members;
      await first!.restart();
      assert.equal(first!.state, "starting");
      await second!.restart();
      assert.deepEqual([first!.state, second!.state], ["running", "running"]);
      assert.equal(await client.kv.getText("a"), "1");
      await third!.restart();
      await cluster.waitUntilEqual();
    }
  });

  it("a member that cannot start reports the reason, also while there is no majority", async () => {
    await using cluster = await startTestCluster({ listen: false });
    for (const member of cluster.members) await member.kill();
    const [first] = cluster.members;
    first!.diskFull();
    await assert.rejects(first!.restart(), /free some space/);
    assert.equal(first!.state, "down");
  });

  it("a kill at the endpoint is a broken connection, and the port stays the same", async () => {
    await using server = await startTestServer();
    const { endpoint } = server;
    await using client = patientClient({ endpoints: [endpoint] });
    await client.kv.put("a", "1");
    await server.member.kill();
    await using hasty = new Client({ endpoints: [endpoint], dialTimeoutMs: 100 }); // no server listens
    await assert.rejects(hasty.kv.put("a", "2"), { code: "unavailable" });
    await server.member.restart();
    assert.equal(server.endpoint, endpoint);
    assert.equal(await client.kv.getText("a"), "1");
  });

  it("a frozen member at the endpoint answers only once it is thawed", async () => {
    await using server = await startTestServer();
    await using client = patientClient({ endpoints: [server.endpoint] });
    await client.kv.put("a", "1");
    server.member.freeze();
    await assert.rejects(client.kv.get("a", { timeoutMs: 100 }), { code: "deadline-exceeded" });
    server.member.thaw();
    assert.equal(await client.kv.getText("a"), "1");
  });
});
