import { asError, type Clock } from "../../platform/index.js";
import type { Logger } from "../base/index.js";
import { withDeadline } from "./deadline.js";
import { type Measurement, type WarmUpEnd, type WarmUpLimits, WarmUpSchedule } from "./schedule.js";

/** Requests that are sent in slices. */
export interface Workload {
  /** Runs the next slice, of a few milliseconds. @returns false: no slice was left */
  runSlice(): Promise<boolean>;
  close(): Promise<void>;
}

/** The properties of a member on which its warm-up depends. */
export interface ObservedMember {
  /** Returns the number of requests of clients plus the number of applied entries. */
  workCount(): number;
  readonly isStopping: boolean;
}

/** The process that is warmed up. */
export interface MeasuredProcess {
  /** Returns the CPU time of all its threads in milliseconds. */
  cpuMs(): number;
}

/** The parameters of a warm-up. */
export interface WarmUpParts {
  readonly member: ObservedMember;
  readonly process: MeasuredProcess;
  readonly limits: WarmUpLimits;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "debug">;
}

/** The time after which a member that was not idle is observed again, in milliseconds. */
const observationMs = 50;

/** The time after which a slice without an answer ends the warm-up, in milliseconds. */
const maxSliceMs = 5_000;

/** Runs a workload once, in the idle time of a member. An error ends the warm-up, and is logged at debug level. */
export class WarmUp {
  private isStopped = false;
  private endPause: () => void = () => undefined;
  /** Resolves once the warm-up has ended and its workload is closed. */
  readonly whenEnded: Promise<void>;

  /** @param open creates the workload; called when the member is idle for the first time */
  constructor(
    private readonly parts: WarmUpParts,
    private readonly open: () => Promise<Workload>,
  ) {
    this.whenEnded = this.run();
  }

  /** Ends the warm-up after the running slice; resolves once the workload is closed. */
  stop(): Promise<void> {
    this.isStopped = true;
    this.endPause();
    return this.whenEnded;
  }

  private async run(): Promise<void> {
    const { logger } = this.parts;
    const began = this.observe();
    try {
      const end = await this.carryOut();
      const { nowMs, cpuMs } = this.observe();
      logger.debug("warm-up has ended", { end, tookMs: nowMs - began.nowMs, cpuMs: cpuMs - began.cpuMs });
    } catch (error) {
      logger.debug("warm-up has failed", { error: asError(error) });
    }
  }

  private async carryOut(): Promise<WarmUpEnd> {
    const { limits, clock, member } = this.parts;
    const schedule = new WarmUpSchedule(limits, this.observe());
    let load: Workload | undefined;
    try {
      for (;;) {
        if (this.isStopped || member.isStopping) return "stopped";
        const decision = schedule.decide(this.observe());
        if (decision === "wait") await this.pause();
        else if (decision !== "go") return decision;
        else if (load === undefined) load = await this.open();
        else if (!(await withDeadline(clock, maxSliceMs, load.runSlice()))) return "complete";
        else await new Promise<void>((resolve) => clock.soon(resolve)); // other work of this turn runs first
      }
    } finally {
      await load?.close();
    }
  }

  private observe(): Measurement {
    const { clock, member, process } = this.parts;
    return { nowMs: clock.now(), work: member.workCount(), cpuMs: process.cpuMs() };
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.parts.clock.after(observationMs, resolve);
      this.endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
