import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startTestServer } from "../../../../testing/kit/index.js";

describe("virtual time", () => {
  it("ends a lease when its time has passed, and not before", async () => {
    await using server = await startTestServer({ clock: "virtual", listen: false });
    const client = server.client();
    const lease = await client.lease.grant({ ttlSeconds: 10 });
    await client.kv.put("a", "1", { lease: lease.id });
    await server.clock.advance("9s");
    assert.equal(await client.kv.getText("a"), "1");
    await server.clock.advance("2s");
    assert.equal(await client.kv.getText("a"), undefined);
  });

  it("stands still unless it is advanced", async () => {
    await using server = await startTestServer({ clock: "virtual", listen: false });
    const before = server.clock.now();
    await server.client().kv.put("a", "1");
    assert.equal(server.clock.now(), before);
  });

  it("does not hold up a compaction that removes much", async () => {
    await using server = await startTestServer({ clock: "virtual", listen: false });
    const { kv } = server.client();
    let revision = 0;
    for (let n = 0; n < 1_100; n++) ({ revision } = (await kv.put("a", String(n))).header); // the compaction takes three batches
    await kv.compact(revision, { physical: true });
    await assert.rejects(kv.get("a", { revision: revision - 1 }), { code: "out-of-range" });
  });

  it("does not pass on the machine's clock", async () => {
    await using server = await startTestServer({ listen: false });
    await assert.rejects(server.clock.advance("1s"), /start the server with/);
  });

  it("ends a request at the deadline of the client", async () => {
    await using server = await startTestServer({ clock: "virtual", listen: false });
    const client = server.client({ requestTimeoutMs: 5_000 });
    await client.kv.put("a", "1");
    server.member.freeze();
    const put = client.kv.put("a", "2");
    put.catch(() => undefined);
    await server.clock.advance("6s");
    await assert.rejects(put, { code: "deadline-exceeded" });
  });
});
