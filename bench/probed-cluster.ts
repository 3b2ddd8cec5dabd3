// A cluster of real processes, with measurements of CPU time and memory and, for minietcd, of the event loop.

import { fileURLToPath } from "node:url";
import { eventually } from "../test/support/deadline.js";
import { createEtcdCluster, type EtcdCluster, type EtcdMember } from "../test/support/etcd-process.js";
import { residentMb, totalCpuMs } from "./process-usage.js";
import type { Server } from "./servers.js";

const probe = fileURLToPath(new URL("member-probe.js", import.meta.url));
const answerTimeoutMs = 20_000;

/** The use of the event loop over a time, in milliseconds: the maximum over all members. */
export interface LoopUse {
  /** The lateness of timers, including the time in which the process waits for a core. */
  readonly delayP99: number;
  /** The most CPU time of the main thread in one turn. */
  readonly longestTurn: number;
}

/** The use of all members over a time. */
export interface ClusterUse {
  readonly cpuMs: number | undefined;
  /** Undefined for etcd, which has no event loop. */
  readonly loop: LoopUse | undefined;
}

/** A cluster of members with a probe: `member-probe.js`. */
export class ProbedCluster implements AsyncDisposable {
  private cpuBefore: number | undefined;

  private constructor(
    readonly server: Server,
    private readonly cluster: EtcdCluster,
  ) {}

  /**
   * Starts members; resolves when all serve clients.
   *
   * @param profiles the folder for a CPU profile of each member, from `begin` to `end`
   */
  static async start(server: Server, members: number, profiles?: string): Promise<ProbedCluster> {
    const cluster = await createEtcdCluster({
      kind: server.kind,
      members,
      flags: ["--log-level=error", ...(server.tls?.flags ?? [])],
      ...(server.tls === undefined ? {} : { tls: server.tls.options }),
      environment: {
        NODE_OPTIONS: `--import=${probe}`,
        ...(profiles === undefined ? {} : { BENCH_PROFILE: profiles }),
      },
    });
    const probed = new ProbedCluster(server, cluster);
    await cluster.start();
    return probed;
  }

  get endpoints(): string[] {
    return this.cluster.endpoints;
  }

  /** The pids of the members. */
  get pids(): number[] {
    return this.cluster.members.map(({ pid }) => pid);
  }

  /** The largest member's memory in MB. */
  get residentMb(): number | undefined {
    const sizes = this.pids.map(residentMb).filter((size) => size !== undefined);
    return sizes.length === 0 ? undefined : Math.max(...sizes);
  }

  /** Begins a measurement. */
  async begin(): Promise<void> {
    await this.takeLoopUse();
    this.cpuBefore = totalCpuMs(this.pids);
  }

  /** Ends the measurement. */
  async end(): Promise<ClusterUse> {
    const after = totalCpuMs(this.pids);
    const { cpuBefore } = this;
    const cpuMs = after === undefined || cpuBefore === undefined ? undefined : after - cpuBefore;
    return { cpuMs, loop: await this.takeLoopUse() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }

  private async takeLoopUse(): Promise<LoopUse | undefined> {
    if (this.server.kind !== "minietcd") return undefined;
    const uses = await Promise.all(this.cluster.members.map(askForLoopUse));
    return {
      delayP99: Math.max(...uses.map(({ delayP99 }) => delayP99)),
      longestTurn: Math.max(...uses.map(({ longestTurn }) => longestTurn)),
    };
  }
}

const linePattern = /^event-loop (.*)$/gm;

/** Asks a member by a signal, and waits for the next line about the event loop in its log. */
const askForLoopUse = async (member: EtcdMember): Promise<LoopUse> => {
  const before = [...member.log.matchAll(linePattern)].length;
  member.signal("SIGUSR2");
  const text = await eventually(answerTimeoutMs, "the use of the event loop", () =>
    Promise.resolve([...member.log.matchAll(linePattern)][before]?.[1]),
  );
  return JSON.parse(text) as LoopUse;
};
