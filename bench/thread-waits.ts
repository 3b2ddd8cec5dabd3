// Records how a process's main thread spends its time: CPU, waiting for a core, garbage collections. Linux only.

import { openSync, readSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";

const nanosecondsPerMs = 1e6;
const intervalMs = 1;
/** The samples that are kept of a measurement: 20 s of them. */
const maxSamples = 20_000;

/** A span of time, in milliseconds since 1970. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The main thread's use of a core so far, in milliseconds. */
interface Sample {
  readonly at: number;
  readonly cpu: number;
  /** The time in which it could run and had no core. */
  readonly waited: number;
}

/** The samples of a measurement, and its garbage collections. */
export interface ThreadRecord {
  readonly samples: readonly Sample[];
  readonly collections: readonly Span[];
}

/** The parts of a span, in milliseconds. */
export interface ThreadUse {
  readonly cpu: number;
  readonly waited: number;
  /** The time of garbage collections: the main thread computes or waits in it. */
  readonly collected: number;
}

/** Returns the time in milliseconds since 1970, in fractions; the same clock in all processes of the machine. */
export const wallMs = (): number => performance.timeOrigin + performance.now();

/** Records every millisecond how long the main thread of this process has run, and has waited for a core. */
export class ThreadRecorder {
  private samples: Sample[] = [];
  private collections: Span[] = [];
  private readonly descriptor = openSync(`/proc/${process.pid}/task/${process.pid}/schedstat`, "r");
  private readonly text = Buffer.alloc(64);

  constructor() {
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) {
        const from = performance.timeOrigin + startTime;
        this.collections.push({ from, to: from + duration });
      }
    }).observe({ entryTypes: ["gc"] });
    setInterval(() => this.sample(), intervalMs).unref();
  }

  reset(): void {
    this.samples = [];
    this.collections = [];
  }

  report(): ThreadRecord {
    this.sample();
    return { samples: this.samples, collections: this.collections };
  }

  private sample(): void {
    if (this.samples.length === maxSamples) return;
    const length = readSync(this.descriptor, this.text, 0, this.text.length, 0);
    const [cpu = 0, waited = 0] = this.text.toString("latin1", 0, length).split(" ").map(Number);
    this.samples.push({ at: wallMs(), cpu: cpu / nanosecondsPerMs, waited: waited / nanosecondsPerMs });
  }
}

const overlap = (one: Span, other: Span): number =>
  Math.max(0, Math.min(one.to, other.to) - Math.max(one.from, other.from));

/** Returns what a main thread did between the last sample before a span and the first one after it. */
export const threadUseIn = ({ samples, collections }: ThreadRecord, span: Span): ThreadUse => {
  const before = samples.findLast(({ at }) => at <= span.from) ?? samples[0];
  const after = samples.find(({ at }) => at >= span.to) ?? samples.at(-1);
  if (before === undefined || after === undefined) return { cpu: 0, waited: 0, collected: 0 };
  return {
    cpu: after.cpu - before.cpu,
    waited: after.waited - before.waited,
    collected: collections.reduce((sum, collection) => sum + overlap(collection, span), 0),
  };
};
