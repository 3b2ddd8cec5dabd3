// Runs a member in a process of its own, which reports the delays of its event loop and its memory.

import { createHistogram, monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import { readResident, type Resident } from "./process-usage.js";
import { threadCpuMs } from "./thread-cpu.js";
import { ThreadRecorder, type ThreadRecord } from "./thread-waits.js";
import { growSmallHeap } from "../cli/server/heap-growth.js";
import { limitInlining } from "../cli/server/inlining.js";
import { limitYoungGeneration } from "../cli/server/young-generation.js";
import { configFromFlags, createLogger, defaultFlags, Member, systemClock, type ServerFlags } from "../server/index.js";

/** A command of the benchmark. */
export type MemberCommand =
  /** Begins a measurement. */
  { readonly kind: "begin" } | { readonly kind: "report" };

/** The results of a measurement. */
export interface MemberReport {
  readonly kind: "report";
  /** The lateness of a timer of 1 ms, in milliseconds. */
  readonly delayP50: number;
  readonly delayP99: number;
  readonly delayMax: number;
  /** The CPU time of the main thread between two timers of 1 ms, in milliseconds: the part of the delay that the member causes itself. */
  readonly turnP99: number;
  /** The longest CPU times of turns, in milliseconds, longest first. */
  readonly longestTurns: readonly number[];
  /** The number of turns of more than `longTurnMs`. */
  readonly longTurns: number;
  /** The longest pause of the garbage collector, in milliseconds. */
  readonly longestCollection: number;
  /** The resident memory in MB at the beginning of the measurement, and the most since. */
  readonly before: Resident;
  readonly most: Resident;
  readonly term: number;
  readonly leads: boolean;
  /** The record of the main thread; undefined without /proc. */
  readonly thread: ThreadRecord | undefined;
}

/** A message to the benchmark. */
export type MemberMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "log"; readonly line: Readonly<Record<string, unknown>> }
  | MemberReport;

/** The CPU time beyond which a turn of the event loop counts as long. */
export const longTurnMs = 10;
const keptTurns = 3;

const resolutionMs = 1;
const sampleMs = 50;
const nanosecondsPerMs = 1e6;
const microsecondsPerMs = 1e3;

const maxIfKnown = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? undefined : Math.max(one, other);

const tell = (message: MemberMessage): void => void process.send?.(message);

/** Measures the CPU time of the turns of the event loop. */
class Turns {
  private readonly all = createHistogram();
  private longest: number[] = [];
  private long = 0;
  private used = threadCpuMs();

  constructor() {
    setInterval(() => this.recordTurn(), resolutionMs);
  }

  reset(): void {
    this.all.reset();
    this.longest = [];
    this.long = 0;
    this.used = threadCpuMs();
  }

  report(): Pick<MemberReport, "turnP99" | "longestTurns" | "longTurns"> {
    return {
      turnP99: this.all.percentile(99) / microsecondsPerMs,
      longestTurns: this.longest,
      longTurns: this.long,
    };
  }

  private recordTurn(): void {
    const now = threadCpuMs();
    const took = now - this.used;
    this.used = now;
    this.all.record(Math.max(1, Math.round(took * microsecondsPerMs)));
    if (took > longTurnMs) this.long += 1;
    if (took > (this.longest[keptTurns - 1] ?? 0))
      this.longest = [...this.longest, took].sort((a, b) => b - a).slice(0, keptTurns);
  }
}

/** Runs a member, with the V8 settings of the program `minietcd`. */
const run = async (flags: Partial<ServerFlags>): Promise<void> => {
  limitInlining();
  limitYoungGeneration();
  growSmallHeap();
  const logger = createLogger({
    level: "info",
    write: (text) => tell({ kind: "log", line: JSON.parse(text) as Record<string, unknown> }),
    timestamp: () => new Date().toISOString(),
  });
  const config = configFromFlags({ ...defaultFlags, ...flags });
  const member = await Member.start(config, { clock: systemClock, random: Math.random, logger });
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const turns = new Turns();
  const recorder = process.platform === "linux" ? new ThreadRecorder() : undefined;
  let longestCollection = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longestCollection = Math.max(longestCollection, duration);
  }).observe({ entryTypes: ["gc"] });
  let before = readResident(process.pid);
  let most = before;
  const sample = (): void => {
    const { own, mapped } = readResident(process.pid);
    most = { own: maxIfKnown(most.own, own), mapped: maxIfKnown(most.mapped, mapped) };
  };
  setInterval(sample, sampleMs);
  process.on("message", ({ kind }: MemberCommand) => {
    if (kind === "begin") {
      delay.reset();
      turns.reset();
      recorder?.reset();
      longestCollection = 0;
      before = most = readResident(process.pid);
      return;
    }
    sample();
    const { term, role } = member.status();
    const delayAt = (percent: number): number => delay.percentile(percent) / nanosecondsPerMs - resolutionMs;
    tell({
      ...{ kind: "report", delayP50: delayAt(50), delayP99: delayAt(99) },
      delayMax: delay.max / nanosecondsPerMs - resolutionMs,
      ...turns.report(),
      ...{ longestCollection, before, most, term, leads: role === "leader", thread: recorder?.report() },
    });
  });
  await member.whenReady;
  tell({ kind: "ready" });
};

/** Runs only in the process that the benchmark forks. */
if (process.send !== undefined && process.argv[1]?.endsWith("measured-member.ts")) {
  process.once("disconnect", () => process.exit());
  await run(JSON.parse(process.argv[2] ?? "{}") as Partial<ServerFlags>);
}
