// A member's machine: its disk, its port, and the current process of the member.

import type { StatusError } from "../../../client/index.js";
import type { Clock } from "../../../platform/index.js";
import type { Application } from "../../../server/app/index.js";
import { errorText } from "../../../server/base/index.js";
import type { MemberConfig } from "../../../server/config/index.js";
import {
  type MemberEnvironment,
  type MemberParts,
  type MemberServices,
  memberServices,
  openReplica,
} from "../../../server/member/index.js";
import {
  ProcessClock,
  type SeededRandom,
  type SimNetwork,
  SimProcess,
  makeSimulatedSecrets,
  type Timeline,
} from "../../index.js";
import type { ClientPort } from "./client-port.js";
import { closedText } from "../base/index.js";
import type { LogRing } from "./log-ring.js";
import { RootAccess } from "./root-access.js";
import type { RunningMember } from "./running-member.js";
import type { Storage } from "./storage.js";

/** The parts of the simulation that the machines of a cluster share. */
export interface World {
  readonly timeline: Timeline;
  readonly network: SimNetwork;
  readonly random: SeededRandom;
  readonly log: LogRing;
}

/** The parts of one machine. */
export interface MachineParts {
  readonly config: MemberConfig;
  readonly storage: Storage;
  /** Makes empty storage in memory, for a reset; undefined: the files are removed instead. */
  readonly emptyStorage: (() => Storage) | undefined;
  /** The port for clients in other processes; undefined: none. */
  readonly port: ClientPort | undefined;
  /** Adds faults to the operations of a member. */
  readonly wrap: (application: Application) => Application;
}

/** The state of a member: `down` after a kill or a failure of its own. */
export type MemberState = "starting" | "running" | "frozen" | "down";

/** Receives the events of a machine; implemented by connections of clients in this process. */
export interface MachineWatcher {
  /** The member begins or stops serving. */
  onChanged(): void;
  /** The member was replaced. All earlier requests end with `failure`, also requests that wait for a connection. */
  onReplaced(failure: StatusError): void;
}

/** Size of a segment: small, because a cluster in memory creates segments fast and keeps few. */
const segmentBytes = 1024 * 1024;

/** Compactions make no pauses, which would need virtual time to pass. */
const storeLimits = { compactionRestMs: 0 };

/** A member that can serve clients, and its storage. */
interface Booted {
  readonly member: RunningMember;
  readonly storage: Storage;
}

/** Options of the end of a member's process. */
export interface EndOptions {
  /** True: writes that were not synced are lost, as in a power cut. False: they are kept, as after `kill -9`. */
  readonly loseUnsynced: boolean;
}

/** A machine of a cluster. */
export class Machine {
  readonly config: MemberConfig;
  state: MemberState = "down";
  /** The error with which the member stopped by itself. */
  failure: Error | undefined;
  /** The member while it serves. */
  running: RunningMember | undefined;
  private readonly watchers = new Set<MachineWatcher>();
  private process: SimProcess | undefined;
  private held: Storage;
  /** A member that has been started in advance, for the next reset. */
  private spare: Promise<Booted | undefined> | undefined;
  private spareProcess: SimProcess | undefined;
  private isClosed = false;

  constructor(
    private readonly world: World,
    private readonly parts: MachineParts,
  ) {
    this.config = parts.config;
    this.held = parts.storage;
  }

  /** The disk with the rows of the stores. */
  get storage(): Storage {
    return this.held;
  }

  /** Sets the storage before the first start. */
  useStorage(storage: Storage): void {
    this.held = storage;
  }

  /**
   * Makes the member write all applied entries to its store, so that a copy of the storage need not read them from the log. Also
   * resolves if the member cannot write or dies: a copy then has the contents of the disk.
   */
  flush(): Promise<void> {
    const { running } = this;
    if (this.state !== "running" || running === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        stopWatching();
        resolve();
      };
      const stopWatching = this.watch({ onChanged: done, onReplaced: done });
      running.replica.store.flush().then(done, done);
    });
  }

  /** Copies the current storage; undefined: the storage is on the machine's disk. */
  copyStorage(): Storage | undefined {
    const isRunning = this.state === "running";
    return this.held.copy?.(isRunning ? this.running?.replica.store.image() : undefined);
  }

  get name(): string {
    return this.config.member.name;
  }

  /** Reports changes of the member's state to a watcher. @returns a function that removes the watcher */
  watch(watcher: MachineWatcher): () => void {
    this.watchers.add(watcher);
    return () => void this.watchers.delete(watcher);
  }

  /**
   * Starts the member's process. Resolves when it serves clients.
   *
   * @param onOpened called when the member has read its disk; afterwards it may wait for other members
   */
  async start(onOpened: () => void = () => undefined): Promise<void> {
    if (this.isClosed) throw new Error(closedText);
    if (this.process !== undefined) throw new Error(`Cannot start ${this.name}: it runs`);
    const { storage } = this;
    const process = this.newProcess();
    this.process = process;
    this.state = "starting";
    this.failure = undefined;
    try {
      const member = await this.boot(process, storage, onOpened);
      if (this.process === process) this.serve({ member, storage });
    } catch (error) {
      this.onFailed(process, error);
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

  /** Fills the disk, or frees space again. The log is notified at once, because it would notice only at its next segment. */
  fillDisk(isFull: boolean): void {
    this.storage.disk.isFull = isFull;
    this.running?.replica.space.onFull(isFull, "space");
  }

  /** Ends the process at once. Its files are kept, without unsynced writes if `loseUnsynced`. */
  async kill({ loseUnsynced }: EndOptions): Promise<void> {
    const { process } = this;
    if (process === undefined) return;
    process.die();
    this.process = undefined;
    this.running = undefined;
    this.state = "down";
    this.world.network.onDied(process, { isNotified: true });
    this.parts.port?.cut();
    this.notifyChanged();
    this.storage.disk.cleanUp({ loseUnsynced });
    await this.storage.backends.closeStores();
  }

  /** Ends the requests of clients in this process, also those that wait for a member. */
  interrupt(failure: StatusError): void {
    for (const watcher of [...this.watchers]) watcher.onReplaced(failure);
  }

  /**
   * Starts the member with empty storage and without faults, after the process has ended.
   *
   * @param hasPeers false: the cluster has one member, and the member for the next reset can be started in advance
   */
  async reset({ hasPeers }: { readonly hasPeers: boolean }): Promise<void> {
    const { emptyStorage } = this.parts;
    const spare = await this.spare;
    this.spare = this.spareProcess = undefined;
    if (this.isClosed) throw new Error(closedText);
    if (emptyStorage !== undefined) this.held = emptyStorage();
    else await this.removeFiles();
    if (spare === undefined) await this.start();
    else this.serve(spare);
    if (emptyStorage !== undefined && !hasPeers) this.spare = this.startSpare(emptyStorage());
  }

  /** Kills the member for good, and closes its port. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.spareProcess?.die();
    await this.kill({ loseUnsynced: true });
    await this.parts.port?.close();
  }

  private newProcess(): SimProcess {
    const process: SimProcess = new SimProcess(this.world.timeline, (error) => this.onFailed(process, error));
    return process;
  }

  /** Starts a member in a process. Resolves when the member can serve clients; never, if the process dies. */
  private async boot(process: SimProcess, storage: Storage, onOpened = (): void => undefined): Promise<RunningMember> {
    const { config } = this;
    const environment = this.environmentOf(process);
    const replica = await openReplica(this.memberParts(process, storage), config, environment, {
      onFailure: (error) => this.onFailed(process, error),
      onStatusChange: () => undefined,
    });
    onOpened();
    const services = memberServices(config, environment, replica, this.parts.wrap);
    await replica.publish({
      name: config.member.name,
      clientUrls: config.urls.advertiseClient.map(({ text }) => text),
    });
    let plain: MemberServices | undefined;
    return {
      process,
      replica,
      services,
      get plainServices(): MemberServices {
        return (plain ??= memberServices(config, environment, replica, undefined, new RootAccess(replica)));
      },
      environment,
    };
  }

  /** Makes this member serve clients from now on. */
  private serve({ member, storage }: Booted): void {
    this.process = member.process;
    this.held = storage;
    this.failure = undefined;
    this.running = member;
    this.state = "running";
    this.parts.port?.serve(member, this.config);
    this.notifyChanged();
  }

  private async startSpare(storage: Storage): Promise<Booted | undefined> {
    const process = this.newProcess();
    this.spareProcess = process;
    try {
      return { member: await this.boot(process, storage), storage };
    } catch (error) {
      this.world.log.add(this.name, "error", "could not be started ahead of a reset", { error });
      return undefined;
    }
  }

  private async removeFiles(): Promise<void> {
    const { disk, backends } = this.storage;
    disk.isFull = false;
    disk.syncDelayMs = 0;
    await disk.removeTree(this.config.member.dataDir);
    backends.onRemoved(this.config.member.dataDir);
  }

  private notifyChanged(): void {
    for (const watcher of [...this.watchers]) watcher.onChanged();
  }

  private environmentOf(process: SimProcess): MemberEnvironment {
    const { random, log } = this.world;
    const clock: Clock = new ProcessClock(process, 1, 0);
    const logger = log.loggerOf(this.name, () => process.isAlive);
    return { clock, random: random.next, logger, secrets: makeSimulatedSecrets(random.next) };
  }

  private memberParts(process: SimProcess, storage: Storage): MemberParts {
    const { name } = this;
    const { backends } = storage;
    const disk = storage.disk.boot(process);
    return {
      disk,
      segmentBytes,
      storeLimits,
      openBackend: (path) => backends.open(path, disk, process),
      connect: (options) => this.world.network.connect({ name, process, options, onSend: () => undefined }),
    };
  }

  /** The member has failed: its process ends. */
  private onFailed(process: SimProcess, error: unknown): void {
    if (this.process !== process) return;
    this.failure = error instanceof Error ? error : new Error(errorText(error), { cause: error });
    this.world.log.add(this.name, "fatal", "stopped by itself", { error: this.failure });
    void this.kill({ loseUnsynced: false });
  }
}
