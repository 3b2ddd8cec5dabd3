// Many leases that end together, on real processes.

import assert from "node:assert/strict";
import test from "node:test";
import { eventually } from "../support/deadline.js";
import { startCluster } from "../support/minietcd-cluster.js";
import { lengthened, scaledMs } from "../support/machine-speed.js";

const longEnoughMs = 30_000;

test("10 000 leases that end at once are expired at a bounded rate, and the cluster serves meanwhile", async (t) => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const count = 10_000;
  const id = (n: number): bigint => BigInt(n + 1);
  for (let n = 0; n < count; n += 500)
    await Promise.all(
      Array.from({ length: 500 }, async (_, m) => {
        await client.lease.grant({ id: id(n + m), ttlSeconds: lengthened(20), timeoutMs: scaledMs(longEnoughMs) });
        await client.kv.put(`k/${n + m}`, "v", { lease: id(n + m), timeoutMs: scaledMs(longEnoughMs) });
      }),
    );
  // A new leader gives all of them the same time.
  await (await cluster.leader()).kill("SIGKILL");
  const left = async (): Promise<number> =>
    (await client.kv.get("k/", { prefix: true, countOnly: true, timeoutMs: scaledMs(longEnoughMs) })).count;
  assert.equal(await left(), count);
  let slowest = 0;
  const began = await eventually(60_000, "the first to go", async () =>
    (await left()) < count ? performance.now() : undefined,
  );
  await eventually(60_000, "the last to go", async () => {
    const sentAt = performance.now();
    await client.kv.put("other", "v", { timeoutMs: scaledMs(longEnoughMs) });
    slowest = Math.max(slowest, performance.now() - sentAt);
    return (await left()) === 0 ? true : undefined;
  });
  const tookMs = performance.now() - began;
  t.diagnostic(`10 000 leases in ${tookMs.toFixed(0)} ms; the slowest put meanwhile ${slowest.toFixed(0)} ms`);
  assert.ok(tookMs > 8_000, `gone within ${tookMs} ms: more than 1000 a second`);
  assert.deepEqual((await client.lease.list()).ids, []);
});
