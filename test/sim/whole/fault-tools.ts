// Tools for faults. Each fault ends by itself, or at the end of the time with faults.

import {
  normalConditions,
  type Host,
  type Moment,
  type Rpc,
  type Scheduler,
  type SeededRandom,
  type SimNetwork,
  type EventLog,
  type Way,
} from "../../../testing/index.js";

export interface FaultsOptions {
  readonly rpc: Rpc;
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly hosts: readonly Host[];
  readonly eventLog: EventLog;
  readonly electionMs: number;
}

export type Crash = "kill" | "powerCut";

export class FaultTools {
  readonly hosts: readonly Host[];
  readonly network: SimNetwork;
  readonly eventLog: EventLog;
  readonly rpc: Rpc;
  readonly electionMs: number;
  private readonly scheduler: Scheduler;
  private isOver = false;
  private readonly repairs: (() => void | Promise<void>)[] = [];

  constructor({ hosts, network, eventLog, rpc, electionMs, scheduler }: FaultsOptions) {
    this.hosts = hosts;
    this.network = network;
    this.eventLog = eventLog;
    this.rpc = rpc;
    this.electionMs = electionMs;
    this.scheduler = scheduler;
  }

  /** Acts after `ms`, unless the faults have ended by then. */
  actAfter(ms: number, act: () => void): void {
    this.scheduler.after(ms, () => {
      if (!this.isOver) act();
    });
  }

  /** Adds a repair that runs when all faults end, before all members are started again. */
  repairAtEnd(repair: () => void | Promise<void>): void {
    this.repairs.push(repair);
  }

  /** Ends all faults, from now on. */
  async healAll(): Promise<void> {
    this.isOver = true;
    this.eventLog.addLine("all faults end");
    this.network.conditions = normalConditions;
    this.network.healAll();
    for (const host of this.hosts) {
      host.resume();
      host.disk.maxMs = 1;
      host.disk.failsNext = false;
      Object.assign(host.storeDisk, host.healthyStore, { failsNext: false });
      host.files.capacityBytes = Infinity;
    }
    for (const repair of this.repairs) await repair();
    for (const host of this.hosts) if (host.mayFail) host.crash("kill");
    for (const host of this.hosts) host.start();
  }

  // Members.

  /** Picks a member that leads, or believes to. */
  anyLeader(random: SeededRandom): Host | undefined {
    const leaders = this.hosts.filter(({ running }) => running?.replica.node.status().role === "leader");
    return leaders.length > 0 ? random.pick(leaders) : undefined;
  }

  othersThan(host: Host): readonly Host[] {
    return this.hosts.filter((each) => each !== host);
  }

  /** Crashes a host now, and starts it again after `restMs`. */
  crash(host: Host, how: Crash, restMs: number): void {
    if (this.isOver) return;
    if (host.isUp) this.eventLog.addLine(`${host.name} ${how === "kill" ? "is killed" : "loses its power"}`);
    host.crash(how);
    this.restartAfter(host, restMs);
  }

  restartAfter(host: Host, ms: number): void {
    if (this.isOver) host.start();
    else this.actAfter(ms, () => host.start());
  }

  pause(host: Host, ms: number): void {
    this.eventLog.addLine(`${host.name} freezes for ${ms.toFixed(0)} ms`);
    host.pause();
    this.actAfter(ms, () => host.resume());
  }

  // Moments.

  /** Acts when the member comes to the moment for the time number `skip + 1`. */
  actAtMoment(host: Host, moment: Moment, skip: number, act: () => void): void {
    let left = skip;
    const remove = host.hooks.add(moment, () => {
      if (this.isOver || left-- > 0) return;
      remove();
      this.eventLog.addLine(`${host.name} comes to the moment: ${moment}`);
      act();
    });
  }

  /** Acts whenever a member comes to the moment, for `ms`. */
  actAtEveryMoment(moment: Moment, ms: number, act: (host: Host) => void): void {
    for (const host of this.hosts) {
      const remove = host.hooks.add(moment, () => {
        if (!this.isOver) act(host);
      });
      this.actAfter(ms, remove);
    }
  }

  // Ways: directions between two members.

  /** Drops everything on the ways for `ms`, without closing connections. */
  cut(ways: readonly Way[], ms: number): void {
    if (ways.length === 0) return;
    this.eventLog.addLine(`silent for ${ms.toFixed(0)} ms: ${ways.map(({ from, to }) => `${from}→${to}`).join(" ")}`);
    this.actAfter(ms, this.network.cut(ways));
  }

  /** Separates two groups for `ms`; `isNotified`: their connections are closed, otherwise they go silent. */
  separate(these: readonly Host[], those: readonly Host[], ms: number, { isNotified = false } = {}): void {
    const pairs = these.flatMap((one) => those.map((other) => [one.name, other.name] as const));
    if (isNotified) for (const [one, other] of pairs) this.network.closeLinks(one, other);
    const ways = pairs.flatMap(([one, other]) => [
      { from: one, to: other },
      { from: other, to: one },
    ]);
    this.cut(ways, ms);
  }
}

/** Injects one kind of fault. */
export type Injection = (
  /** The member, the duration, and the source of the fault's own random decisions. */
  fault: { readonly host: Host; readonly ms: number; readonly random: SeededRandom },
  tools: FaultTools,
) => void;
