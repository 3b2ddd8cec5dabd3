// `npm run bench`: loads of a three-member cluster on this machine, and of real etcd if it is on the PATH.
// `npm run bench -- --profile [load]` takes a flame graph instead; `npm run bench -- growth [--full]` shows how cost grows;
// `npm run bench -- NAME…` runs the named benchmarks: startup idle failover snapshot stalls untaken testkit tls gateway users logins.
// The benchmarks "watch" and "lease" run at the same time. All connections are local; see docs/performance.md.

import { measureFailover } from "./failover.js";
import { measureGateway } from "./gateway.js";
import { measureGrowth } from "./growth.js";
import { measureIdle } from "./idle.js";
import { loads, playLoads } from "./loads.js";
import { measureLogins } from "./logins.js";
import { machineText } from "./page.js";
import { profile } from "./profile.js";
import { measureServices, type ServiceLoad } from "./services.js";
import { measureSnapshot } from "./snapshot.js";
import { measureStalls } from "./stalls.js";
import { measureStartup } from "./startup.js";
import { measureTestkit } from "./testkit.js";
import { measureTls } from "./tls.js";
import { measureUntaken } from "./untaken.js";
import { measureUsers } from "./users.js";

const words = process.argv.slice(2);
const isFull = words.includes("--full");
const benches: Readonly<Record<string, () => Promise<void>>> = {
  loads: playLoads,
  growth: () => measureGrowth(isFull),
  startup: measureStartup,
  idle: measureIdle,
  failover: measureFailover,
  snapshot: measureSnapshot,
  stalls: measureStalls,
  untaken: measureUntaken,
  testkit: measureTestkit,
  tls: measureTls,
  gateway: measureGateway,
  users: measureUsers,
  logins: measureLogins,
};
const serviceLoads: readonly ServiceLoad[] = ["watch", "lease"];

const run = async (chosen: readonly string[]): Promise<void> => {
  const names = [...Object.keys(benches), ...serviceLoads];
  const unknown = chosen.find((name) => !names.includes(name));
  if (unknown !== undefined) refuse(`unknown bench "${unknown}": choose of ${names.join(", ")}`);
  for (const name of chosen.length > 0 ? chosen : ["loads"]) {
    const bench = benches[name];
    if (bench === undefined) continue;
    console.log(`== ${name}`);
    await bench();
  }
  const both = serviceLoads.filter((load) => chosen.includes(load));
  if (both.length === 0) return;
  console.log(`== ${both.join(" ")}`);
  await measureServices(new Set(both));
};

const refuse = (text: string): never => {
  console.error(text);
  process.exit(2);
};

console.log(machineText());
if (words[0] === "--profile") {
  const name = words.slice(1).join(" ") || "put";
  if (loads[name] === undefined) refuse(`unknown load "${name}": choose of ${Object.keys(loads).join(", ")}`);
  await profile(name);
} else await run(words.filter((word) => word !== "--full"));
