// A cluster of real processes, with what they use: CPU time, memory and, of ours, the delay of the event loop.

import { fileURLToPath } from "node:url";
import { eventually } from "../test/support/deadline.js";
import { createEtcdCluster, type EtcdCluster, type EtcdMember } from "../test/support/etcd-process.js";
import { residentMb, totalCpuMs } from "./process-usage.js";
import type { Server } from "./servers.js";

const probe = fileURLToPath(new URL("member-probe.js", import.meta.url));
const answerTimeoutMs = 20_000;

/** Delays of the event loop in milliseconds, of the member for which they are longest. */
export interface LoopDelay {
  readonly p99: number;
  readonly max: number;
}

/** The use of all members over a time. */
export interface ClusterUse {
  readonly cpuMs: number | undefined;
  /** Undefined for etcd, which has no event loop. */
  readonly loopDelay: LoopDelay | undefined;
}

export class ProbedCluster implements AsyncDisposable {
  private cpuBefore: number | undefined;

  private constructor(
    readonly server: Server,
    private readonly cluster: EtcdCluster,
  ) {}

  /**
   * Starts members; resolves when all serve clients.
   *
   * @param profiles folder for a CPU profile of each member, from `begin` to `end`
   */
  static async start(server: Server, members: number, profiles?: string): Promise<ProbedCluster> {
    const cluster = await createEtcdCluster({
      kind: server.kind,
      members,
      flags: ["--log-level=error"],
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

  /** Begins to measure. */
  async begin(): Promise<void> {
    await this.loopDelay();
    this.cpuBefore = totalCpuMs(this.pids);
  }

  /** Ends what was begun. */
  async end(): Promise<ClusterUse> {
    const after = totalCpuMs(this.pids);
    const { cpuBefore } = this;
    const cpuMs = after === undefined || cpuBefore === undefined ? undefined : after - cpuBefore;
    return { cpuMs, loopDelay: await this.loopDelay() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }

  private async loopDelay(): Promise<LoopDelay | undefined> {
    if (this.server.kind !== "minietcd") return undefined;
    const delays = await Promise.all(this.cluster.members.map(loopDelayOf));
    return { p99: Math.max(...delays.map(({ p99 }) => p99)), max: Math.max(...delays.map(({ max }) => max)) };
  }
}

const linePattern = /^event-loop-delay (.*)$/gm;

/** Asks a member, and waits for one line more than there were. */
const loopDelayOf = async (member: EtcdMember): Promise<LoopDelay> => {
  const before = [...member.log.matchAll(linePattern)].length;
  member.signal("SIGUSR2");
  const text = await eventually(answerTimeoutMs, "the delay of the event loop", () =>
    Promise.resolve([...member.log.matchAll(linePattern)][before]?.[1]),
  );
  return JSON.parse(text) as LoopDelay;
};
