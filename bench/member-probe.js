// Loaded into members by the benchmarks (`--import`): measures the event loop, and takes a CPU profile on request.
//
// SIGUSR2 writes a line "event-loop {…}" to standard output and begins the next measurement. If BENCH_PROFILE names a folder, the first
// signal begins a profile and the second one writes it.

import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { threadCpuMs } from "./thread-cpu.js";

const resolution = 5;
const nanosecondsPerMs = 1e6;
const { BENCH_PROFILE: folder } = process.env;

const delay = monitorEventLoopDelay({ resolution });
delay.enable();
let session;

/** The most CPU time of the thread between two timers of 1 ms: the longest turn, to about a millisecond. */
let longestTurn = 0;
let used = threadCpuMs();
setInterval(() => {
  const now = threadCpuMs();
  longestTurn = Math.max(longestTurn, now - used);
  used = now;
}, 1).unref();

process.on("SIGUSR2", () => {
  const toLatenessMs = (nanoseconds) => Math.max(0, nanoseconds / nanosecondsPerMs - resolution); // the histogram includes the timer's own interval
  process.stdout.write(`event-loop ${JSON.stringify({ delayP99: toLatenessMs(delay.percentile(99)), longestTurn })}\n`);
  delay.reset();
  longestTurn = 0;
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
