// Publish and subscribe: a watch of a prefix receives every change, in order, each once. A subscriber that was disconnected
// continues from the revision that it had reached.

import { Client, toText } from "../client/index.js";
import { cluster } from "./endpoints.js";

const prices = "/examples/prices/";

await using client = new Client(cluster);

async function subscribe(name: string, startRevision: number): Promise<void> {
  for await (const { type, kv } of client.watch(prices, { prefix: true, startRevision })) {
    const item = toText(kv.key).slice(prices.length);
    console.log(`${name} hears: ${item} ${type === "put" ? `costs ${toText(kv.value)}` : "is sold out"}`);
    if (type === "delete") break;
  }
}

const before = await client.kv.delete(prices, { prefix: true });
const early = subscribe("early", before.header.revision + 1);
const tea = await client.kv.put(`${prices}tea`, "3");
await client.kv.put(`${prices}coffee`, "4");
const late = subscribe("late", tea.header.revision);
await client.kv.delete(`${prices}tea`);
await Promise.all([early, late]);
