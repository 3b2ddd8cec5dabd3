import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { describe, it } from "node:test";
import { Client } from "../../../../client/index.js";
import { startTestCluster, startTestServer } from "../../../../testing/kit/index.js";

const temporaryDirectories = (): readonly string[] =>
  readdirSync(tmpdir()).filter((name) => name.startsWith("minietcd-test-"));

describe("startTestServer", () => {
  it("serves a client in this process", async () => {
    await using server = await startTestServer({ listen: false });
    const client = server.client();
    await client.kv.put("a", "1");
    assert.equal(await client.kv.getText("a"), "1");
  });

  it("serves the same keys at its endpoint", async () => {
    await using server = await startTestServer();
    await using outside = new Client({ endpoints: [server.endpoint] });
    await outside.kv.put("a", "1");
    assert.equal(await server.client().kv.getText("a"), "1");
  });

  it("answers puts in this process as at its endpoint, small and large, with the former key and without", async () => {
    await using server = await startTestServer();
    await using outside = new Client({ endpoints: [server.endpoint] });
    const results = [];
    for (const { kv } of [server.client(), outside]) {
      const { header: first } = await kv.put("a", "former");
      const answers = [];
      for (const value of ["small", "large".repeat(1_000)])
        for (const prevKv of [false, true]) {
          const { header, prevKv: former } = await kv.put("a", value, { prevKv });
          answers.push({ ...header, revision: header.revision - first.revision, former: former?.value });
        }
      results.push(answers);
    }
    assert.deepEqual(results[0], results[1]);
  });

  it("puts bytes as they were at the call", async () => {
    await using server = await startTestServer({ listen: false });
    const { kv } = server.client();
    const [key, value] = [Buffer.from("key"), Buffer.from("value")];
    const put = kv.put(key, value);
    key.fill(0);
    value.fill(0);
    await put;
    value.fill(1);
    assert.equal(await kv.getText("key"), "value");
    assert.deepEqual(await server.dump(), { key: "value" });
  });

  it("refuses a put without a key, or with a lease beyond 64 bits, as at its endpoint", async () => {
    await using server = await startTestServer();
    await using outside = new Client({ endpoints: [server.endpoint] });
    for (const { kv } of [server.client(), outside]) {
      await assert.rejects(kv.put("", "value"), { message: /key is not provided/ });
      await assert.rejects(kv.put("key", "value", { lease: 2n ** 70n }), { message: /more than 64 bits/ });
    }
  });

  it("serves watches, leases and locks to a client in this process", async () => {
    await using server = await startTestServer({ listen: false });
    const client = server.client();
    const watch = client.watch("a");
    await watch.whenReady();
    const lease = await client.lease.grant({ ttlSeconds: 60 });
    await client.kv.put("a", "1", { lease: lease.id });
    for await (const event of watch) {
      assert.equal(event.type, "put");
      break;
    }
    const lock = await client.lock("name");
    await lock.release();
  });

  it("serves keys in chunks to a client in this process, and refuses what a server refuses", async () => {
    await using server = await startTestServer({ listen: false });
    const { kv } = server.client();
    const value = "v".repeat(10_000);
    const keys = Array.from({ length: 1_200 }, (_, n) => `k${String(n).padStart(4, "0")}`);
    for (let at = 0; at < keys.length; at += 100)
      await kv.txn({ success: keys.slice(at, at + 100).map((key) => ({ op: "put", key, value }) as const) });
    const { kvs, count, header } = await kv.getStream("k", { prefix: true });
    assert.deepEqual(kvs, (await kv.get("k", { prefix: true })).kvs);
    assert.deepEqual([count, header.revision], [1_200, 13]);
    await assert.rejects(kv.getStream("k", { revision: 100 }), { code: "out-of-range" });
    await assert.rejects(kv.getStream(""), { code: "invalid-argument" });
    const giveUp = new AbortController();
    const given = assert.rejects(kv.getStream("k", { prefix: true, signal: giveUp.signal }), { code: "cancelled" });
    giveUp.abort();
    await given;
  });

  it("lets Node end although a lease is held: one timer of a bounded time is left", async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    await using server = await startTestServer({ listen: false });
    const client = server.client();
    await client.kv.get("a");
    const before = timers();
    await using lease = await client.lease.hold({ ttlSeconds: 60 });
    assert.equal(timers(), before + 1);
    assert.equal(lease.lossSignal.aborted, false);
  });

  it("keeps its data in a temporary directory that is gone afterwards", async () => {
    const before = temporaryDirectories();
    const server = await startTestServer({ disk: true, listen: false });
    const [added] = temporaryDirectories().filter((name) => !before.includes(name));
    assert.ok(added !== undefined);
    await server.client().kv.put("a", "1");
    await server.close();
    assert.equal(existsSync(`${tmpdir()}/${added}`), false);
  });

  it("names the members that it has when an endpoint is none of these", async () => {
    await using cluster = await startTestCluster({ listen: false });
    assert.throws(() => cluster.member("m4"), /there is no member "m4"/i);
  });

  it("refuses a disk in virtual time", async () => {
    await assert.rejects(startTestServer({ disk: true, clock: "virtual" }), /a disk takes real time/);
  });
});

describe("startTestCluster", () => {
  it("starts three members, of which one leads", async () => {
    await using cluster = await startTestCluster({ listen: false });
    assert.equal(cluster.members.filter(({ isLeader }) => isLeader).length, 1);
    const client = cluster.client();
    await client.kv.put("a", "1");
    assert.equal(await client.kv.getText("a"), "1");
  });

  it("goes on without a member that was killed, which then catches up", async () => {
    await using cluster = await startTestCluster({ clock: "virtual", listen: false });
    const client = cluster.client();
    await client.kv.put("a", "1");
    const leader = cluster.members.find(({ isLeader }) => isLeader)!;
    await leader.kill();
    const put = client.kv.put("a", "2");
    await cluster.clock.advance("2s");
    await put.catch(() => client.kv.put("a", "2"));
    await leader.restart();
    assert.equal(leader.state, "running");
    assert.equal(await client.kv.getText("a"), "2");
  });
});
