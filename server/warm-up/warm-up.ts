import { asError, type Clock } from "../../platform/index.js";
import type { Logger } from "../base/index.js";
import { withDeadline } from "./deadline.js";
import { type Observation, type WarmUpEnd, type WarmUpLimits, WarmUpPace } from "./pace.js";

/** Requests that are carried out in slices. */
export interface Workload {
  /** Carries out a slice, of a few milliseconds. @returns false: that was the last one */
  step(): Promise<boolean>;
  close(): Promise<void>;
}

/** The member that is warmed up, as far as the warm-up looks at it. */
export interface ObservedMember {
  /** Grows with each request of a client, and with each entry that is applied. */
  workCount(): number;
  readonly isStopping: boolean;
}

/** The process that is warmed up. */
export interface MeasuredProcess {
  /** Returns the CPU time of all its threads in milliseconds. */
  cpuMs(): number;
}

/** The surroundings of a warm-up. */
export interface WarmUpParts {
  readonly member: ObservedMember;
  readonly process: MeasuredProcess;
  readonly limits: WarmUpLimits;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "debug">;
}

/** The time between two looks at a member that is not idle, in milliseconds. */
const lookMs = 50;

/** The time after which a slice without an answer ends the warm-up, in milliseconds. */
const stepPatienceMs = 5_000;

/** Carries out a workload in the idle time of a member, once, from now on. An error ends it, and is a line of the debug log. */
export class WarmUp {
  private isStopped = false;
  private endPause: () => void = () => undefined;
  /** Resolves once nothing of the warm-up is left. */
  readonly ended: Promise<void>;

  /** @param open makes the workload, once the member is idle */
  constructor(
    private readonly parts: WarmUpParts,
    private readonly open: () => Promise<Workload>,
  ) {
    this.ended = this.run();
  }

  /** Ends the warm-up after the slice that is being carried out; resolves once nothing of it is left. */
  stop(): Promise<void> {
    this.isStopped = true;
    this.endPause();
    return this.ended;
  }

  private async run(): Promise<void> {
    const { logger } = this.parts;
    const began = this.observation();
    try {
      const end = await this.carryOut();
      const { nowMs, cpuMs } = this.observation();
      logger.debug("warm-up has ended", { end, ms: nowMs - began.nowMs, cpuMs: cpuMs - began.cpuMs });
    } catch (error) {
      logger.debug("warm-up has failed", { error: asError(error) });
    }
  }

  private async carryOut(): Promise<WarmUpEnd> {
    const { limits, clock, member } = this.parts;
    const pace = new WarmUpPace(limits, this.observation());
    let load: Workload | undefined;
    try {
      for (;;) {
        if (this.isStopped || member.isStopping) return "stopped";
        const decision = pace.look(this.observation());
        if (decision === "wait") await this.pause();
        else if (decision !== "go") return decision;
        else if (load === undefined) load = await this.open();
        else if (!(await withDeadline(clock, stepPatienceMs, load.step()))) return "complete";
        else await new Promise<void>((resolve) => clock.soon(resolve)); // whatever else is to be done comes first
      }
    } finally {
      await load?.close();
    }
  }

  private observation(): Observation {
    const { clock, member, process } = this.parts;
    return { nowMs: clock.now(), work: member.workCount(), cpuMs: process.cpuMs() };
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.parts.clock.after(lookMs, resolve);
      this.endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
