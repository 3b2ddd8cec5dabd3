// `npm run bench -- growth`: how the cost of a request grows with members, connections, keys, watchers and the size of values.

import type { LoadKind } from "./load/load-kinds.js";
import type { Job } from "./load/load-run.js";
import { quantileAt, LoadedCluster, type Summary, summaryOf } from "./loads.js";
import { type PagePart, table, writePage } from "./page.js";
import { format, printTable } from "./report.js";
import { findServers, type Server } from "./servers.js";

/** The number of keys, unless it is the number that grows. */
const keys = 1_000;
const valueBytes = 256;
const common = { connections: 15, inFlight: 64, watchers: 0, warmUpMs: 500, measureMs: 700 };
const job = (kind: LoadKind, rest: Partial<Job> = {}): Job => ({
  ...common,
  sizes: { keys, valueBytes },
  kind,
  ...rest,
});

/** One step of a growth. */
interface Step {
  readonly label: string;
  readonly jobs: Readonly<Record<string, Job>>;
}

/** A number that grows, step by step. */
interface Growth {
  readonly title: string;
  readonly steps: readonly Step[];
  readonly membersOf?: (step: Step) => number;
  /** The number of keys before a step. */
  readonly keysOf?: (step: Step) => number;
}

const putAndGet = (rest: Partial<Job>): Step["jobs"] => ({ put: job("put", rest), get: job("get", rest) });
const stepsOf = (numbers: readonly number[], jobsOf: (n: number) => Step["jobs"]): Step[] =>
  numbers.map((n) => ({ label: String(n), jobs: jobsOf(n) }));
const numberOf = ({ label }: Step): number => Number(label);

/** Lists what grows. @param full all steps; otherwise keys and watchers end one step earlier */
const listGrowths = (full: boolean): Growth[] => [
  { title: "members", steps: stepsOf([1, 3, 5], () => putAndGet({})), membersOf: numberOf },
  {
    title: "connections",
    steps: stepsOf([1, 10, 100, 1_000], (connections) =>
      putAndGet({ connections, inFlight: Math.max(common.inFlight, connections) }),
    ),
  },
  {
    title: "keys",
    steps: stepsOf([1_000, 10_000, 100_000, ...(full ? [1_000_000] : [])], (count) => ({
      ...putAndGet({ sizes: { keys: count, valueBytes } }),
      "range of 100": job("range"),
    })),
    keysOf: numberOf,
  },
  {
    title: "watchers",
    steps: stepsOf([1, 10, 100, 1_000, ...(full ? [10_000] : [])], (watchers) => ({
      "events of puts": job("watch", { watchers, inFlight: 16 }),
    })),
  },
  {
    title: "bytes of a value",
    steps: stepsOf([16, 1_024, 16_384, 131_072, 1_048_576], (bytes) =>
      putAndGet({ sizes: { keys: 100, valueBytes: bytes }, inFlight: 16 }),
    ),
  },
];

/** A measured step of one load on one server. */
interface Row {
  readonly load: string;
  readonly label: string;
  readonly server: string;
  readonly summary: Summary;
  readonly residentMb: number | undefined;
}

/** Measures all growths. @param full up to a million keys and 10 000 watchers, which takes some minutes */
export const measureGrowth = async (full: boolean): Promise<void> => {
  console.log(
    `Each step: a load of ${common.measureMs} ms, once. Not measured, where nothing else is said: 3 members, ${common.connections} connections,\n` +
      `${common.inFlight} requests in flight (16 with watchers and with large values), ${keys} keys, values of ${valueBytes} bytes.\n`,
  );
  const parts: PagePart[] = [];
  for (const each of listGrowths(full)) {
    const rows: Row[] = [];
    for (const server of findServers()) await measure(each, server, rows);
    parts.push(...reportOf(each, rows));
  }
  writePage("growth.html", "How the cost of a request grows", parts);
};

/** Measures a growth on a server: on one cluster for all steps, unless the number of members grows. */
const measure = async ({ steps, membersOf, keysOf }: Growth, server: Server, rows: Row[]): Promise<void> => {
  const groups = membersOf === undefined ? [steps] : steps.map((step) => [step]);
  for (const group of groups) {
    await using loaded = await LoadedCluster.start(server, membersOf?.(group[0]!) ?? 3);
    let filled = 0;
    for (const step of group) {
      const until = keysOf?.(step) ?? keys;
      const [first] = Object.values(step.jobs);
      const bytes = first?.sizes.valueBytes ?? valueBytes;
      // The keys must exist before reads; a step with other values writes them again.
      const from = bytes === valueBytes ? filled : 0;
      await loaded.fill(from, bytes === valueBytes ? until : Math.min(until, 100), bytes);
      filled = Math.max(filled, until);
      for (const [load, toPlay] of Object.entries(step.jobs)) {
        const summary = summaryOf([await loaded.play(toPlay)]);
        const { residentMb } = loaded.cluster;
        rows.push({ load, label: step.label, server: server.label, summary, residentMb });
      }
    }
  }
};

const reportOf = ({ title, steps }: Growth, rows: readonly Row[]): PagePart[] => {
  const head = [
    title,
    "",
    "",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "CPU µs/request",
    "event loop p99 ms",
    "longest turn ms",
    "MB",
  ];
  const sorted = [...new Set(rows.map(({ load }) => load))].flatMap((load) =>
    steps.flatMap(({ label }) => rows.filter((row) => row.load === load && row.label === label)),
  );
  const cells = sorted.map(({ load, label, server, summary, residentMb }) => [
    ...[
      label,
      load,
      server,
      format(summary.perSecond),
      format(quantileAt(summary, 0.5), 2),
      format(quantileAt(summary, 0.99), 2),
    ],
    ...[
      format(summary.cpuPerRequest),
      format(summary.loopDelayP99, 1),
      format(summary.longestTurn, 1),
      format(residentMb),
    ],
  ]);
  printTable(head, cells, 3);
  const chart = (name: string, value: (row: Row) => number | undefined): PagePart => ({
    kind: "chart",
    title: `${title}: ${name}`,
    type: "line",
    logarithmic: true,
    labels: steps.map(({ label }) => label),
    series: [...new Set(rows.map(({ load, server }) => `${load}, ${server}`))].map((series) => ({
      label: series,
      values: steps.map(({ label }) => {
        const row = rows.find((each) => `${each.load}, ${each.server}` === series && each.label === label);
        return row && value(row);
      }),
    })),
  });
  return [
    chart("requests (events) a second", ({ summary }) => summary.perSecond),
    chart("CPU of all members, µs a request", ({ summary }) => summary.cpuPerRequest),
    table(head, cells),
  ];
};
