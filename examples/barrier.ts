// A barrier: workers wait for a key to be deleted, and then all begin. The key is deleted when all workers have arrived; a worker
// that arrives later does not wait.

import { Client, toText } from "../client/index.js";
import { cluster } from "./endpoints.js";

const barrier = "/examples/barrier";
const arrivals = "/examples/arrivals/";

await using client = new Client(cluster);

async function work(name: string): Promise<void> {
  const { header } = await client.kv.put(arrivals + name, "");
  const { kvs } = await client.kv.get(barrier, { revision: header.revision });
  if (kvs.length > 0) {
    console.log(`${name} waits`);
    const changes = client.watch(barrier, { startRevision: header.revision + 1 });
    for await (const { type } of changes) if (type === "delete") break;
  }
  console.log(`${name} sets off`);
}

async function openWhenAllAreThere(expected: number, startRevision: number): Promise<void> {
  const arrived = new Set<string>();
  for await (const { kv } of client.watch(arrivals, { prefix: true, startRevision })) {
    arrived.add(toText(kv.key));
    if (arrived.size === expected) break;
  }
  await client.kv.delete(barrier);
}

const { header } = await client.kv.put(barrier, "closed");
await Promise.all([openWhenAllAreThere(2, header.revision + 1), work("anna"), work("ben")]);
await work("cleo");
