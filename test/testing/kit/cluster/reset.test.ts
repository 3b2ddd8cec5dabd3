import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Client } from "../../../../client/index.js";
import { startTestCluster, startTestServer } from "../../../../testing/kit/index.js";

const resetError = { code: "failed-precondition", outcome: "failed", message: /was reset/ };

/** Marks the rejection of a promise as handled; the test checks it later. */
const ignoreRejection = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(() => undefined);
  return promise;
};

describe("a reset ends earlier requests, and none reaches the new member", () => {
  it("of a client that has not connected yet", async () => {
    await using server = await startTestServer({ listen: false });
    const put = ignoreRejection(server.client().kv.put("a", "1"));
    await server.reset();
    await assert.rejects(put, resetError);
    assert.deepEqual(await server.dump(), {});
  });

  it("that wait for a member that is down or frozen", async () => {
    await using server = await startTestServer({ listen: false, clock: "virtual" });
    const client = server.client();
    await client.kv.get("a");
    await server.member.kill();
    const put = ignoreRejection(client.kv.put("a", "1"));
    const watch = client.watch("a");
    const next = ignoreRejection(watch.batches().next());
    await server.reset();
    await assert.rejects(put, resetError);
    await assert.rejects(next, { code: "failed-precondition" });
    server.member.freeze();
    const frozen = ignoreRejection(client.kv.put("a", "1"));
    await server.reset();
    await assert.rejects(frozen, resetError);
    assert.deepEqual(await server.dump(), {});
    await client.kv.put("a", "2");
  });

  it("that are carried out later", async () => {
    await using server = await startTestServer({ listen: false, clock: "virtual" });
    server.faults.on("Put").delay("1s");
    const put = ignoreRejection(server.client().kv.put("a", "1"));
    await server.clock.advance("500ms");
    await server.reset();
    await assert.rejects(put, resetError);
    await server.clock.advance("2s");
    assert.deepEqual(await server.dump(), {});
  });

  it("of a cluster", async () => {
    await using cluster = await startTestCluster({ listen: false });
    const client = cluster.client();
    for (let round = 0; round < 2; round++) {
      const puts = Array.from({ length: 20 }, (_, n) => ignoreRejection(client.kv.put(`key${n}`, "1")));
      await cluster.reset();
      for (const put of puts) await assert.rejects(put, resetError);
      assert.deepEqual(await cluster.dump(), {});
    }
  });
});

describe("several resets at once", () => {
  it("come one after the other", async () => {
    await using server = await startTestServer({ listen: false });
    await Promise.all([server.reset(), server.reset(), server.reset()]);
    await server.client().kv.put("a", "1");
    await using cluster = await startTestCluster({ clock: "virtual", listen: false });
    await Promise.all([cluster.reset(), cluster.reset()]);
    await cluster.client().kv.put("a", "1");
  });
});

describe("a closed server", () => {
  const closed = /The test server is closed/;

  it("ends all pending calls", async () => {
    for (const clock of ["machine", "virtual"] as const) {
      const server = await startTestServer({ clock });
      await server.reset();
      const waiting: readonly Promise<unknown>[] = [
        server.reset(),
        server.dump(),
        server.seed({ a: "1" }),
        server.history(),
        server.clone(),
      ];
      waiting.forEach((each) => void ignoreRejection(each));
      await server.close();
      for (const each of waiting) await assert.rejects(each, closed);
      const cluster = await startTestCluster({ clock, listen: false });
      await Promise.all(cluster.members.map((member) => member.kill()));
      cluster.partition(...cluster.members.map(({ name }) => [name])); // no restarted member may find a majority
      await cluster.members[0]!.restart();
      const restart = ignoreRejection(cluster.members[1]!.restart());
      const leader = ignoreRejection(cluster.waitForLeader());
      await cluster.close();
      await assert.rejects(restart, closed);
      await assert.rejects(leader, closed);
    }
  });

  it("refuses every call at once", async () => {
    const server = await startTestServer({ clock: "virtual" });
    await server.close();
    await server.close();
    await assert.rejects(server.reset(), closed);
    await assert.rejects(server.dump(), closed);
    await assert.rejects(server.seed({ a: "1" }), closed);
    await assert.rejects(server.clone(), closed);
    await assert.rejects(server.clock.advance(1), closed);
    await assert.rejects(server.member.restart(), closed);
    assert.throws(() => server.client(), closed);
  });
});

describe("a registration puts its key again after a reset", () => {
  const instance = { service: "web", address: "10.0.0.7:80", ttlSeconds: 5 };
  const entries = { "web/10.0.0.7:80": '{"Op":0,"Addr":"10.0.0.7:80","Metadata":null}' };

  it("of a server, and of a cluster, once or several times in a row", async () => {
    const options = { listen: false, clock: "virtual" } as const;
    for (const start of [() => startTestServer(options), () => startTestCluster(options)]) {
      await using server = await start();
      await using registration = await server.client().register(instance);
      for (const resets of [1, 3]) {
        for (let n = 0; n < resets; n++) await server.reset();
        await server.clock.advance("2s");
        assert.deepEqual(await server.dump(), entries);
        assert.equal(registration.isRegistered, true);
      }
      await server.clock.advance("1m"); // the client keeps its lease alive
      assert.deepEqual(await server.dump(), entries);
      await registration.close();
      assert.deepEqual(await server.dump(), {});
    }
  });

  it("whenever the reset comes while it registers again", async () => {
    await using server = await startTestServer({ listen: false, clock: "virtual" });
    await using registration = await server.client().register(instance);
    for (const ms of [0, 1, 100, 249, 250, 251, 260, 500]) {
      server.faults.on("Put").delay("5ms");
      await server.reset();
      await server.clock.advance(ms);
      await server.reset();
      await server.clock.advance("2s");
      assert.deepEqual(await server.dump(), entries, `after ${ms} ms`);
    }
    assert.equal(registration.isRegistered, true);
  });

  it("of a client of the endpoint", async () => {
    await using server = await startTestServer();
    await using client = new Client({ endpoints: [server.endpoint] });
    await using registration = await client.register(instance);
    await server.reset();
    const watch = server.client().watch("web/", { prefix: true, startRevision: 1 });
    const { value: batch } = await watch.batches().next();
    assert.deepEqual(
      batch?.events.map(({ kv }) => Buffer.from(kv.key).toString()),
      [registration.key],
    );
    await watch.close();
  });
});
