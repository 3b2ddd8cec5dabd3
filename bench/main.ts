// `npm run bench`: what a three-member cluster on this machine does, beside real etcd if it is on the PATH.
// `npm run bench -- startup idle failover snapshot stalls untaken` measures those instead. Of "watch" and "lease" both are measured at the same time.
// Loopback only; see docs/performance.md.

import { cpus, platform, release } from "node:os";
import { failover } from "./failover.js";
import { idle } from "./idle.js";
import { services, type ServiceLoad } from "./services.js";
import { snapshot } from "./snapshot.js";
import { stalls } from "./stalls.js";
import { startup } from "./startup.js";
import { throughput } from "./throughput.js";
import { untaken } from "./untaken.js";

const benches: Readonly<Record<string, () => Promise<void>>> = {
  throughput,
  startup,
  idle,
  failover,
  snapshot,
  stalls,
  untaken,
};
const serviceLoads: readonly ServiceLoad[] = ["watch", "lease"];

const chosen = process.argv.slice(2);
const names = [...Object.keys(benches), ...serviceLoads];
const unknown = chosen.find((name) => !names.includes(name));
if (unknown !== undefined) {
  console.error(`unknown bench "${unknown}": choose of ${names.join(", ")}`);
  process.exit(2);
}

const [processor] = cpus();
console.log(`${processor?.model.trim() ?? "unknown processor"}, ${cpus().length} cores`);
console.log(`${platform()} ${release()}, Node ${process.version}\n`);
for (const name of chosen.length > 0 ? chosen : ["throughput"]) {
  const bench = benches[name];
  if (bench === undefined) continue;
  console.log(`== ${name}`);
  await bench();
}
const loads = serviceLoads.filter((load) => chosen.includes(load));
if (loads.length > 0) {
  console.log(`== ${loads.join(" ")}`);
  await services(new Set(loads));
}
