// Load balancing: each worker has a key with its load, and a job goes to the worker with the least load. If two clients choose at
// the same time, the transaction of the second finds the load changed, and the client chooses again.

import { Client, toText } from "../client/index.js";
import { cluster } from "./endpoints.js";

const workers = "/examples/workers/";

await using client = new Client(cluster);
await using lease = await client.lease.hold({ ttlSeconds: 10 }); // a worker that dies gets no more jobs
for (const [name, load] of Object.entries({ anna: 0, ben: 2, cleo: 4 }))
  await client.kv.put(workers + name, String(load), { lease: lease.id });

/** Adds a job to the worker with the least load. */
async function assign(): Promise<void> {
  for (;;) {
    const { kvs } = await client.kv.get(workers, { prefix: true });
    const loads = kvs.map((kv) => ({ ...kv, load: Number(toText(kv.value)) }));
    const [least] = loads.sort((a, b) => a.load - b.load);
    if (least === undefined) throw new Error("No worker is there");
    const { succeeded } = await client.kv.txn({
      compare: [{ target: "modRevision", key: least.key, is: "=", than: least.modRevision }],
      success: [{ op: "put", key: least.key, value: String(least.load + 1), ignoreLease: true }],
    });
    if (succeeded) return;
  }
}

await Promise.all(Array.from({ length: 9 }, assign));
for (const { key, value } of (await client.kv.get(workers, { prefix: true })).kvs)
  console.log(`${toText(key).slice(workers.length)} has ${toText(value)} jobs`);
