// Measures the effects on clients when the leader is killed, stopped or frozen, on minietcd and, with the same members and writers, on
// real etcd.

import { Client, type StatusResult } from "../client/index.js";
import { eventually } from "../test/support/deadline.js";
import type { EtcdCluster, EtcdMember } from "../test/support/etcd-process.js";
import { FailoverWriters, perMember, thinkMs, type FailedWrite, type Write } from "./failover-writers.js";
import { format, median, printTable } from "./report.js";
import { Scope } from "./scope.js";
import { findServers, createMembers, findOtherEtcds, type Server } from "./servers.js";

/** The fewest rounds of SIGTERM and SIGSTOP: otherwise a fifth of the rounds of kill -9. */
const fewestRounds = 3;
const roundsOf = (variable: string, otherwise: number): number => {
  const rounds = Number(process.env[variable] ?? otherwise);
  if (Number.isInteger(rounds) && rounds > 0) return rounds;
  throw new RangeError(`${variable} is no number of rounds: ${process.env[variable]}`);
};

/** The longest time until all members agree on a leader: in each round, etcd's hanging writes take 7 s. */
const agreedMs = 30_000;
/** The time without a fault before each round, in which the writers write. */
const calmMs = 500;
/** The time after a fault that is measured: longer than any pause. */
const afterwardsMs = 2_500;

/** A fault and its effects. Times are in milliseconds. */
interface Round {
  /** The time from the fault until the first acknowledgement of a write that began after it. */
  readonly firstWriteMs: number;
  /** The number of writes under way through the other members at the fault. */
  readonly inFlight: number;
  readonly inFlightFailed: readonly FailedWrite[];
  /** The time from the first new write to the end of the last write under way. */
  readonly lastInFlightMs: number;
  /** The longest time without an acknowledgement through the other members. */
  readonly pauseMs: number;
  /** All failed writes through the other members. */
  readonly failed: readonly FailedWrite[];
  /** The failed writes on the member itself, begun before and after the fault. */
  readonly failedThere: { readonly before: readonly FailedWrite[]; readonly after: readonly FailedWrite[] };
}

type Fault = "kill" | "stop" | "freeze";

/** Runs `npm run bench -- failover`. FAILOVER_KILLS and FAILOVER_ETCD_KILLS set the rounds, BENCH_ETCD names further etcds. */
export const measureFailover = async (): Promise<void> => {
  console.log(
    `Three members, default timeouts; ${perMember} writers a member, each ${thinkMs} ms after its last answer.`,
  );
  console.log("kill: SIGKILL of the leader and a restart. stop: SIGTERM. silent: SIGSTOP, so that nothing closes.");
  console.log("A first write begins after the fault, at another member. Times in ms.\n");
  const kills = roundsOf("FAILOVER_KILLS", 100);
  const etcdKills = roundsOf("FAILOVER_ETCD_KILLS", 10);
  const results: [Server, Results][] = [];
  for (const server of [...findServers(), ...findOtherEtcds()]) {
    console.log(`-- ${server.label}`);
    const result = await new Run(server).play(server.kind === "minietcd" ? kills : etcdKills);
    results.push([server, result]);
    const { kill, stop, freeze } = result; // the tables are printed after all measurements
    console.log(`${kill.length} kills, ${stop.length} stops and ${freeze.length} freezes, ${result.writes} writes`);
  }
  report(results);
};

interface Results extends Readonly<Record<Fault, readonly Round[]>> {
  readonly writes: number;
  /** The number of acknowledged writes that are not in the history. */
  readonly lost: number;
  /** The number of writes that are in the history more than once. */
  readonly twice: number;
}

class Run {
  constructor(private readonly server: Server) {}

  async play(kills: number): Promise<Results> {
    await using scope = new Scope();
    const cluster = scope.use(await createMembers(this.server));
    await cluster.start();
    const client = scope.use(new Client({ endpoints: cluster.endpoints }));
    const writers = scope.use(new FailoverWriters(cluster.endpoints));
    const others = Math.max(fewestRounds, Math.round(kills / 5));
    const play = async (fault: Fault, count: number): Promise<Round[]> => {
      const rounds: Round[] = [];
      while (rounds.length < count) rounds.push(await this.round(fault, cluster, client, writers));
      return rounds;
    };
    const kill = await play("kill", kills);
    const stop = await play("stop", others);
    const freeze = await play("freeze", others);
    await findAgreedLeader(cluster, client);
    await writers.stop();
    return { kill, stop, freeze, ...(await writers.checkHistory(client)) };
  }

  private async round(fault: Fault, cluster: EtcdCluster, client: Client, writers: FailoverWriters): Promise<Round> {
    const position = cluster.members.indexOf(await findAgreedLeader(cluster, client));
    const leader = cluster.member(position);
    await writers.writeFor(calmMs);
    const from = performance.now();
    leader.signal(({ kill: "SIGKILL", stop: "SIGTERM", freeze: "SIGSTOP" } as const)[fault]);
    if (fault !== "stop") writers.pause(position); // after SIGTERM the writes of the member itself are measured, too
    const firstWriteMs = await writers.measureFirstWrite(position, from);
    if (fault === "stop") await writers.writeFor(afterwardsMs - firstWriteMs);
    await writers.whenSettled(from, position); // the writes under way through the others have succeeded or failed
    writers.pause(position);
    const until = performance.now();
    if (fault === "freeze") leader.signal("SIGCONT");
    else {
      await leader.stop("SIGKILL");
      leader.launch();
      await leader.whenReady();
    }
    await writers.whenSettled(until, undefined);
    const round = roundOf(writers.takeWrites(), { position, from, firstWriteMs });
    await writers.resume(position);
    return round;
  }
}

/** Waits until all members name the same leader, and returns it. */
const findAgreedLeader = (cluster: EtcdCluster, client: Client): Promise<EtcdMember> =>
  eventually(agreedMs, "a leader that all agree on", async () => {
    const ask = ({ endpoint }: EtcdMember): Promise<StatusResult> =>
      client.maintenance.status(endpoint, { timeoutMs: 1_000 });
    const statuses = await Promise.all(cluster.members.map(ask));
    const leader = statuses[0]?.leader ?? 0n;
    if (leader === 0n || statuses.some((status) => status.leader !== leader)) return undefined;
    return cluster.members.find((_member, position) => statuses[position]?.header.memberId === leader);
  });

interface Happened {
  readonly position: number;
  readonly from: number;
  readonly firstWriteMs: number;
}

const roundOf = (writes: readonly Write[], { position, from, firstWriteMs }: Happened): Round => {
  const elsewhere = writes.filter((write) => write.member !== position);
  const there = writes.filter((write) => write.member === position);
  const inFlight = elsewhere.filter(
    ({ startedAt, endedAt, isProbe }) => startedAt <= from && endedAt > from && !isProbe,
  );
  const acknowledgements = elsewhere
    .filter(({ failure, endedAt }) => failure === undefined && endedAt >= from && endedAt <= from + afterwardsMs)
    .map(({ endedAt }) => endedAt)
    .sort((a, b) => a - b);
  const ends = [...acknowledgements, from + afterwardsMs]; // the ends of the times without an acknowledgement
  return {
    firstWriteMs,
    inFlight: inFlight.length,
    inFlightFailed: failuresOf(inFlight),
    lastInFlightMs: Math.max(0, ...inFlight.map(({ endedAt }) => endedAt - from - firstWriteMs)),
    pauseMs: Math.max(...ends.map((at, n) => at - (ends[n - 1] ?? from))),
    failed: failuresOf(elsewhere),
    failedThere: {
      before: failuresOf(there.filter(({ startedAt }) => startedAt <= from)),
      after: failuresOf(there.filter(({ startedAt }) => startedAt > from)),
    },
  };
};

const failuresOf = (writes: readonly Write[]): FailedWrite[] => writes.flatMap(({ failure }) => failure ?? []);

const medianAndWorst = (values: readonly number[]): string[] => [format(median(values)), format(Math.max(...values))];
const sumOf = (rounds: readonly Round[], count: (round: Round) => number): number =>
  rounds.reduce((sum, round) => sum + count(round), 0);

const firstWriteHead = ["", "rounds", "first: median", "worst", "under way", "failed", "last after the first"];
/** Returns the cells below `firstWriteHead`, without the first one. */
const firstWriteCells = (rounds: readonly Round[]): string[] => [
  String(rounds.length),
  ...medianAndWorst(rounds.map(({ firstWriteMs }) => firstWriteMs)),
  String(sumOf(rounds, ({ inFlight }) => inFlight)),
  String(sumOf(rounds, ({ inFlightFailed }) => inFlightFailed.length)),
  format(Math.max(...rounds.map(({ lastInFlightMs }) => lastInFlightMs))),
];

const report = (results: readonly (readonly [Server, Results])[]): void => {
  console.log("\nkill -9 of the leader: the first new write; what was under way through the other members");
  printTable(
    [...firstWriteHead, "lost", "twice"],
    results.map(([{ label }, { kill, lost, twice }]) => [label, ...firstWriteCells(kill), String(lost), String(twice)]),
    1,
  );
  console.log("SIGTERM of the leader: the longest time without an acknowledgement; what failed");
  printTable(
    ["", "rounds", "pause: median", "worst", "failed elsewhere", "there, begun before", "there, begun after"],
    results.map(([{ label }, { stop }]) => [
      label,
      String(stop.length),
      ...medianAndWorst(stop.map(({ pauseMs }) => pauseMs)),
      String(sumOf(stop, ({ failed }) => failed.length)),
      countByCode(stop.flatMap(({ failedThere }) => failedThere.before)),
      countByCode(stop.flatMap(({ failedThere }) => failedThere.after)),
    ]),
    1,
  );
  console.log("A leader that falls silent (SIGSTOP)");
  printTable(
    firstWriteHead,
    results.map(([{ label }, { freeze }]) => [label, ...firstWriteCells(freeze)]),
    1,
  );
  for (const [{ label, kind }, { kill, stop, freeze, writes, lost, twice }] of results) {
    const failures = [...kill, ...stop, ...freeze].flatMap(({ failed }) => failed);
    console.log(
      `${label}: ${writes} writes acknowledged; failed elsewhere than at the leader: ${countByCode(failures)}`,
    );
    if (kind === "minietcd" && lost + twice > 0) process.exitCode = 1;
  }
};

/** Counts failures by code and text. */
const countByCode = (failures: readonly FailedWrite[]): string => {
  const counts = new Map<string, number>();
  for (const { code, text } of failures) {
    const name = `${code} (${text})`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts.size === 0 ? "none" : [...counts].map(([name, count]) => `${count} ${name}`).join(", ");
};
