import { keyCount, valueBytes, type Job } from "./load.js";
import { LoadProcess, type LoadResult } from "./load-process.js";
import { totalCpuMs } from "./process-usage.js";
import { format, median, medianOf, printTable, ratio } from "./report.js";
import { Scope } from "./scope.js";
import { availableServers, createMembers, pidsOf, type Server } from "./servers.js";

const rounds = 3;
const times = { warmUpMs: 150, measureMs: 1_000 };
const jobs: readonly Job[] = [
  { operation: "put", inFlight: 64, ...times },
  { operation: "get", inFlight: 64, ...times },
  { operation: "serializable get", inFlight: 64, ...times },
  { operation: "put", inFlight: 1, ...times },
  { operation: "get", inFlight: 1, ...times },
];

interface Sample extends LoadResult {
  /** CPU time of all members together. */
  readonly cpuMs: number | undefined;
}

interface Contender {
  readonly server: Server;
  readonly pids: readonly number[];
  readonly load: LoadProcess;
  /** Samples of each job, in the order of `jobs`. */
  readonly samples: Sample[][];
}

/** Requests a second, latency and CPU time a request. Both servers run at the same time and are loaded in turn. */
export const throughput = async (): Promise<void> => {
  console.log(
    `Three members; keys: ${keyCount}; values: ${valueBytes} bytes; medians of ${rounds} rounds of ${times.measureMs} ms, in turn.\n`,
  );
  await using scope = new Scope();
  const contenders: Contender[] = [];
  for (const server of availableServers()) {
    const cluster = scope.use(await createMembers(server.kind));
    await cluster.start();
    const load = scope.use(await LoadProcess.start(cluster.endpoints));
    contenders.push({ server, pids: pidsOf(cluster), load, samples: jobs.map(() => []) });
  }
  for (let round = 0; round < rounds; round++)
    for (const [position, job] of jobs.entries())
      for (const contender of inTurn(contenders, round))
        contender.samples[position]?.push(await measure(contender, job));
  report(contenders);
};

/** Rotates the order, so that no item is always the first. */
const inTurn = <T>(items: readonly T[], round: number): readonly T[] =>
  round % 2 === 0 ? items : [...items].reverse();

const measure = async ({ pids, load }: Contender, job: Job): Promise<Sample> => {
  let before: number | undefined;
  const result = await load.play(job, () => (before = totalCpuMs(pids)));
  const after = totalCpuMs(pids);
  return { ...result, cpuMs: before === undefined || after === undefined ? undefined : after - before };
};

const summaryOf = (samples: readonly Sample[]) => ({
  rate: median(samples.map(({ requests, seconds }) => requests / seconds)),
  p50: median(samples.map(({ p50 }) => p50)),
  p99: median(samples.map(({ p99 }) => p99)),
  cpu: medianOf(samples.map(({ cpuMs, requests }) => (cpuMs === undefined ? undefined : (cpuMs * 1_000) / requests))),
});

const report = (contenders: readonly Contender[]): void => {
  const rows: string[][] = [];
  for (const [position, { operation, inFlight }] of jobs.entries()) {
    const summaries = contenders.map(({ samples }) => summaryOf(samples[position] ?? []));
    for (const [n, { rate, p50, p99, cpu }] of summaries.entries()) {
      const name = n === 0 ? `${operation}, ${inFlight} in flight` : "";
      rows.push([name, contenders[n]?.server.label ?? "", format(rate), format(p50, 2), format(p99, 2), format(cpu)]);
    }
    const [ours, theirs] = summaries;
    if (ours === undefined || theirs === undefined) continue;
    const ratios = [ratio(ours.rate, theirs.rate), ratio(ours.p50, theirs.p50), ratio(ours.p99, theirs.p99)];
    rows.push(["", "ratio", ...ratios, ratio(ours.cpu, theirs.cpu)]);
  }
  printTable(["", "", "requests/s", "p50 ms", "p99 ms", "CPU µs/request"], rows, 2);
};
