// Many leases that expire at the same time, on real processes.

import assert from "node:assert/strict";
import test from "node:test";
import { eventually } from "../support/deadline.js";
import { startCluster } from "../support/minietcd-cluster.js";
import { scaleMs } from "../support/machine-speed.js";

const longEnoughMs = 30_000;
/** Leases that are granted concurrently. */
const perBatch = 500;

test("10 000 leases that expire at once are revoked at a bounded rate, and the cluster serves meanwhile", async (t) => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const count = 10_000;
  const id = (n: number): bigint => BigInt(n + 1);
  const timeoutMs = scaleMs(longEnoughMs);
  const make = (from: number, ttlSeconds: number) =>
    Promise.all(
      Array.from({ length: perBatch }, async (_, m) => {
        await client.lease.grant({ id: id(from + m), ttlSeconds, timeoutMs });
        await client.kv.put(`k/${from + m}`, "v", { lease: id(from + m), timeoutMs });
      }),
    );
  // No lease may expire before all are granted: the time for the first batch, which is revoked, shows how long a grant takes on this
  // machine.
  const startedAt = performance.now();
  await make(0, 3_600);
  const secondsPerBatch = (performance.now() - startedAt) / 1_000;
  await Promise.all(Array.from({ length: perBatch }, (_, m) => client.lease.revoke(id(m), { timeoutMs })));
  const ttlSeconds = Math.max(20, Math.ceil((3 * secondsPerBatch * count) / perBatch));
  for (let n = 0; n < count; n += perBatch) await make(n, ttlSeconds);
  // A new leader gives all leases their full TTL at the same time.
  await (await cluster.leader()).kill("SIGKILL");
  const countLeft = async (): Promise<number> =>
    (await client.kv.get("k/", { prefix: true, countOnly: true, timeoutMs: scaleMs(longEnoughMs) })).count;
  assert.equal(await countLeft(), count);
  let slowest = 0;
  const began = await eventually(60_000 + ttlSeconds * 1_000, "the first to go", async () =>
    (await countLeft()) < count ? performance.now() : undefined,
  );
  await eventually(60_000, "the last to go", async () => {
    const sentAt = performance.now();
    await client.kv.put("other", "v", { timeoutMs: scaleMs(longEnoughMs) });
    slowest = Math.max(slowest, performance.now() - sentAt);
    return (await countLeft()) === 0 ? true : undefined;
  });
  const tookMs = performance.now() - began;
  t.diagnostic(`10 000 leases in ${tookMs.toFixed(0)} ms; the slowest put meanwhile ${slowest.toFixed(0)} ms`);
  assert.ok(tookMs > 8_000, `gone within ${tookMs} ms: more than 1000 a second`);
  assert.deepEqual((await client.lease.list()).ids, []);
});
