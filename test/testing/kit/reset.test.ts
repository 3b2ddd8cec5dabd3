import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startTestCluster, startTestServer } from "../../../testing/kit/index.js";

const resetError = { code: "failed-precondition", outcome: "failed", message: /was reset/ };

/** Takes the rejection of a promise that is looked at later. */
const later = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(() => undefined);
  return promise;
};

describe("a reset ends requests of before, and none reaches the new member", () => {
  it("of a client that has not connected yet", async () => {
    await using server = await startTestServer({ listen: false });
    const put = later(server.client().kv.put("a", "1"));
    await server.reset();
    await assert.rejects(put, resetError);
    assert.deepEqual(await server.dump(), {});
  });

  it("that wait for a member that is down or frozen", async () => {
    await using server = await startTestServer({ listen: false, clock: "virtual" });
    const client = server.client();
    await client.kv.get("a");
    await server.member.kill();
    const put = later(client.kv.put("a", "1"));
    const watch = client.watch("a");
    const next = later(watch.batches().next());
    await server.reset();
    await assert.rejects(put, resetError);
    await assert.rejects(next, { code: "failed-precondition" });
    server.member.freeze();
    const frozen = later(client.kv.put("a", "1"));
    await server.reset();
    await assert.rejects(frozen, resetError);
    assert.deepEqual(await server.dump(), {});
    await client.kv.put("a", "2");
  });

  it("that are carried out later", async () => {
    await using server = await startTestServer({ listen: false, clock: "virtual" });
    server.faults.on("Put").delay("1s");
    const put = later(server.client().kv.put("a", "1"));
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
      const puts = Array.from({ length: 20 }, (_, n) => later(client.kv.put(`key${n}`, "1")));
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

  it("ends whatever waits for it", async () => {
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
      waiting.forEach((each) => void later(each));
      await server.close();
      for (const each of waiting) await assert.rejects(each, closed);
      const cluster = await startTestCluster({ clock, listen: false });
      await Promise.all(cluster.members.map((member) => member.kill()));
      const restart = later(cluster.members[0]!.restart());
      const leader = later(cluster.waitForLeader());
      await cluster.close();
      await assert.rejects(restart, closed);
      await assert.rejects(leader, closed);
    }
  });

  it("refuses everything at once", async () => {
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
