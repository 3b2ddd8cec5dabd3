import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  checkLinearizable,
  type History,
  type Operation,
  startTestCluster,
  startTestServer,
} from "../../../../testing/kit/index.js";

/** Returns the history with one operation changed. */
const changeOperation = (history: History, at: number, change: (operation: Operation) => Operation): History => ({
  ...history,
  operations: history.operations.map((operation, n) => (n === at ? change(operation) : operation)),
});

const withRevision = (operation: Operation, revision: number): Operation => {
  const { response } = operation;
  assert.ok(response?.header !== undefined);
  return {
    ...operation,
    response: { ...response, header: { ...response.header, revision: BigInt(revision) } },
  } as Operation;
};

describe("a recorded history", () => {
  it("has each request on keys with its answer, and is linearizable", async () => {
    await using server = await startTestServer({ listen: false });
    await server.seed({ old: "1" });
    const recording = await server.record();
    const client = recording.client({ name: "anna" });
    await client.kv.put("a", "1");
    await client.kv.get("old");
    await client.kv.delete("a");
    await client.kv.txn({
      success: [
        { op: "put", key: "a", value: "2" },
        { op: "get", key: "a" },
      ],
    });
    const history = recording.history();
    assert.deepEqual(
      history.operations.map(({ client: name, kind, outcome }) => [name, kind, outcome]),
      [
        ["anna", "put", "ok"],
        ["anna", "get", "ok"],
        ["anna", "delete", "ok"],
        ["anna", "txn", "ok"],
      ],
    );
    assert.equal(history.startRevision, 2);
    assert.deepEqual(checkLinearizable(history), { verdict: "linearizable", conflict: [], explanation: "" });
  });

  it("is not linearizable with a read that misses a put answered before it", async () => {
    await using server = await startTestServer({ listen: false });
    const recording = await server.record();
    const client = recording.client();
    await client.kv.put("a", "1");
    await client.kv.put("a", "2");
    await client.kv.get("a");
    const stale = changeOperation(recording.history(), 2, (operation) => withRevision(operation, 2));
    const { verdict, conflict, explanation } = checkLinearizable(stale);
    assert.equal(verdict, "not-linearizable");
    assert.deepEqual(conflict, [stale.operations[2], stale.operations[1]]);
    assert.match(
      explanation,
      /get "a": "a" = "2" of 3, revision 2\n  is of revision 2, although 3 was known by .* put "a" = "2"/,
    );
  });

  it("names the wrong answer, and the expected one", async () => {
    await using server = await startTestServer({ listen: false });
    const recording = await server.record();
    const client = recording.client();
    await client.kv.put("a", "1");
    await client.kv.delete("a");
    await client.kv.get("a");
    const wrong = changeOperation(recording.history(), 1, (operation) => {
      assert.ok(operation.kind === "delete" && operation.response !== undefined);
      return { ...operation, response: { ...operation.response, deleted: 2n } };
    });
    const { verdict, explanation } = checkLinearizable(wrong);
    assert.equal(verdict, "not-linearizable");
    assert.match(explanation, /delete "a": 2 deleted, revision 3\n  should be: 1 deleted\n  after .*put "a" = "1"/);
  });

  it("is linearizable whether a put of unknown outcome was seen or not", async () => {
    await using server = await startTestServer({ listen: false });
    const recording = await server.record();
    const client = recording.client();
    server.faults.on("Put").reject("UNAVAILABLE", { committed: true });
    await assert.rejects(client.kv.put("a", "1"), { outcome: "unknown" });
    server.faults.on("Put").reject("UNAVAILABLE");
    await assert.rejects(client.kv.put("b", "1"), { outcome: "unknown" });
    server.faults.on("DeleteRange").reject("UNAVAILABLE", { committed: true });
    await client.kv.get("a");
    await assert.rejects(client.kv.delete("a"), { outcome: "unknown" });
    await client.kv.get("a");
    await client.kv.get("b");
    assert.deepEqual(checkLinearizable(recording.history()), {
      verdict: "linearizable",
      conflict: [],
      explanation: "",
    });
  });

  it("is not linearizable with a value that no client wrote", async () => {
    await using server = await startTestServer({ listen: false });
    const recording = await server.record();
    await server.seed({ a: "hidden" });
    await recording.client().kv.get("a");
    const { verdict, explanation } = checkLinearizable(recording.history());
    assert.equal(verdict, "not-linearizable");
    assert.match(explanation, /shows a change of revision 2: no pending operation can have made this revision/);
  });

  it("of locks, leases and their end is linearizable", async () => {
    await using server = await startTestServer({ listen: false, clock: "virtual" });
    const recording = await server.record();
    const client = recording.client();
    const lease = await client.lease.grant({ ttlSeconds: 5 });
    await client.kv.put("a", "1", { lease: lease.id });
    await server.clock.advance("10s");
    assert.equal(await client.kv.getText("a"), undefined);
    const lock = await client.lock("name");
    await lock.release();
    assert.deepEqual(checkLinearizable(recording.history()).explanation, "");
  });

  it("stays linearizable while members of a cluster die", async () => {
    await using cluster = await startTestCluster({ listen: false, clock: "virtual" });
    cluster.delay("2ms");
    const recording = await cluster.record();
    let isOver = false;
    const clients = Array.from({ length: 4 }, async (_, n) => {
      const client = recording.client({ requestTimeoutMs: 1_000 });
      for (let i = 0; !isOver; i++)
        try {
          await client.kv.put(`k${i % 3}`, `${n}.${i}`);
          await client.kv.get(`k${(i + n) % 3}`);
        } catch {
          continue;
        }
    });
    for (let round = 0; round < 3; round++) {
      const leader = await cluster.waitForLeader();
      await cluster.clock.advance("20ms");
      await leader.kill();
      await cluster.clock.advance("1s");
      await leader.restart();
    }
    isOver = true;
    await cluster.clock.advance("5s");
    await Promise.all(clients);
    const history = recording.history();
    assert.ok(history.operations.length > 100);
    assert.equal(checkLinearizable(history).explanation, "");
  });
});
