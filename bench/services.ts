import { availableParallelism } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "../client/index.js";
import { eventually } from "../test/support/deadline.js";
import type { EtcdCluster, EtcdMember } from "../test/support/etcd-process.js";
import { Forked } from "./forked.js";
import { ttlSeconds, type LeaseMessage } from "./lease-load.js";
import { MemberUsage } from "./member-usage.js";
import type { PutCommand, PutMessage } from "./put-load.js";
import { totalCpuMs } from "./process-usage.js";
import { format, percentile, printTable } from "./report.js";
import { Scope } from "./scope.js";
import { findServers, createMembers, type Server } from "./servers.js";
import { checkLeases, checkWatchers, type KeptLeases } from "./service-checks.js";
import type { WatchMessage, WatchResult } from "./watch-load.js";

/** A kind of load: watches, or leases that are kept alive. */
export type ServiceLoad = "watch" | "lease";

const watcherCount = 1_000;
const leaseCount = 1_000;
/** The most revisions that the slowest watcher may be behind: puts wait, so all watchers can follow the measured rate. */
const maxBehind = 1_000;
/** The time for watchers to catch up after the last put. */
const drainMs = 30_000;
const quietMs = 3_000;

interface Phase {
  readonly name: string;
  readonly putsPerSecond: number;
  readonly seconds: number;
  /** The fault at the beginning of the phase. */
  readonly what?: "kill the leader" | "restart it";
}

const calm: Phase = { name: "100 puts/s", putsPerSecond: 100, seconds: 6 };
const full: Phase = { name: "1000 puts/s", putsPerSecond: 1_000, seconds: 8 };
const faults: readonly Phase[] = [
  { name: "leader killed", putsPerSecond: 1_000, seconds: 4, what: "kill the leader" },
  { name: "restarted", putsPerSecond: 1_000, seconds: 8, what: "restart it" },
];

/**
 * Measures watchers of one prefix and leases that are kept alive, during puts; on minietcd also while the leader is killed and restarted.
 * Sets the exit code 1 if a watcher missed or repeated an event, or a lease was lost.
 */
export const measureServices = async (loads: ReadonlySet<ServiceLoad>): Promise<void> => {
  const what = [
    loads.has("watch") ? `${watcherCount} watchers of one prefix, puts wait for one that is ${maxBehind} behind` : [],
    loads.has("lease") ? `${leaseCount} leases of ${ttlSeconds} s, each with a key` : [],
  ].flat();
  console.log(`Three members; ${what.join("; ")}.`);
  console.log("Latency: from the sending of a put until a watcher has it.\n");
  for (const server of findServers()) {
    console.log(`-- ${server.label}`);
    const phases = server.kind === "minietcd" ? [calm, full, ...faults] : [calm, full];
    const failures = await new Run(server, loads).play(phases);
    const verdict = failures.length === 0 ? "nothing was missed, repeated or lost" : `FAILED: ${failures.join("; ")}`;
    console.log(`=> ${verdict}\n`);
    if (failures.length > 0) process.exitCode = 1;
  }
};

/** A cluster under load. */
class Run {
  private puts: Forked<PutCommand, PutMessage> | undefined;
  private acknowledged = 0;
  private readonly watching: { readonly process: Forked<object, WatchMessage>; slowest: number; events: number }[] = [];
  private latencies: number[] = [];
  private leases: KeptLeases | undefined;
  private killed: EtcdMember | undefined;

  constructor(
    private readonly server: Server,
    private readonly loads: ReadonlySet<ServiceLoad>,
  ) {}

  /** Runs all phases. @returns the errors */
  async play(phases: readonly Phase[]): Promise<string[]> {
    await using scope = new Scope();
    const cluster = scope.use(await createMembers(this.server));
    await cluster.start();
    const client = scope.use(new Client({ endpoints: cluster.endpoints }));
    const usage = scope.use(new MemberUsage(cluster.members));
    if (this.loads.has("lease")) await this.startLeases(scope, cluster);
    if (this.loads.has("watch")) await this.startWatchers(scope, cluster, (await client.kv.get("-")).header.revision);
    const puts = await this.startPuts(scope, cluster);

    const rows: string[][] = [];
    for (const phase of phases) rows.push(await this.measure(phase, cluster, usage, puts));
    puts.send({ kind: "finish" });
    const put = await puts.next("result");
    const last = (await client.kv.get("-")).header.revision;
    await this.drain(last);
    rows.push(await this.measureAfterwards(usage));
    printTable(
      ["", "puts/s", "events/s", "p50 ms", "p99 ms", "CPU % of watchers", "CPU % by member", "RSS MB, at most"],
      rows,
      1,
    );
    console.log(`Puts: ${put.acknowledged} acknowledged, ${put.unacknowledged} not`);
    return [
      ...(this.watching.length > 0 ? checkWatchers(put, await this.watchResults(), last) : []),
      ...(this.leases === undefined ? [] : await checkLeases(client, this.leases)),
    ];
  }

  private async startPuts(scope: Scope, cluster: EtcdCluster): Promise<Forked<PutCommand, PutMessage>> {
    const puts = new Forked<PutCommand, PutMessage>("put-load.ts", cluster.endpoints, (message) => {
      if (message.kind === "progress") this.acknowledged = message.acknowledged;
    });
    scope.use(puts);
    await puts.next("ready");
    this.puts = puts;
    this.allowPuts();
    return puts;
  }

  private async startWatchers(scope: Scope, cluster: EtcdCluster, through: number): Promise<void> {
    const processes = Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2)));
    const ready: Promise<unknown>[] = [];
    for (let n = 0; n < processes; n++) {
      const count = Math.floor((watcherCount + n) / processes); // the sum over all processes is watcherCount
      const args = [String(count), String(through), ...cluster.endpoints];
      const state = {
        process: new Forked<object, WatchMessage>("watch-load.ts", args, (message) => {
          if (message.kind !== "progress") return;
          state.slowest = message.slowest;
          state.events = message.events;
          for (const latency of message.latencies) this.latencies.push(latency);
          this.allowPuts();
        }),
        slowest: through,
        events: 0,
      };
      scope.use(state.process);
      this.watching.push(state);
      ready.push(state.process.next("ready"));
    }
    await Promise.all(ready);
  }

  private async startLeases(scope: Scope, cluster: EtcdCluster): Promise<void> {
    const process = new Forked<object, LeaseMessage>(
      "lease-load.ts",
      [String(leaseCount), ...cluster.endpoints],
      (m) => {
        if (m.kind === "ready") this.leases = { ids: m.ids, lost: 0, leastRemainingMs: Infinity };
        else if (this.leases !== undefined) this.leases = { ...m, ids: this.leases.ids };
      },
    );
    scope.use(process);
    await process.next("ready");
  }

  private allowPuts(): void {
    if (this.watching.length > 0) this.puts?.send({ kind: "limit", revision: this.findSlowest() + maxBehind });
  }

  private findSlowest(): number {
    return Math.min(...this.watching.map(({ slowest }) => slowest));
  }

  private countEvents(): number {
    return this.watching.reduce((sum, { events }) => sum + events, 0);
  }

  /** Returns the CPU time of the watching processes: if it is high, they and not the servers limit the rate. */
  private watchersCpuMs(): number | undefined {
    return totalCpuMs(this.watching.flatMap(({ process }) => process.pid ?? []));
  }

  private async measure(
    { name, putsPerSecond, seconds, what }: Phase,
    cluster: EtcdCluster,
    usage: MemberUsage,
    puts: Forked<PutCommand, PutMessage>,
  ): Promise<string[]> {
    puts.send({ kind: "rate", perSecond: putsPerSecond });
    usage.beginPhase();
    this.latencies = [];
    const before = {
      acknowledged: this.acknowledged,
      events: this.countEvents(),
      watchersCpuMs: this.watchersCpuMs(),
      at: performance.now(),
    };
    if (what === "kill the leader") await (this.killed = await leaderOf(cluster)).stop("SIGKILL");
    if (what === "restart it") this.killed?.launch();
    await delay(seconds * 1_000);
    const took = (performance.now() - before.at) / 1_000;
    const latencies = this.latencies.sort((a, b) => a - b);
    return [
      name,
      format((this.acknowledged - before.acknowledged) / took),
      format((this.countEvents() - before.events) / took),
      format(percentile(latencies, 0.5), 1),
      format(percentile(latencies, 0.99), 1),
      format((((this.watchersCpuMs() ?? NaN) - (before.watchersCpuMs ?? NaN)) / took) * 0.1),
      ...usage.endPhase(),
    ];
  }

  /** Waits until all watchers have caught up, or for `drainMs`: events that are missing then count as missed. */
  private async drain(last: number): Promise<void> {
    if (this.watching.length === 0) return;
    await eventually(drainMs, "the end", () => (this.findSlowest() >= last ? true : undefined)).catch(() => undefined);
  }

  private watchResults(): Promise<WatchResult[]> {
    return Promise.all(
      this.watching.map(({ process }) => {
        process.send({});
        return process.next("result");
      }),
    );
  }

  /** Measures the memory of the members after the load. */
  private async measureAfterwards(usage: MemberUsage): Promise<string[]> {
    usage.beginPhase();
    await delay(quietMs);
    usage.endPhase();
    return ["after it", "", "", "", "", "", "", usage.describeMemory()];
  }
}

const leaderOf = async (cluster: EtcdCluster): Promise<EtcdMember> => {
  await using client = new Client({ endpoints: cluster.endpoints });
  for (const member of cluster.members) {
    const { leader, header } = await client.maintenance.status(member.endpoint);
    if (leader === header.memberId) return member;
  }
  throw new Error("no member says that it is the leader");
};
