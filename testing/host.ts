// A machine with one member: the real member, on a simulated disk, network and clock. The disk outlives the member's processes.

import { join } from "node:path";
import { errorCode } from "../platform/index.js";
import type { CoreStatus, MemberId, Outgoing } from "../raft/index.js";
import { errorText, type LogFields, type Logger } from "../server/base/index.js";
import { configFromFlags, defaultFlags, type MemberConfig } from "../server/config/index.js";
import {
  type MemberParts,
  memberServices,
  type MemberServices,
  openReplica,
  type Replica,
} from "../server/member/index.js";
import { SimDisk, type DiskOperation, type OperationKind } from "./sim-disk.js";
import { seededRandom, type SeededRandom } from "./random.js";
import { makeSimulatedSecrets } from "./same-thread-passwords.js";
import { ProcessClock, SimProcess } from "./process.js";
import type { Scheduler } from "./scheduler.js";
import type { SimNetwork } from "./sim-network.js";
import { SimStores, type StoreConditions, type StoreFiles } from "./sim-store.js";
import type { EventLog } from "./event-log.js";
import { MomentHooks, type Moment } from "./moment-hooks.js";

/** Small, so that a write of three keys is applied in several slices, between which other events happen. */
const smallSlices = { changesPerSlice: 2, changesSentAtOnce: 2, entriesPerSlice: 5, diskReadsPerSlice: 5 };

/** Settings that all hosts of a cluster have in common. */
export interface ClusterSettings {
  /** The names of the members, in order. */
  readonly members: readonly string[];
  readonly times: ClusterTimes;
  readonly log: LogSettings;
  readonly store: StoreSettings;
}

/** Intervals, in milliseconds. */
export interface ClusterTimes {
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly watchProgressMs: number;
  /** The time between the checkpoints of a lease; absent: longer than any simulation. */
  readonly leaseCheckpointMs?: number | undefined;
}

/** The log of each host. */
export interface LogSettings {
  readonly segmentBytes: number;
  /** The log is compacted after every `snapshotCount` entries, and `snapshotCatchUpEntries` of them are kept. */
  readonly snapshotCount: number;
  readonly snapshotCatchUpEntries: number;
}

/** The store of each host. */
export interface StoreSettings {
  /** Longest time of a read ahead in a store without faults, in milliseconds. */
  readonly readMs: number;
  /** The quota, in bytes; absent: so large that it is never reached. */
  readonly quotaBytes?: number | undefined;
  /** Whether members deactivate their own alarms NOSPACE. */
  readonly shouldDisarmItself?: boolean;
}

/** Receives the events of a host. */
export interface HostObserver {
  /** A member has opened its files and begins to take part. */
  readonly onOpened: (host: Host, replica: Replica) => void;
  /** Called when the process has ended, whatever the reason. */
  readonly onDied: (host: Host) => void;
  /** Called when the member leads a term. */
  readonly onLeads: (host: Host, status: CoreStatus) => void;
  /** Called when the member, which has this id, sends a message to another. */
  readonly onSend: (host: Host, id: MemberId, outgoing: Outgoing) => void;
  /** Called with an error that no fault explains. */
  readonly onBug: (error: Error) => void;
}

/** The state of the disk, except for the rows of the store. */
export interface DiskConditions {
  /** Longest time of an operation, in milliseconds. */
  maxMs: number;
  /** The next write fails. */
  failsNext: boolean;
}

/** A running member whose files are open. */
export interface Running {
  readonly replica: Replica;
  readonly services: MemberServices;
  /** True once the member has joined: clients are served. */
  isReady: boolean;
}

/** Longest time that a stopping host gives to calls in progress. */
const graceMs = 500;

/** A simulated machine: its disk and its stores outlive the member process that runs on it. */
export class Host {
  readonly files: SimDisk;
  readonly disk: DiskConditions = { maxMs: 1, failsNext: false };
  readonly storeDisk: StoreConditions;
  readonly config: MemberConfig;
  readonly hooks = new MomentHooks();
  process: SimProcess | undefined;
  running: Running | undefined;
  /** A fault that may make this incarnation fail has been injected. */
  mayFail = false;
  /** True if the member did not start because its disk is full: the faults start it once there is space. */
  lacksSpace = false;
  /** A bit of a file has been flipped. */
  isRotten = false;
  private isStopping = false;
  /** Whether `start` was called during a stop: the host then starts after it. */
  private startsAgain = false;
  /** Rate of the host's clock; 1: the simulation's. */
  clockRate = 1;
  starts = 0;
  /** Number of starts that have opened the files. */
  opened = 0;
  private readonly stores: SimStores;
  private readonly random: SeededRandom;

  constructor(
    readonly name: string,
    private readonly settings: ClusterSettings,
    private readonly scheduler: Scheduler,
    private readonly network: SimNetwork,
    private readonly eventLog: EventLog,
    private readonly seed: number,
    private readonly observer: HostObserver,
  ) {
    this.random = seededRandom(seed);
    this.storeDisk = { ...this.healthyStore, failsNext: false };
    this.files = new SimDisk({ random: seededRandom(seed + 1), schedule: (end) => this.onDiskEnd(end) });
    this.files.onOperation = (operation) => this.diskFault(operation);
    this.stores = new SimStores({
      disk: this.files,
      conditions: this.storeDisk,
      random: this.random,
      onWrite: () => this.onReached("write store"),
    });
    this.config = configOf(name, settings);
  }

  /** Starts the member's process. */
  start(): void {
    if (this.process !== undefined) {
      this.startsAgain = this.isStopping;
      return;
    }
    this.starts++;
    this.mayFail = this.isRotten || this.disk.failsNext || this.storeDisk.failsNext;
    this.isStopping = this.startsAgain = this.lacksSpace = false;
    const process = new SimProcess(this.scheduler, (error) => {
      this.reportBug("threw, and nobody caught it", error);
    });
    this.process = process;
    this.eventLog.addLine(`${this.name} starts (start ${this.starts})`);
    void this.run(process);
  }

  /** The conditions of the store's disk without faults. */
  get healthyStore(): Omit<StoreConditions, "failsNext"> {
    return { maxWriteMs: 2, maxReadMs: this.settings.store.readMs };
  }

  get isUp(): boolean {
    return this.process !== undefined;
  }

  /** Ends the process at once. With the power cut, what was not synced is lost. */
  crash(how: "kill" | "powerCut"): void {
    const { process } = this;
    if (process === undefined) return;
    this.files[how]();
    this.endProcess(process, how === "kill");
  }

  /** Stops the member, as SIGTERM does. */
  async stop(): Promise<void> {
    const { process, running } = this;
    if (process === undefined || running === undefined) return;
    this.isStopping = true;
    running.isReady = false; // no new calls
    try {
      await running.replica.transferLeadership();
      await process.sleep(this.random.next() * graceMs); // time for calls in progress, which may be too short for some
      this.running = undefined;
      this.observer.onDied(this);
      await running.replica.close();
    } catch (error) {
      this.onFailed(process, error);
    }
    if (this.process !== process) return;
    this.files.kill();
    this.endProcess(process, true);
    if (this.startsAgain) this.start();
  }

  /** The member has reached the moment. */
  onReached(moment: Moment | `send ${Outgoing["message"]["kind"]}`): void {
    if (this.isUp) this.hooks.onReached(moment);
  }

  pause(): void {
    this.process?.pause();
  }

  resume(): void {
    this.process?.resume(this.random.chance(0.5) ? "input" : "timers");
  }

  /** The files of the store that is in use. */
  get storeFiles(): StoreFiles | undefined {
    const member = join(this.config.member.dataDir, "member");
    const current = this.files.contents().get(join(member, "store-current"));
    const [name = ""] = Buffer.from(current ?? [])
      .toString()
      .split("\n");
    return this.stores.at(join(member, name));
  }

  private endProcess(process: SimProcess, isNotified: boolean): void {
    process.die();
    this.process = undefined;
    this.running = undefined;
    this.network.onDied(process, { isNotified });
    this.observer.onDied(this);
  }

  private async run(process: SimProcess): Promise<void> {
    const clock = new ProcessClock(process, this.clockRate, this.random.between(0, 1_000_000));
    const random = seededRandom(this.random.between(0, 2 ** 31)).next;
    const environment = { clock, random, logger: this.logger(), secrets: makeSimulatedSecrets(random) };
    try {
      const replica = await openReplica(this.parts(process), this.config, environment, {
        onFailure: (error) => this.onFailed(process, error),
        onStatusChange: (status) => {
          if (status.role !== "leader") return;
          this.observer.onLeads(this, status);
          this.onReached("lead");
        },
      });
      const services = memberServices(this.config, environment, replica);
      const running: Running = { replica, services, isReady: false };
      this.running = running;
      this.opened++;
      this.observer.onOpened(this, replica);
      await replica.publish({ name: this.name, clientUrls: [`unix://${this.name}-client`] });
      running.isReady = true;
      this.eventLog.addLine(`${this.name} serves clients`);
    } catch (error) {
      if (!this.isStopping) this.onFailed(process, error);
    }
  }

  /** The member has failed: its process ends. */
  private onFailed(process: SimProcess, error: unknown): void {
    if (this.process !== process) return;
    this.lacksSpace =
      this.files.capacityBytes < Infinity &&
      (errorText(error).startsWith("no space left for") || (this.running === undefined && isOfFullDisk(error)));
    if (!this.mayFail && !this.lacksSpace) {
      this.reportBug("failed, though nothing was done to its disk", error);
      return;
    }
    this.eventLog.addLine(`${this.name} stops by itself: ${errorText(error)}`);
    this.scheduler.after(0, () => {
      if (this.process === process) this.crash("kill");
    });
  }

  private reportBug(what: string, error: unknown): void {
    const cause = error instanceof Error ? error : new Error(String(error));
    this.observer.onBug(new Error(`${this.name} ${what}: ${errorText(cause)}`, { cause }));
  }

  private parts(process: SimProcess): MemberParts {
    const disk = this.files.boot();
    return {
      disk,
      segmentBytes: this.settings.log.segmentBytes,
      openBackend: (path) => this.stores.open(path, disk, process),
      storeLimits: smallSlices,
      connect: (options) =>
        this.network.connect({
          name: this.name,
          process,
          options,
          onSend: (outgoing) => this.onSent(options.self, outgoing),
        }),
    };
  }

  private onSent(id: MemberId, outgoing: Outgoing): void {
    this.observer.onSend(this, id, outgoing);
    this.onReached(`send ${outgoing.message.kind}`);
  }

  /** Ends an operation of the disk after its time. Operations may overtake each other, as in a pool of threads. */
  private onDiskEnd(end: () => void): void {
    const { process } = this;
    this.scheduler.after(this.random.next() * this.disk.maxMs, () => process?.receive(end));
  }

  private diskFault(operation: DiskOperation): Error | undefined {
    const moment = momentOf(operation);
    if (moment !== undefined) this.onReached(moment);
    if (!this.disk.failsNext || operation.kind !== "write") return undefined;
    this.disk.failsNext = false;
    return new Error(`EIO: simulated, write '${operation.path}'`);
  }

  private logger(): Logger {
    const note =
      (level: string) =>
      (message: string, fields: LogFields = {}): void => {
        if (message === "a request failed unexpectedly")
          this.reportBug("failed a request unexpectedly", fields["error"]);
        const error = "error" in fields ? `: ${errorText(fields["error"])}` : "";
        if (level === "info" || level === "debug") this.eventLog.addDetail(`${this.name} says: ${message}${error}`);
        else this.eventLog.addLine(`${this.name} ${level}: ${message}${error}`);
      };
    return { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error"), fatal: note("fatal") };
  }
}

/** Whether an error is, or was caused by, a write for which the disk had no space: a member then does not start. */
const isOfFullDisk = (error: unknown): boolean =>
  error instanceof Error && (errorCode(error) === "ENOSPC" || isOfFullDisk(error.cause));

/** Returns the moment that an operation of the disk belongs to. */
const momentOf = ({ kind, path }: DiskOperation): Moment | undefined => {
  if (path.includes("/wal")) return isLogMoment(kind) ? `${kind} log` : undefined;
  return changing.has(kind) ? "replace file" : undefined;
};

const isLogMoment = (kind: OperationKind): kind is "write" | "rename" | "remove" =>
  kind === "write" || kind === "rename" || kind === "remove";

const changing = new Set<OperationKind>(["write", "rename", "syncDirectory", "makeDirectory", "removeTree"]);

const configOf = (name: string, { members, times, log, store }: ClusterSettings): MemberConfig => {
  const peerUrl = (member: string): string => `unix://${member}-peer`;
  const config = configFromFlags({
    ...defaultFlags,
    name,
    dataDir: `/srv/${name}`,
    listenClientUrls: `unix://${name}-client`,
    advertiseClientUrls: `unix://${name}-client`,
    listenPeerUrls: peerUrl(name),
    initialAdvertisePeerUrls: peerUrl(name),
    initialCluster: members.map((member) => `${member}=${peerUrl(member)}`).join(","),
    heartbeatInterval: String(times.heartbeatMs),
    electionTimeout: String(times.electionMs),
    watchProgressNotifyInterval: `${times.watchProgressMs}ms`,
    quotaBackendBytes: String(store.quotaBytes ?? defaultFlags.quotaBackendBytes),
    autoDisarmNospace: String(store.shouldDisarmItself ?? false),
  });
  const { snapshotCount, snapshotCatchUpEntries } = log;
  const { leaseCheckpointMs = config.store.leaseCheckpointMs } = times;
  return {
    ...config,
    raft: { ...config.raft, snapshotCount, snapshotCatchUpEntries },
    store: { ...config.store, leaseCheckpointMs },
  };
};
