import type { Clock } from "../../platform/index.js";

/** The minimum time between two reports, in milliseconds. */
const reportEveryMs = 10_000;

/**
 * Counts refusals of one kind, with few log lines: the first one is reported at once, later ones together, with the first
 * refusal that comes ten seconds after the last report.
 */
export const refusalCounter = (clock: Clock, report: (count: number) => void): (() => void) => {
  let count = 0;
  let reportedAt = -Infinity;
  return () => {
    count += 1;
    const now = clock.now();
    if (now - reportedAt < reportEveryMs) return;
    report(count);
    count = 0;
    reportedAt = now;
  };
};
