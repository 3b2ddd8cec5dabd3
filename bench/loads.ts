// `npm run bench`: the loads of docs/performance.md, one after the other, on minietcd and on etcd.

import { Forked } from "./forked.js";
import type { LoadKind, LoadSizes } from "./load/load-kinds.js";
import type { LoadCommand, LoadMessage } from "./load/load-process.js";
import { type Job, type LoadResult, shares } from "./load/load-run.js";
import { table, writePage } from "./page.js";
import { ProbedCluster, type ClusterUse } from "./probed-cluster.js";
import { format, median, medianOf, printTable, ratio } from "./report.js";
import { Scope } from "./scope.js";
import { findServers } from "./servers.js";

const rounds = 3;
const sizes: LoadSizes = { keys: 10_000, valueBytes: 256 };
const common = { sizes, connections: 15, watchers: 0, warmUpMs: 300, measureMs: 1_000 };
const job = (kind: LoadKind, rest: Partial<Job> = {}): Job => ({ ...common, kind, inFlight: 256, ...rest });

/** The loads, by their names in tables. */
export const loads: Readonly<Record<string, Job>> = {
  put: job("put"),
  "put, one client": job("put", { connections: 1, inFlight: 1 }),
  get: job("get"),
  "serializable get": job("serializable get"),
  "range of 100": job("range"),
  "txn (compare, put, get)": job("txn"),
  "90 % get, 10 % put": job("mixed"),
  "keep-alive, a stream each": job("keep-alive"),
  "watch, 320 watchers": job("watch", { connections: 16, inFlight: 16, watchers: 320 }),
};

/** The result of a load, and the use of the cluster meanwhile. */
export interface Sample extends LoadResult, ClusterUse {}

/** A cluster, and the process that runs loads on it. */
export class LoadedCluster implements AsyncDisposable {
  private readonly load: Forked<LoadCommand, LoadMessage>;

  private constructor(readonly cluster: ProbedCluster) {
    this.load = new Forked("./load/load-process.ts", cluster.endpoints);
  }

  /** Starts members and a load; see `ProbedCluster.start`. */
  static async start(...args: Parameters<typeof ProbedCluster.start>): Promise<LoadedCluster> {
    return new LoadedCluster(await ProbedCluster.start(...args));
  }

  async fill(from: number, to: number, valueBytes: number): Promise<void> {
    this.load.send({ kind: "fill", from, to, valueBytes });
    await this.load.next("filled");
  }

  async play(toPlay: Job): Promise<Sample> {
    this.load.send({ kind: "play", job: toPlay });
    const measuring = this.load.next("measuring");
    const measured = this.load.next("result");
    await measuring;
    await this.cluster.begin();
    const { result } = await measured;
    const sample = { ...result, ...(await this.cluster.end()) };
    if (sample.errors > 0) throw new Error(`${toPlay.kind}: ${sample.errors} requests failed`);
    return sample;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.load[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }
}

/** The numbers of one load on one server, for tables and plots. */
export interface Summary {
  readonly perSecond: number;
  /** The latencies at each of `shares`, in milliseconds. */
  readonly quantiles: readonly number[];
  /** The CPU time of all members per request, in microseconds. */
  readonly cpuPerRequest: number | undefined;
  /** Milliseconds; see `LoopUse`. */
  readonly loopDelayP99: number | undefined;
  readonly longestTurn: number | undefined;
}

/** Returns the medians of several samples. */
export const summaryOf = (samples: readonly Sample[]): Summary => ({
  perSecond: median(samples.map(({ count, seconds }) => count / seconds)),
  quantiles: shares.map((_, at) => median(samples.map(({ quantiles }) => quantiles[at] ?? NaN))),
  cpuPerRequest: medianOf(
    samples.map(({ cpuMs, count }) => (cpuMs === undefined ? undefined : (cpuMs * 1_000) / count)),
  ),
  loopDelayP99: medianOf(samples.map(({ loop }) => loop?.delayP99)),
  longestTurn: medianOf(samples.map(({ loop }) => loop?.longestTurn)),
});

/** Returns the latency at one of `shares`, in milliseconds. */
export const quantileAt = ({ quantiles }: Summary, share: (typeof shares)[number]): number =>
  quantiles[shares.indexOf(share)] ?? NaN;

/** Runs all loads on all servers, in rounds, and reports the medians. */
export const playLoads = async (): Promise<void> => {
  console.log(settings);
  await using scope = new Scope();
  const contenders: { readonly loaded: LoadedCluster; readonly samples: Map<string, Sample[]> }[] = [];
  for (const server of findServers()) {
    const loaded = scope.use(await LoadedCluster.start(server, 3));
    await loaded.fill(0, sizes.keys, sizes.valueBytes);
    contenders.push({ loaded, samples: new Map(Object.keys(loads).map((name) => [name, []])) });
  }
  for (let round = 0; round < rounds; round++)
    for (const [name, toPlay] of Object.entries(loads))
      for (const { loaded, samples } of round % 2 === 0 ? contenders : contenders.toReversed())
        samples.get(name)?.push(await loaded.play(toPlay));
  const results = contenders.map(({ loaded, samples }) => ({
    label: loaded.cluster.server.label,
    residentMb: loaded.cluster.residentMb,
    summaries: new Map([...samples].map(([name, taken]) => [name, summaryOf(taken)])),
  }));
  report(results);
};

const settings =
  `Three members, each cluster loaded in turn by a process of its own: a client over node:net (bench/load), 256 requests in\n` +
  `flight over 15 connections; ${sizes.keys} keys, values of ${sizes.valueBytes} bytes; medians of ${rounds} rounds of ${common.measureMs} ms.\n` +
  "Ranges return 100 of 1000 keys. " +
  `Latencies of the row "watch" are those of its puts; its requests are events.\n`;

/** The results of one server. */
interface ServerResult {
  readonly label: string;
  readonly residentMb: number | undefined;
  readonly summaries: ReadonlyMap<string, Summary>;
}

const head = [
  "",
  "",
  "requests/s",
  "p50 ms",
  "p99 ms",
  "p99.9 ms",
  "CPU µs/request",
  "event loop p99 ms",
  "longest turn ms",
];

const cells = (summary: Summary): string[] => [
  format(summary.perSecond),
  ...([0.5, 0.99, 0.999] as const).map((share) => format(quantileAt(summary, share), 2)),
  format(summary.cpuPerRequest),
  format(summary.loopDelayP99, 1),
  format(summary.longestTurn, 1),
];

const report = (results: readonly ServerResult[]): void => {
  const rows: string[][] = [];
  for (const name of Object.keys(loads)) {
    const summaries = results.flatMap(({ summaries }) => summaries.get(name) ?? []);
    for (const [n, summary] of summaries.entries())
      rows.push([n === 0 ? name : "", results[n]?.label ?? "", ...cells(summary)]);
    const [ours, theirs] = summaries;
    if (ours === undefined || theirs === undefined) continue;
    const latencies = ([0.5, 0.99, 0.999] as const).map((share) =>
      ratio(quantileAt(ours, share), quantileAt(theirs, share)),
    );
    const cpu = ratio(ours.cpuPerRequest, theirs.cpuPerRequest);
    rows.push(["", "ratio", ratio(ours.perSecond, theirs.perSecond), ...latencies, cpu, "", ""]);
  }
  printTable(head, rows, 2);
  const memory = results.map(({ label, residentMb }) => [label, format(residentMb)]);
  printTable(["", "largest member, MB"], memory, 1);
  writePage("bench.html", "minietcd under load", [
    { kind: "text", text: settings },
    { kind: "chart", title: "requests (events) a second", logarithmic: true, ...barsOf(results, (s) => s.perSecond) },
    {
      kind: "chart",
      title: "CPU of all members, µs a request",
      logarithmic: true,
      ...barsOf(results, (s) => s.cpuPerRequest),
    },
    ...Object.keys(loads).map((name) => distributionOf(results, name)),
    table(head, rows),
    table(["", "largest member, MB"], memory),
  ]);
};

const barsOf = (results: readonly ServerResult[], value: (summary: Summary) => number | undefined) => ({
  type: "bar" as const,
  labels: Object.keys(loads),
  series: results.map(({ label, summaries }) => ({
    label,
    values: Object.keys(loads).map((name) => {
      const summary = summaries.get(name);
      return summary && value(summary);
    }),
  })),
});

const distributionOf = (results: readonly ServerResult[], name: string) => ({
  kind: "chart" as const,
  title: `${name}: latency in ms at percentiles`,
  type: "line" as const,
  logarithmic: true,
  labels: shares.map((share) => `${Number((share * 100).toFixed(1))} %`),
  series: results.map(({ label, summaries }) => ({ label, values: summaries.get(name)?.quantiles ?? [] })),
});
