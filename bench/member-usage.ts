import type { EtcdMember } from "../test/support/etcd-process.js";
import { cpuMs, residentMb } from "./process-usage.js";
import { format } from "./report.js";

const sampleMs = 250;

/** Measures CPU time and memory of each member per phase, also if a member restarts meanwhile. */
export class MemberUsage implements AsyncDisposable {
  private readonly timer: NodeJS.Timeout;
  private beganAt = 0;
  /** The process of each member, its CPU time when the phase began, and when it was last read. */
  private readonly processes: { pid: number; from: number; to: number }[] = [];
  private earlierMs: number[] = [];
  private mostMb: number[] = [];

  constructor(private readonly members: readonly EtcdMember[]) {
    this.timer = setInterval(() => this.sample(), sampleMs);
    this.beginPhase();
  }

  /** Begins a phase. */
  beginPhase(): void {
    this.beganAt = performance.now();
    this.processes.length = 0;
    this.earlierMs = this.members.map(() => 0);
    this.mostMb = this.members.map(() => 0);
    this.sample();
  }

  /** Ends a phase. @returns two cells: the CPU time in percent of a core, and the most memory in MB, of each member */
  endPhase(): [string, string] {
    this.sample();
    const took = performance.now() - this.beganAt;
    const cpu = this.members.map((_, n) => {
      const { from, to } = this.processes[n] ?? { from: 0, to: 0 };
      return format((((this.earlierMs[n] ?? 0) + to - from) / took) * 100);
    });
    return [cpu.join(" / "), this.mostMb.map((mb) => format(mb)).join(" / ")];
  }

  /** Returns a cell with the present memory of each member, in MB. */
  describeMemory(): string {
    return this.members.map(({ pid }) => format(residentMb(pid))).join(" / ");
  }

  [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.timer);
    return Promise.resolve();
  }

  private sample(): void {
    for (const [n, member] of this.members.entries()) {
      if (!member.isRunning) continue;
      const { pid } = member;
      const used = cpuMs(pid) ?? 0;
      const known = this.processes[n];
      if (known?.pid === pid) known.to = used;
      else {
        if (known !== undefined) this.earlierMs[n] = (this.earlierMs[n] ?? 0) + known.to - known.from;
        // A process that starts within a phase has used all its CPU time in it.
        const from = known === undefined && performance.now() - this.beganAt < sampleMs / 2 ? used : 0;
        this.processes[n] = { pid, from, to: used };
      }
      this.mostMb[n] = Math.max(this.mostMb[n] ?? 0, residentMb(pid) ?? 0);
    }
  }
}
