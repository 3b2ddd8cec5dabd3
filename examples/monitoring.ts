// Monitoring: agents show that they are alive by keeping a lease. One of several monitors is elected leader and reports agents
// that come and go; if it dies, the next leader continues at the same revision.

import { Client, toText, type Leadership } from "../client/index.js";
import { cluster } from "./endpoints.js";

const agents = "/examples/agents/";
const progress = "/examples/monitoring/reported";

await using client = new Client(cluster);
const election = client.election("/examples/monitor");

/** Reports until this many agents have come or gone. The revision of the last report is stored in the cluster, for the next leader. */
async function report(name: string, leadership: Leadership, changes: number): Promise<void> {
  const startRevision = Number(await client.kv.getText(progress)) + 1;
  const watch = client.watch(agents, { prefix: true, startRevision, signal: leadership.lossSignal });
  for await (const { type, kv } of watch) {
    console.log(`${name} reports: ${toText(kv.key).slice(agents.length)} is ${type === "put" ? "up" : "down"}`);
    const put = { op: "put", key: progress, value: String(kv.modRevision) } as const;
    await client.kv.txn({ compare: [leadership.condition], success: [put] }); // only while it leads
    if (--changes === 0) return;
  }
}

/** Registers an agent: its key exists as long as its lease. */
async function startAgent(name: string) {
  const lease = await client.lease.hold({ ttlSeconds: 5 });
  await client.kv.put(agents + name, "", { lease: lease.id });
  return lease;
}

const { header } = await client.kv.get(agents, { prefix: true });
await client.kv.put(progress, String(header.revision));

const first = await election.campaign("monitor 1", { ttlSeconds: 5 });
const next = election.campaign("monitor 2", { ttlSeconds: 5 });

const anna = await startAgent("anna");
const ben = await startAgent("ben");
await report("monitor 1", first, 2);
await first.resign();
await anna.close(); // the current leader reports it

const second = await next;
const leader = await election.leader();
console.log(`${leader === undefined ? "nobody" : toText(leader.value)} leads`);
await report("monitor 2", second, 1);
await second.resign();
await ben.close();
