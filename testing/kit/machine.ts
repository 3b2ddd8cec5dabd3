// A member's machine: its disk, its port, and the process of the member that runs on it now.

import { StatusError } from "../../client/index.js";
import type { Clock } from "../../platform/index.js";
import type { Application } from "../../server/app/index.js";
import { errorText } from "../../server/base/index.js";
import type { MemberConfig } from "../../server/config/index.js";
import { type MemberEnvironment, memberServices, openReplica, type Replica } from "../../server/member/index.js";
import { ProcessClock, type SeededRandom, type SimNetwork, SimProcess, type Timeline } from "../index.js";
import type { ClientPort } from "./client-port.js";
import type { FaultDisk } from "./fault-disk.js";
import type { BackendKeeper } from "./kept-backends.js";
import type { LogRing } from "./log-ring.js";
import type { RunningMember } from "./running-member.js";
import { statusCodes } from "./status-names.js";

/** The surroundings that the machines of a cluster share. */
export interface World {
  readonly timeline: Timeline;
  readonly network: SimNetwork;
  readonly random: SeededRandom;
  readonly log: LogRing;
}

/** The parts of one machine. */
export interface MachineParts {
  readonly config: MemberConfig;
  readonly disk: FaultDisk;
  readonly backends: BackendKeeper;
  /** Undefined: only clients in this process are served. */
  readonly port: ClientPort | undefined;
  /** Puts faults in front of the operations of a member. */
  readonly wrap: (application: Application) => Application;
}

/** The state of a member: `down` after a kill or a failure of its own. */
export type MemberState = "starting" | "running" | "frozen" | "down";

/** Told that a member begins or ceases to serve; `failure`: how its calls end, if not as those of a member that has died. */
type Watcher = (failure: StatusError | undefined) => void;

/** The text of the error with which the calls of before end. */
const wipedText = "the test server was reset";

/** Small: a cluster in memory makes its segments at once, and keeps few of them. */
const segmentBytes = 1024 * 1024;

/** The end of a member's process. */
export interface EndOptions {
  /** Writes that were not acknowledged are lost, as in a power cut; otherwise the system has them, as after `kill -9`. */
  readonly loseUnsynced: boolean;
  /** The status with which the calls of clients in this process end, if not that of a broken connection. */
  readonly failure?: StatusError;
}

/** One machine of a cluster. */
export class Machine {
  readonly config: MemberConfig;
  readonly disk: FaultDisk;
  state: MemberState = "down";
  /** The error with which the member stopped by itself. */
  failure: Error | undefined;
  /** The member, from the moment on at which it serves. */
  running: RunningMember | undefined;
  /** Called when the member begins or ceases to serve. */
  private readonly watchers = new Set<Watcher>();
  private process: SimProcess | undefined;
  private readonly backends: BackendKeeper;

  constructor(
    private readonly world: World,
    private readonly parts: MachineParts,
  ) {
    this.config = parts.config;
    this.disk = parts.disk;
    this.backends = parts.backends;
  }

  get name(): string {
    return this.config.name;
  }

  /** Calls `changed` when the member begins or ceases to serve. @returns a function that ends this */
  watch(changed: Watcher): () => void {
    this.watchers.add(changed);
    return () => void this.watchers.delete(changed);
  }

  /**
   * Starts the member's process.
   *
   * @param onOpened called when its files are open and it takes part
   * @returns when it serves clients
   */
  async start(onOpened: (replica: Replica) => void = () => undefined): Promise<void> {
    if (this.process !== undefined) throw new Error(`Cannot start ${this.name}: it runs`);
    const process = new SimProcess(this.world.timeline, (error) => this.failed(process, error));
    this.process = process;
    this.state = "starting";
    this.failure = undefined;
    const { config } = this;
    const environment = this.environmentOf(process);
    try {
      const replica = await openReplica(this.memberParts(process), config, environment, {
        onFailure: (error) => this.failed(process, error),
        onStatusChange: () => undefined,
      });
      if (this.process !== process) return;
      onOpened(replica);
      const services = memberServices(config, environment, replica, this.parts.wrap);
      await replica.publish({ name: config.name, clientUrls: config.advertiseClientUrls.map(({ text }) => text) });
      if (this.process !== process) return;
      const plainServices = memberServices(config, environment, replica);
      this.running = { process, replica, services, plainServices };
      this.state = "running";
      this.parts.port?.serve(this.running, config, environment);
      this.changed();
    } catch (error) {
      this.failed(process, error);
      throw error;
    }
  }

  freeze(): void {
    if (this.process === undefined || this.state === "down") throw new Error(`Cannot freeze ${this.name}: it is down`);
    this.process.pause();
    this.parts.port?.pause();
    if (this.state === "running") this.state = "frozen";
  }

  thaw(): void {
    if (this.state === "frozen") this.state = "running";
    this.parts.port?.resume();
    this.process?.resume("input");
  }

  /** Fills the disk, or makes room again. The log is told at once: it would find out with its next segment. */
  fillDisk(isFull: boolean): void {
    this.disk.isFull = isFull;
    this.running?.replica.space.onFull(isFull, "space");
  }

  /** Ends the process at once; its files stay, but for what was not synced, if that is to be lost. */
  async kill({ loseUnsynced, failure }: EndOptions): Promise<void> {
    const { process } = this;
    if (process === undefined) return;
    process.die();
    this.process = undefined;
    this.running = undefined;
    this.state = "down";
    this.world.network.died(process, { isTold: true });
    this.parts.port?.cut();
    this.changed(failure);
    this.disk.settle({ loseUnsynced });
    await this.backends.settle();
  }

  /** Ends the process and removes its files and the faults of its disk. */
  async wipe(): Promise<void> {
    await this.kill({ loseUnsynced: true, failure: new StatusError(statusCodes.FAILED_PRECONDITION, wipedText) });
    this.disk.isFull = false;
    this.disk.syncDelayMs = 0;
    await this.disk.removeTree(this.config.dataDir);
    this.backends.removed(this.config.dataDir);
  }

  /** Kills the member for good, and closes its port. */
  async close(): Promise<void> {
    await this.kill({ loseUnsynced: true });
    await this.parts.port?.close();
  }

  private changed(failure?: StatusError): void {
    for (const changed of [...this.watchers]) changed(failure);
  }

  private environmentOf(process: SimProcess): MemberEnvironment {
    const { random, log } = this.world;
    const clock: Clock = new ProcessClock(process, 1, 0);
    return { clock, random: random.next, logger: log.loggerOf(this.name, () => process.isAlive) };
  }

  private memberParts(process: SimProcess): Parameters<typeof openReplica>[0] {
    const { name, backends } = this;
    const disk = this.disk.boot(process);
    return {
      disk,
      segmentBytes,
      openBackend: (path) => backends.open(path, disk, process),
      connect: (options) => this.world.network.connect({ name, process, options, onSend: () => undefined }),
    };
  }

  /** The member cannot go on by itself. */
  private failed(process: SimProcess, error: unknown): void {
    if (this.process !== process) return;
    this.failure = error instanceof Error ? error : new Error(errorText(error), { cause: error });
    this.world.log.add(this.name, "fatal", "stopped by itself", { error: this.failure });
    void this.kill({ loseUnsynced: false });
  }
}
