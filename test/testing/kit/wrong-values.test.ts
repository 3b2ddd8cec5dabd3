import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Client } from "../../../client/index.js";
import { startTestServer } from "../../../testing/kit/index.js";

describe("a value that cannot be sent", () => {
  it("fails at the call, and the server closes in good order", async () => {
    await using server = await startTestServer({ listen: false });
    const { kv } = server.client();
    await kv.get("a");
    for (const wrong of [5, undefined, null, { a: 1 }]) {
      await assert.rejects(async () => kv.put("a", wrong as unknown as string), /expected text or bytes, not /);
      await assert.rejects(async () => kv.get(wrong as unknown as string), TypeError);
    }
  });

  it("says how a lease is granted", async () => {
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
