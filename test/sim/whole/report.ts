import type { Result } from "./simulation.js";

/** The part of a result that is shown to a person or sent to another process. */
export interface Report {
  readonly seed: number;
  /** Undefined: every promise was kept. */
  readonly failure: string | undefined;
  readonly digest: string;
  /** The last events before the failure. */
  readonly eventLog: readonly string[];
  readonly counts: Result["counts"];
  readonly faults: Readonly<Record<string, number>>;
  readonly entries: number;
  readonly steps: number;
  readonly virtualMs: number;
  /** Time to recover, in election timeouts. */
  readonly recovery: number;
}

export interface StoryWish {
  readonly lines: number;
  readonly details: boolean;
}

export const reportOf = (result: Result, wish: StoryWish): Report => {
  const { seed, failure, digest, counts, faults, entries, steps, virtualMs, recovery } = result;
  const numbers = { seed, digest, counts, faults, entries, steps, virtualMs, recovery };
  if (failure === undefined) return { ...numbers, failure: undefined, eventLog: [] };
  return {
    ...numbers,
    failure: textOf(failure),
    eventLog: result.eventLog.last(wish.lines, { details: wish.details }),
  };
};

/** Returns an error's stack, with its causes. */
const textOf = (error: Error): string => {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by ${textOf(error.cause)}` : own;
};

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
};

/**
 * Describes a failed seed.
 * @param flags the arguments that make it fail
 */
export const describeFailure = ({ seed, failure, eventLog }: Report, flags = ""): string =>
  [
    `SEED=${seed} failed: ${failure ?? ""}`,
    "what led to it:",
    ...eventLog.map((line) => `  ${line}`),
    `replay: SEED=${seed} npm run sim${flags === "" ? "" : ` --${flags}`}`,
  ].join("\n");

/** Returns a summary of all reports. */
export const describeSummary = (reports: readonly Report[]): string => {
  const sum = (of: (report: Report) => number): number => reports.reduce((total, report) => total + of(report), 0);
  const failed = reports.filter(({ failure }) => failure !== undefined).map(({ seed }) => seed);
  const recoveries = reports.map(({ recovery }) => recovery).filter(Number.isFinite);
  const totals = (records: readonly Readonly<Record<string, number>>[]): string => {
    const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
    return names
      .map((name) => `${name} ${records.reduce((total, record) => total + (record[name] ?? 0), 0)}`)
      .join(", ");
  };
  return [
    `${reports.length} ${reports.length === 1 ? "seed" : "seeds"}, ${failed.length === 0 ? "all as promised" : `failed: ${failed.join(" ")}`}`,
    `${(sum(({ virtualMs }) => virtualMs) / 1_000).toFixed(0)} s of virtual time, ${sum(({ entries }) => entries)} log entries, ${sum(({ steps }) => steps)} steps`,
    `clients: ${totals(reports.map(({ counts }) => ({ ...counts })))}`,
    `faults: ${totals(reports.map(({ faults }) => faults))}`,
    ...(recoveries.length === 0 ? [] : [recoveryText(recoveries)]),
  ].join("\n");
};

const recoveryText = (recoveries: readonly number[]): string =>
  `a write succeeds after the last fault: median ${median(recoveries).toFixed(2)}, at most ${Math.max(...recoveries).toFixed(2)} election timeouts`;
