// Measures the latencies of puts during large requests: 32 000 keys under one lease are read, revoked and compacted. A second run of
// minietcd has members that measure themselves: the CPU time of the longest turns of their event loops, and how long their main threads
// waited for a core during the longest put.

import { Client } from "../client/index.js";
import { Forked } from "./forked.js";
import { MeasuredCluster } from "./measured-cluster.js";
import { longTurnMs, type MemberReport } from "./measured-member.js";
import { whenIdle } from "./process-usage.js";
import { format, median, printTable } from "./report.js";
import { Scope } from "./scope.js";
import { createMembers, findOtherEtcds, findServers, pidsOf, type Server } from "./servers.js";
import { keyCount, phases, valueBytes, type RequestCommand, type RequestMessage } from "./stall-requests.js";
import type { WriterCommand, WriterMessage, WriterReport } from "./stall-writers.js";
import { threadUseIn, type Span, type ThreadUse } from "./thread-waits.js";

const rounds = Number(process.env["STALLS_ROUNDS"] ?? 3);
/** The pause between two phases. */
const restMs = 500;

interface Measured {
  readonly writers: WriterReport;
  /** The reports of members that measure themselves; otherwise undefined. */
  readonly members: readonly MemberReport[] | undefined;
  /** The elections since the start. */
  readonly term: number;
}

/** The processes that make requests to a cluster. */
interface Load {
  readonly requests: Forked<RequestCommand, RequestMessage>;
  readonly writers: Forked<WriterCommand, WriterMessage>;
  readonly client: Client;
  readonly endpoints: readonly string[];
}

const startLoad = async (endpoints: readonly string[], scope: Scope): Promise<Load> => {
  const client = scope.use(new Client({ endpoints }));
  const requests = scope.use(new Forked<RequestCommand, RequestMessage>("./stall-requests.ts", endpoints));
  await requests.next("ready");
  const writers = scope.use(new Forked<WriterCommand, WriterMessage>("./stall-writers.ts", endpoints));
  await writers.next("ready");
  return { requests, writers, client, endpoints };
};

const measure = async (load: Load, phase: number, cluster?: MeasuredCluster): Promise<Measured> => {
  const { requests, writers, client, endpoints } = load;
  await new Promise((resolve) => setTimeout(resolve, restMs));
  cluster?.begin();
  writers.send({ kind: "begin" });
  const done = requests.next("done");
  requests.send({ kind: "run", phase });
  await done;
  const reported = writers.next("report");
  writers.send({ kind: "report" });
  const report = await reported;
  const members = await cluster?.collectReports();
  const { raftTerm } = await client.maintenance.status(endpoints[0]!);
  return { writers: report, members, term: raftTerm };
};

/** Runs all rounds on a cluster. @returns the results by phase, then by round */
const play = async (load: Load, cluster?: MeasuredCluster): Promise<Measured[][]> => {
  const measured: Measured[][] = phases.map(() => []);
  for (let n = 0; n < rounds; n++)
    for (const phase of phases.keys()) measured[phase]!.push(await measure(load, phase, cluster));
  return measured;
};

/** Measures a server as its users run it. */
const measureServer = async (server: Server): Promise<Measured[][]> => {
  await using scope = new Scope();
  const cluster = scope.use(await createMembers(server));
  await cluster.start();
  await whenIdle(pidsOf(cluster));
  return await play(await startLoad(cluster.endpoints, scope));
};

/** Measures members of minietcd that measure themselves, which takes a tenth of a core. */
const measureTurns = async (): Promise<Measured[][]> => {
  await using scope = new Scope();
  const cluster = scope.use(await MeasuredCluster.create());
  await cluster.launch();
  await whenIdle(cluster.pids);
  return await play(await startLoad(cluster.endpoints, scope), cluster);
};

const longestMs = ({ writers: { longest } }: Measured): number => longest.to - longest.from;

const waitsRow = (name: string, label: string, measured: readonly Measured[]): string[] => {
  const longest = measured.map(longestMs);
  return [
    name,
    label,
    format(measured.reduce((sum, { writers }) => sum + writers.puts, 0)),
    format(median(measured.map(({ writers }) => writers.p50)), 1),
    format(median(measured.map(({ writers }) => writers.p99)), 1),
    format(median(longest)),
    longest.map((wait) => format(wait)).join(" / "),
    electionsIn(measured),
  ];
};

/** Counts elections between the first and the last round. */
const electionsIn = (measured: readonly Measured[]): string => {
  const terms = measured.map(({ term }) => term);
  return format(Math.max(...terms) - Math.min(...terms));
};

const turnsRow = (name: string, measured: readonly Measured[]): string[] => {
  const byMember = measured.map(({ members = [] }) => members);
  const maxByMember = (valueOf: (report: MemberReport) => number): string =>
    [0, 1, 2].map((n) => format(Math.max(...byMember.map((members) => valueOf(members[n]!))), 1)).join(" / ");
  const sumByMember = (valueOf: (report: MemberReport) => number): string =>
    [0, 1, 2].map((n) => format(byMember.reduce((sum, members) => sum + valueOf(members[n]!), 0))).join(" / ");
  return [
    name,
    maxByMember(({ longestTurns }) => longestTurns[0] ?? 0),
    maxByMember(({ turnP99 }) => turnP99),
    sumByMember(({ longTurns }) => longTurns),
    maxByMember(({ longestCollection }) => longestCollection),
  ];
};

/** Returns the most that a main thread did in a span, of all members. */
const mostIn = (span: Span, members: readonly MemberReport[]): ThreadUse => {
  const uses = members.flatMap(({ thread }) => (thread === undefined ? [] : [threadUseIn(thread, span)]));
  const most = (valueOf: (use: ThreadUse) => number): number => Math.max(0, ...uses.map(valueOf));
  return { cpu: most(({ cpu }) => cpu), waited: most(({ waited }) => waited), collected: most((use) => use.collected) };
};

const causesRow = (name: string, measured: readonly Measured[]): string[] => {
  const uses = measured.map(({ writers, members = [] }) => mostIn(writers.longest, members));
  const ofRounds = (values: readonly number[]): string => values.map((value) => format(value)).join(" / ");
  return [
    name,
    ofRounds(measured.map(longestMs)),
    ofRounds(uses.map(({ waited }) => waited)),
    ofRounds(uses.map(({ cpu }) => cpu)),
    ofRounds(uses.map(({ collected }) => collected)),
  ];
};

/** Measures the stalls of all servers. */
export const measureStalls = async (): Promise<void> => {
  console.log(
    `Three members, one writer on each; ${keyCount} keys of ${valueBytes} bytes under one lease; ${rounds} rounds.\n`,
  );
  const results: { readonly server: Server; readonly measured: Measured[][] }[] = [];
  for (const server of [...findServers(), ...findOtherEtcds()])
    results.push({ server, measured: await measureServer(server) });
  printTable(
    ["puts meanwhile", "", "puts", "p50 ms", "p99 ms", "longest ms", "longest of each round", "elections"],
    phases.flatMap(({ name }, position) =>
      results.map(({ server, measured }, n) => waitsRow(n === 0 ? name : "", server.label, measured[position]!)),
    ),
    2,
  );
  const turns = await measureTurns();
  console.log(
    "Another run, members that measure themselves. CPU of the event loop's turns, in ms, by member, over all rounds:",
  );
  printTable(
    ["", "longest turn", "p99", `above ${longTurnMs} ms`, "longest collection, wall"],
    phases.map(({ name }, position) => turnsRow(name, turns[position]!)),
    1,
  );
  console.log("During the longest put of each round: ms of a member's main thread, the most of three members:");
  printTable(
    ["", "longest put", "waited for a core", "CPU", "collections, wall"],
    phases.map(({ name }, position) => causesRow(name, turns[position]!)),
    1,
  );
};
