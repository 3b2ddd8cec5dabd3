// Loaded into members by the bench (`--import`): tells the delay of the event loop, and takes a CPU profile if it is asked to.
//
// On SIGUSR2 a line "event-loop-delay {…}" goes to standard output, and measuring begins anew. With BENCH_PROFILE, a folder, a profile
// is begun at the first of these signals and written at the second.

import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";

const resolution = 5;
const nanosecondsPerMs = 1e6;
const { BENCH_PROFILE: folder } = process.env;

const delay = monitorEventLoopDelay({ resolution });
delay.enable();
let session;

process.on("SIGUSR2", () => {
  const late = (nanoseconds) => Math.max(0, nanoseconds / nanosecondsPerMs - resolution); // the timer's own time is in it
  const line = JSON.stringify({ p99: late(delay.percentile(99)), max: late(delay.max) });
  process.stdout.write(`event-loop-delay ${line}\n`);
  delay.reset();
  if (folder === undefined) return;
  if (session === undefined) startProfile();
  else writeProfile();
});

function startProfile() {
  session = new Session();
  session.connect();
  session.post("Profiler.enable");
  session.post("Profiler.setSamplingInterval", { interval: 250 });
  session.post("Profiler.start");
}

function writeProfile() {
  session.post("Profiler.stop", (error, result) => {
    if (error === null) writeFileSync(join(folder, `${process.pid}.cpuprofile`), JSON.stringify(result.profile));
  });
}
