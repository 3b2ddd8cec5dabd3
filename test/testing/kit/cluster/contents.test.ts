import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { printLogOnFailure, startTestCluster, startTestServer } from "../../../../testing/kit/index.js";

describe("contents", () => {
  it("are seeded and dumped as plain objects", async () => {
    await using server = await startTestServer({ listen: false });
    await server.seed({ "/b": "2", "/a": "1" });
    assert.deepEqual(await server.dump(), { "/a": "1", "/b": "2" });
  });

  it("show bytes that are not text", async () => {
    await using server = await startTestServer({ listen: false });
    await server.client().kv.put(Uint8Array.of(0x61, 0xff), Uint8Array.of(0x80));
    assert.deepEqual(await server.dump(), { "a\\xff": "\\x80" });
  });

  it("have a history of every revision", async () => {
    await using server = await startTestServer({ listen: false });
    const client = server.client();
    assert.deepEqual(await server.history(), []);
    await client.kv.put("a", "1");
    const lease = await client.lease.grant({ ttlSeconds: 60 });
    await client.kv.put("a", "2", { lease: lease.id });
    await client.kv.delete("a");
    assert.deepEqual(await server.history(), [
      { revision: 2, changes: [{ type: "put", key: "a", value: "1" }] },
      { revision: 3, changes: [{ type: "put", key: "a", value: "2", lease: lease.id.toString(16) }] },
      { revision: 4, changes: [{ type: "delete", key: "a" }] },
    ]);
    await client.kv.compact(3);
    assert.deepEqual(
      (await server.history()).map(({ revision }) => revision),
      [3, 4],
    );
  });
});

describe("reset", () => {
  it("begins anew at revision 1, with the same clients", async () => {
    await using server = await startTestServer();
    const client = server.client();
    await client.kv.put("a", "1");
    server.faults.on("Put").times(Infinity).reject("INTERNAL");
    const { endpoint } = server;
    await server.reset();
    assert.deepEqual(await server.dump(), {});
    assert.equal((await client.kv.get("a")).header.revision, 1);
    assert.equal((await client.kv.put("a", "2")).header.revision, 2);
    assert.equal(server.endpoint, endpoint);
  });

  it("ends earlier watches", async () => {
    await using server = await startTestServer({ listen: false });
    const watch = server.client().watch("a");
    await watch.whenReady();
    const next = watch.batches().next();
    next.catch(() => undefined);
    await server.reset();
    await assert.rejects(next, { code: "failed-precondition", message: /was reset/ });
  });

  it("empties a server on disk and a whole cluster", async () => {
    await using server = await startTestServer({ disk: true, listen: false });
    await server.seed({ a: "1" });
    await server.reset();
    assert.deepEqual(await server.dump(), {});
    await using cluster = await startTestCluster({ clock: "virtual", listen: false });
    await cluster.seed({ a: "1" });
    cluster.partition(["m1"], ["m2", "m3"]);
    await cluster.reset();
    assert.deepEqual(await cluster.dump(), {});
    await cluster.waitUntilEqual();
  });
});

describe("clone", () => {
  it("has the same contents, and changes of its own", async () => {
    await using server = await startTestServer({ listen: false });
    await server.seed({ a: "1", b: "1" });
    await using copy = await server.clone();
    assert.deepEqual(await copy.history(), await server.history());
    await copy.client().kv.put("a", "2");
    await server.client().kv.delete("b");
    assert.deepEqual(await copy.dump(), { a: "2", b: "1" });
    assert.deepEqual(await server.dump(), { a: "1" });
  });

  it("is independent of its origin and of its own clone, also on its disk", async () => {
    await using first = await startTestServer({ listen: false });
    const keys = Array.from({ length: 400 }, (_, n) => `k${n}`);
    await first.seed(Object.fromEntries(keys.map((key) => [key, "1"])));
    const lease = await first.client().lease.grant({ ttlSeconds: 600 });
    await first.client().kv.put("leased", "1", { lease: lease.id });
    await Promise.all(keys.slice(100, 200).map((key) => first.client().kv.delete(key)));
    await using second = await first.clone();
    await using third = await second.clone();
    const servers = [first, second, third];
    for (const [n, server] of servers.entries()) {
      const client = server.client();
      await Promise.all(keys.slice(100 * n, 100 * n + 150).map((key) => client.kv.put(key, `of ${n}`)));
      await Promise.all(keys.slice(100 * n + 50, 100 * n + 100).map((key) => client.kv.delete(key)));
    }
    await second.client().lease.revoke(lease.id);
    const { header } = await third.client().kv.get("leased");
    await third.client().kv.compact(header.revision - 10, { physical: true });

    const contentsAfter = (n: number): Record<string, string> => {
      const values = new Map(keys.map((key) => [key, "1"]));
      for (const key of keys.slice(100, 200)) values.delete(key);
      for (const key of keys.slice(100 * n, 100 * n + 150)) values.set(key, `of ${n}`);
      for (const key of keys.slice(100 * n + 50, 100 * n + 100)) values.delete(key);
      if (n !== 1) values.set("leased", "1");
      return Object.fromEntries([...values].sort(([a], [b]) => (a < b ? -1 : 1)));
    };
    for (const [n, server] of servers.entries()) {
      const hash = (): Promise<{ readonly hash: number }> => server.client().maintenance.hashKv(server.endpoints[0]!);
      const before = await hash();
      assert.deepEqual(await server.dump(), contentsAfter(n));
      await server.member.kill();
      await server.member.restart();
      assert.deepEqual(await server.dump(), contentsAfter(n));
      assert.equal((await hash()).hash, before.hash);
    }
  });

  it("of a cluster is a whole cluster, and is refused on disk", async () => {
    await using cluster = await startTestCluster({ clock: "virtual", listen: false });
    await cluster.seed({ a: "1" });
    await using copy = await cluster.clone();
    assert.deepEqual(await copy.dump(), { a: "1" });
    await using server = await startTestServer({ disk: true, listen: false });
    await assert.rejects(server.clone(), TypeError);
  });
});

describe("resets one after the other", () => {
  it("each begin empty, also when nothing has happened between two", async () => {
    await using server = await startTestServer();
    const client = server.client();
    for (let n = 0; n < 5; n++) {
      await client.kv.put("a", String(n));
      await server.reset();
      await server.reset();
      assert.equal((await client.kv.get("a")).header.revision, 1);
    }
  });
});

describe("printLogOnFailure", () => {
  it("prints what the members have logged if the body fails, and nothing otherwise", async () => {
    await using server = await startTestServer({ listen: false });
    const lines: string[] = [];
    const print = (line: string): void => void lines.push(line);
    assert.equal(await printLogOnFailure(server, () => Promise.resolve(1), print), 1);
    assert.equal(lines.length, 0);
    const failure = new Error("fails");
    await assert.rejects(
      printLogOnFailure(server, () => Promise.reject(failure), print),
      failure,
    );
    assert.match(lines.join("\n"), /m1 info elected leader/);
  });
});
