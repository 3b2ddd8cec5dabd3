// A lock and a queue. While they hold the lock, workers read a number and write the next one, and no increment is lost. Each job
// of the queue is taken by exactly one worker, oldest job first.

import { Client, toText } from "../client/index.js";
import { cluster } from "./endpoints.js";

const counter = "/examples/counter";
const queue = "/examples/queue/";
const workers = ["anna", "ben", "cleo"];

await using client = new Client(cluster);
await client.kv.delete(queue, { prefix: true });
await client.kv.put(counter, "0");

async function count(times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await using lock = await client.lock("/examples/lock", { ttlSeconds: 10 });
    const next = Number(await client.kv.getText(counter)) + 1;
    // If the lock is lost between the read and the write, the cluster refuses the write.
    const { succeeded } = await client.kv.txn({
      compare: [lock.condition],
      success: [{ op: "put", key: counter, value: String(next) }],
    });
    if (!succeeded) throw new Error("The lock was lost");
  }
}

await Promise.all(workers.map(() => count(3)));
console.log(`counted to ${(await client.kv.getText(counter)) ?? "nothing"}`);

/** @returns undefined if the queue is empty */
async function takeJob(): Promise<string | undefined> {
  for (;;) {
    const { kvs } = await client.kv.get(queue, { prefix: true, sortBy: "createRevision", limit: 1 });
    const [oldest] = kvs;
    if (oldest === undefined) return undefined;
    const { succeeded } = await client.kv.txn({
      compare: [{ target: "modRevision", key: oldest.key, is: "=", than: oldest.modRevision }],
      success: [{ op: "delete", key: oldest.key }],
    });
    if (succeeded) return toText(oldest.value); // otherwise another worker was faster
  }
}

for (const job of ["wash", "dry", "iron", "fold"]) await client.kv.put(`${queue}${job}`, job);

const done: string[] = [];
const empty = workers.map(async () => {
  for (let job = await takeJob(); job !== undefined; job = await takeJob()) done.push(job);
});
await Promise.all(empty);
console.log(`done, each once: ${done.sort().join(", ")}`);
