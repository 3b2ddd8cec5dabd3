// Measures the latencies of puts during large requests: 32 000 keys under one lease are read, revoked and compacted; for minietcd also
// the CPU time of the longest turns of each member's event loop.

import { Client } from "../client/index.js";
import { Forked } from "./forked.js";
import { MeasuredCluster } from "./measured-cluster.js";
import { longTurnMs, type MemberReport } from "./measured-member.js";
import { format, median, printTable } from "./report.js";
import { Scope } from "./scope.js";
import { findServers, createMembers, findOtherEtcds, type Server } from "./servers.js";
import type { WriterCommand, WriterMessage, WriterReport } from "./stall-writers.js";

const keyCount = Number(process.env["STALLS_KEYS"] ?? 32_000);
const valueBytes = 300;
const rounds = Number(process.env["STALLS_ROUNDS"] ?? 3);
const keysPerTxn = 100;
const reads = 3;
const prefix = "stalls/";
/** The pause between two phases. */
const restMs = 500;
const timeoutMs = 60_000;

const everything = { prefix: true } as const;

/** The parameters of one round. */
interface Round {
  readonly lease: bigint;
  readonly clients: readonly Client[];
  readonly endpoints: readonly string[];
}

interface Phase {
  readonly name: string;
  readonly run: (round: Round) => Promise<unknown>;
}

const fill = async ({ lease, clients }: Round): Promise<void> => {
  for (let first = 0; first < keyCount; first += keysPerTxn)
    await clients[0]!.kv.txn({
      success: Array.from({ length: Math.min(keysPerTxn, keyCount - first) }, (_, n) => ({
        op: "put" as const,
        key: `${prefix}${String(first + n).padStart(8, "0")}`,
        value: "v".repeat(valueBytes),
        lease,
      })),
    });
};

/** Runs `run` several times, each time at another member. */
const onEach = async ({ clients }: Round, run: (client: Client, member: number) => Promise<unknown>): Promise<void> => {
  for (let n = 0; n < reads; n++) await run(clients[n % clients.length]!, n % clients.length);
};

const compactAll = async ({ clients }: Round): Promise<void> => {
  const { header } = await clients[0]!.kv.get("none");
  await clients[0]!.kv.compact(header.revision, { physical: true, timeoutMs });
};

const getAll = (client: Client): Promise<unknown> => client.kv.get(prefix, { ...everything, timeoutMs });

/** The phases of a round, the same for every server. */
const phases: readonly Phase[] = [
  { name: "nothing else", run: () => new Promise((resolve) => setTimeout(resolve, 2_000)) },
  { name: "put in transactions", run: fill },
  { name: "read three times", run: (round) => onEach(round, getAll) },
  { name: "read by three at once", run: ({ clients }) => Promise.all(clients.map(getAll)) },
  {
    name: "read in a transaction",
    run: (round) =>
      onEach(round, (client) => client.kv.txn({ success: [{ op: "get", key: prefix, ...everything }] }, { timeoutMs })),
  },
  {
    name: "keys of the lease",
    run: (round) => onEach(round, (client) => client.lease.timeToLive(round.lease, { keys: true, timeoutMs })),
  },
  {
    name: "hash",
    run: (round) =>
      onEach(round, (client, member) => client.maintenance.hashKv(round.endpoints[member]!, 0, { timeoutMs })),
  },
  { name: "lease revoked", run: ({ clients, lease }) => clients[0]!.lease.revoke(lease, { timeoutMs }) },
  { name: "compacted", run: compactAll },
];

interface Measured {
  readonly writers: WriterReport;
  /** The reports of the members of minietcd; undefined for etcd. */
  readonly members: readonly MemberReport[] | undefined;
}

/** A cluster and its writers. */
interface Contender {
  readonly server: Server;
  readonly cluster: MeasuredCluster | undefined;
  readonly endpoints: readonly string[];
  readonly writers: Forked<WriterCommand, WriterMessage>;
}

const start = async (server: Server, scope: Scope): Promise<Contender> => {
  if (server.kind === "minietcd") {
    const cluster = scope.use(await MeasuredCluster.create());
    await cluster.launch();
    return { server, cluster, endpoints: cluster.endpoints, writers: await startWriters(cluster.endpoints, scope) };
  }
  const cluster = scope.use(await createMembers(server));
  await cluster.start();
  const { endpoints } = cluster;
  return { server, cluster: undefined, endpoints, writers: await startWriters(endpoints, scope) };
};

const startWriters = async (
  endpoints: readonly string[],
  scope: Scope,
): Promise<Forked<WriterCommand, WriterMessage>> => {
  const writers = scope.use(new Forked<WriterCommand, WriterMessage>("./stall-writers.ts", endpoints));
  await writers.next("ready");
  return writers;
};

const measure = async ({ cluster, writers }: Contender, phase: Phase, round: Round): Promise<Measured> => {
  await new Promise((resolve) => setTimeout(resolve, restMs));
  cluster?.begin();
  writers.send({ kind: "begin" });
  await phase.run(round);
  const reported = writers.next("report");
  writers.send({ kind: "report" });
  return { writers: await reported, members: await cluster?.collectReports() };
};

/** Runs all rounds on a server. @returns the results by phase, then by round */
const play = async (server: Server): Promise<Measured[][]> => {
  await using scope = new Scope();
  const contender = await start(server, scope);
  const clients = contender.endpoints.map((endpoint) => scope.use(new Client({ endpoints: [endpoint] })));
  const measured: Measured[][] = phases.map(() => []);
  for (let n = 0; n < rounds; n++) {
    const { id: lease } = await clients[0]!.lease.grant({ ttlSeconds: 3_600 });
    const round = { lease, clients, endpoints: contender.endpoints };
    for (const [position, phase] of phases.entries()) measured[position]!.push(await measure(contender, phase, round));
  }
  return measured;
};

const longestWait = ({ writers }: Measured): number => Math.max(...writers.longest);

const waitsRow = (name: string, label: string, measured: readonly Measured[]): string[] => {
  const longest = measured.map(longestWait);
  return [
    name,
    label,
    format(measured.reduce((sum, { writers }) => sum + writers.puts, 0)),
    format(median(measured.map(({ writers }) => writers.p50)), 1),
    format(median(measured.map(({ writers }) => writers.p99)), 1),
    format(median(longest)),
    longest.map((wait) => format(wait)).join(" / "),
  ];
};

const turnsRow = (name: string, measured: readonly Measured[]): string[] => {
  const byMember = measured.map(({ members = [] }) => members);
  const maxByMember = (valueOf: (report: MemberReport) => number): string =>
    [0, 1, 2].map((n) => format(Math.max(...byMember.map((members) => valueOf(members[n]!))), 1)).join(" / ");
  const sumByMember = (valueOf: (report: MemberReport) => number): string =>
    [0, 1, 2].map((n) => format(byMember.reduce((sum, members) => sum + valueOf(members[n]!), 0))).join(" / ");
  const terms = byMember.flat().map(({ term }) => term);
  return [
    name,
    maxByMember(({ longestTurns }) => longestTurns[0] ?? 0),
    maxByMember(({ turnP99 }) => turnP99),
    sumByMember(({ longTurns }) => longTurns),
    maxByMember(({ longestCollection }) => longestCollection),
    format(Math.max(...terms) - Math.min(...terms)),
  ];
};

/** Measures the stalls of all servers. */
export const measureStalls = async (): Promise<void> => {
  console.log(
    `Three members, one writer on each; ${keyCount} keys of ${valueBytes} bytes under one lease; ${rounds} rounds.\n`,
  );
  const results: { readonly server: Server; readonly measured: Measured[][] }[] = [];
  for (const server of [...findServers(), ...findOtherEtcds()]) results.push({ server, measured: await play(server) });
  printTable(
    ["puts meanwhile", "", "puts", "p50 ms", "p99 ms", "longest ms", "longest of each round"],
    phases.flatMap(({ name }, position) =>
      results.map(({ server, measured }, n) => waitsRow(n === 0 ? name : "", server.label, measured[position]!)),
    ),
    2,
  );
  const [ours] = results;
  if (ours === undefined) return;
  console.log(`CPU of the event loop's turns of minietcd, in ms, by member, over all rounds:`);
  printTable(
    ["", "longest turn", "p99", `above ${longTurnMs} ms`, "longest collection, wall", "elections"],
    phases.map(({ name }, position) => turnsRow(name, ours.measured[position]!)),
    1,
  );
};
