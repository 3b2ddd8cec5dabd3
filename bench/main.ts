// `npm run bench`: what a three-member cluster on this machine does, beside real etcd if it is on the PATH.
// `npm run bench -- startup idle` measures those instead. Loopback only; see docs/performance.md.

import { cpus, platform, release } from "node:os";
import { idle } from "./idle.js";
import { startup } from "./startup.js";
import { throughput } from "./throughput.js";

const benches: Readonly<Record<string, () => Promise<void>>> = { throughput, startup, idle };

const chosen = process.argv.slice(2);
const unknown = chosen.find((name) => !(name in benches));
if (unknown !== undefined) {
  console.error(`unknown bench "${unknown}": choose of ${Object.keys(benches).join(", ")}`);
  process.exit(2);
}

const [processor] = cpus();
console.log(`${processor?.model.trim() ?? "unknown processor"}, ${cpus().length} cores`);
console.log(`${platform()} ${release()}, Node ${process.version}\n`);
for (const name of chosen.length > 0 ? chosen : ["throughput"]) {
  console.log(`== ${name}`);
  await benches[name]?.();
}
