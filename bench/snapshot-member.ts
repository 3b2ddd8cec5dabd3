// One member in a process of its own, which tells how long its event loop was held up and how much memory it took.

import { createHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { resident, type Resident } from "./process-usage.js";
import { configFromFlags, createLogger, defaultFlags, Member, systemClock, type ServerFlags } from "../server/index.js";

export type MemberCommand =
  /** Forgets what was measured before. */
  { readonly kind: "begin" } | { readonly kind: "report" };

export interface MemberReport {
  readonly kind: "report";
  /** Milliseconds by which a timer of 1 ms came late. */
  readonly delayP50: number;
  readonly delayP99: number;
  readonly delayMax: number;
  /** Milliseconds of CPU that the process took from one such timer to the next: what of the delay is its own doing. */
  readonly ownP99: number;
  readonly ownMax: number;
  /** Resident memory in MB, when the measuring began and the most since. */
  readonly before: Resident;
  readonly most: Resident;
  readonly term: number;
  readonly leads: boolean;
}

export type MemberMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "log"; readonly line: Readonly<Record<string, unknown>> }
  | MemberReport;

const resolutionMs = 1;
const sampleMs = 50;
const nanosecondsPerMs = 1e6;
const microsecondsPerMs = 1e3;

const larger = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? undefined : Math.max(one, other);

const tell = (message: MemberMessage): void => void process.send?.(message);

const run = async (flags: Partial<ServerFlags>): Promise<void> => {
  const logger = createLogger({
    level: "info",
    write: (text) => tell({ kind: "log", line: JSON.parse(text) as Record<string, unknown> }),
    timestamp: () => new Date().toISOString(),
  });
  const config = configFromFlags({ ...defaultFlags, ...flags });
  const member = await Member.start(config, { clock: systemClock, random: Math.random, logger });
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const own = createHistogram();
  let used = process.cpuUsage();
  setInterval(() => {
    const now = process.cpuUsage();
    own.record(Math.max(1, now.user + now.system - used.user - used.system));
    used = now;
  }, resolutionMs);
  let before = resident(process.pid);
  let most = before;
  const sample = (): void => {
    const { own, mapped } = resident(process.pid);
    most = { own: larger(most.own, own), mapped: larger(most.mapped, mapped) };
  };
  setInterval(sample, sampleMs);
  process.on("message", ({ kind }: MemberCommand) => {
    if (kind === "begin") {
      delay.reset();
      own.reset();
      before = most = resident(process.pid);
      return;
    }
    sample();
    const { term, role } = member.status();
    const late = (percent: number): number => delay.percentile(percent) / nanosecondsPerMs - resolutionMs;
    tell({
      ...{
        kind: "report",
        delayP50: late(50),
        delayP99: late(99),
        delayMax: delay.max / nanosecondsPerMs - resolutionMs,
      },
      ...{ ownP99: own.percentile(99) / microsecondsPerMs, ownMax: own.max / microsecondsPerMs },
      ...{ before, most, term, leads: role === "leader" },
    });
  });
  await member.ready;
  tell({ kind: "ready" });
};

/** Only as the process that the bench forks. */
if (process.send !== undefined && process.argv[1]?.endsWith("snapshot-member.ts")) {
  process.once("disconnect", () => process.exit());
  await run(JSON.parse(process.argv[2] ?? "{}") as Partial<ServerFlags>);
}
