import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Client } from "../../../../client/index.js";
import { startTestServer } from "../../../../testing/kit/index.js";

describe("an invalid value", () => {
  it("fails at the call, and the server closes normally", async () => {
    await using server = await startTestServer({ listen: false });
    const { kv } = server.client();
    await kv.get("a");
    for (const wrong of [5, undefined, null, { a: 1 }]) {
      await assert.rejects(async () => kv.put("a", wrong as unknown as string), /expected text or bytes, not /);
      await assert.rejects(async () => kv.get(wrong as unknown as string), TypeError);
    }
  });

  it("rejects the request, and throws nothing", async () => {
    await using server = await startTestServer({ listen: false });
    const { kv } = server.client();
    const put = kv.put("a", 5 as unknown as string);
    await assert.rejects(put, TypeError);
    const get = kv.get("a", { prefix: true, fromKey: true });
    await assert.rejects(get, TypeError);
  });

  it("fails alone among the requests of its turn", async () => {
    await using server = await startTestServer({ listen: false });
    const { kv } = server.client();
    const [before, wrong, after] = await Promise.allSettled([
      kv.put("a", "1"),
      kv.put("b", "1", { lease: "no id" as unknown as bigint }),
      kv.put("c", "1"),
    ]);
    assert.deepEqual([before.status, wrong.status, after.status], ["fulfilled", "rejected", "fulfilled"]);
    assert.deepEqual(await server.dump(), { a: "1", c: "1" });
  });

  it("is refused with an example of a valid grant", async () => {
    await using server = await startTestServer({ listen: false });
    const { lease } = server.client();
    await assert.rejects(lease.grant(10 as never), { name: "TypeError", message: /grant\(\{ ttlSeconds: 10 \}\)/ });
    await assert.rejects(lease.hold(10 as never), TypeError);
  });

  it("is an error with a known outcome with and without a socket, if only the codec finds out", async () => {
    await using server = await startTestServer();
    await using outside = new Client({ endpoints: [server.endpoint] });
    for (const client of [server.client(), outside]) {
      const put = client.kv.put("a", "1", { lease: "no id" as unknown as bigint });
      await assert.rejects(put, { code: "internal", outcome: "failed", message: /serialization failure/ });
      await client.kv.put("a", "2");
    }
  });
});
