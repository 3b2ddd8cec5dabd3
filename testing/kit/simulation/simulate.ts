// Simulations of a test's own code, which a seed makes repeatable.

import { createHash } from "node:crypto";
import type { Client } from "../../../client/index.js";
import { asError } from "../../../platform/index.js";
import { normalConditions, seededRandom, type SeededRandom } from "../../index.js";
import { checkOptions, type Duration, toMs } from "../base/index.js";
import { type History, operationText } from "../linearizability/index.js";
import { withoutRealWorld } from "./real-world.js";
import { endParts, type Recording, startParts, TestCluster } from "../cluster/index.js";
import { type FaultKind, injectFaults, kindsOf } from "./simulated-faults.js";
import { VirtualServerTime } from "../clock/index.js";
import type { ServerFlags } from "../../../server/config/index.js";

/** Options of a simulation. */
export interface SimulationOptions {
  /** Number of members, or their names. Default: 3. */
  readonly members?: number | readonly string[] | undefined;
  /** Faults of members and links at random times: all kinds, or some. Default: none. */
  readonly faults?: boolean | readonly FaultKind[] | undefined;
  /** Mean time between two faults. Default: 2s. */
  readonly faultEvery?: Duration | undefined;
  /** Maximum virtual time of the simulation, which fails beyond it. Default: 10m. */
  readonly timeout?: Duration | undefined;
  /** Flags of `minietcd` that differ from the defaults. */
  readonly flags?: Partial<ServerFlags> | undefined;
}

/** The clock of a simulation, whose time passes by itself. */
export interface SimulationClock {
  /** Milliseconds of virtual time since the start. */
  now(): number;
  /** Resolves after a span of virtual time. */
  sleep(duration: Duration): Promise<void>;
}

/** The environment of simulated code. */
export interface SimulationWorld {
  readonly cluster: TestCluster;
  /** A recorded client. */
  readonly client: Client;
  /** Makes more clients. */
  readonly recording: Recording;
  /** Random numbers from the seed. */
  readonly random: SeededRandom;
  readonly clock: SimulationClock;
}

/** The outcome of a successful simulation. */
export interface SimulationResult<T> {
  readonly seed: number;
  /** Returned by the simulated code. */
  readonly value: T;
  /** The requests on keys, for `checkLinearizable`. */
  readonly history: History;
  /** The last lines of the members' logs, including all faults. */
  readonly log: readonly string[];
  /** A digest that is equal for equal logs and histories. */
  readonly digest: string;
  /** Virtual time that has passed. */
  readonly elapsedMs: number;
}

/** The failure of a simulation. Its message names the seed and ends with the log; `cause` is the error itself. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";

  constructor(
    readonly seed: number,
    /** The last lines of the members' logs. */
    readonly log: readonly string[],
    cause: unknown,
  ) {
    const lines = log.slice(-shownLines).map((line) => `  ${line}`);
    super(`Simulation failed, seed ${seed}: ${asError(cause).message}\n${lines.join("\n")}`, { cause });
  }
}

/** Log lines in the message of an error. */
const shownLines = 40;
const optionNames = [
  "members",
  "faults",
  "faultEvery",
  "timeout",
  "flags",
] as const satisfies (keyof SimulationOptions)[];

let isRunning = false;

/**
 * Runs a test's own code together with a cluster in virtual time, which passes by itself. The same seed gives the same run: it
 * determines members, network, faults, JavaScript's global timers and clocks, `Math.random` and `crypto.getRandomValues`. One
 * simulation runs at a time.
 *
 * @param seed an integer
 * @throws SimulationError if the code fails, waits for real time or for the system, or does not end
 */
export const simulate = async <T>(
  seed: number,
  body: (world: SimulationWorld) => Promise<T>,
  options: SimulationOptions = {},
): Promise<SimulationResult<T>> => {
  if (!Number.isInteger(seed)) throw new TypeError(`Cannot simulate: the seed ${seed} is not a whole number`);
  checkOptions("simulate", options, optionNames);
  const kinds = kindsOf(options.faults);
  const times = { timeoutMs: toMs(options.timeout ?? "10m"), faultEveryMs: toMs(options.faultEvery ?? "2s") };
  if (isRunning) throw new Error("Cannot simulate: another simulation runs, and both would share the globals");
  isRunning = true;
  try {
    return await new Simulation(seed, { ...times, kinds, options }).run(body);
  } finally {
    isRunning = false;
  }
};

interface SimulationSettings {
  readonly timeoutMs: number;
  readonly faultEveryMs: number;
  readonly kinds: readonly FaultKind[];
  readonly options: SimulationOptions;
}

class Simulation {
  private readonly time = new VirtualServerTime();
  private rejectRun: (error: Error) => void = () => undefined;
  private log: readonly string[] = [];

  constructor(
    private readonly seed: number,
    private readonly settings: SimulationSettings,
  ) {}

  async run<T>(body: (world: SimulationWorld) => Promise<T>): Promise<SimulationResult<T>> {
    const failure = new Promise<never>((_, reject) => (this.rejectRun = reject));
    failure.catch(() => undefined);
    const world = { timeline: this.time.timeline, random: seededRandom(this.seed + 2).next };
    try {
      return await withoutRealWorld(world, this.rejectRun, () => this.play(body, failure));
    } catch (error) {
      throw new SimulationError(this.seed, this.log, error);
    }
  }

  private async play<T>(
    body: (world: SimulationWorld) => Promise<T>,
    failure: Promise<never>,
  ): Promise<SimulationResult<T>> {
    const { seed, time } = this;
    const { timeoutMs, options } = this.settings;
    const { members, flags } = options;
    const parts = await startParts({ members, flags, seed, clock: "virtual", listen: false }, undefined, time);
    const cluster = new TestCluster(parts);
    parts.world.network.conditions = normalConditions;
    try {
      const recording = await cluster.record();
      const random = seededRandom(seed + 3);
      const clock = { now: () => time.now(), sleep: (duration: Duration) => time.timeline.sleep(toMs(duration)) };
      const all = this.withFaults(cluster, () =>
        body({ cluster, client: recording.client(), recording, random, clock }),
      );
      const value = await time.flow(Promise.race([all, failure]), timeoutMs);
      const history = recording.history();
      const log = cluster.log();
      return { seed, value, history, log, digest: digestOf(log, history), elapsedMs: time.now() };
    } finally {
      this.log = cluster.log();
      await cluster.close();
      await endParts(parts);
    }
  }

  /** Runs the code while faults are injected and removed. */
  private async withFaults<T>(cluster: TestCluster, body: () => Promise<T>): Promise<T> {
    const { time, seed } = this;
    const { kinds, faultEveryMs } = this.settings;
    let isOver = false;
    const faults = injectFaults({
      cluster,
      kinds,
      faultEveryMs,
      random: seededRandom(seed + 4),
      isOver: () => isOver,
      timeline: time.timeline,
    });
    faults.catch((error: unknown) => this.rejectRun(asError(error)));
    try {
      return await body();
    } finally {
      isOver = true;
    }
  }
}

const digestOf = (log: readonly string[], { operations }: History): string => {
  const hash = createHash("sha256");
  for (const line of [...log, ...operations.map(operationText)]) hash.update(`${line}\n`);
  return hash.digest("hex").slice(0, 16);
};
