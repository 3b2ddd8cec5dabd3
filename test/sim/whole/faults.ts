// Brings the faults of a plan about, and takes all of them back at the end.

import { MoveLeaderRequest, MoveLeaderResponse } from "../../../proto/index.js";
import { seededRandom, type SeededRandom } from "../random.js";
import type { Host, Moment } from "./host.js";
import { told } from "./kv-client.js";
import type { Fault } from "./plan.js";
import type { Rpc } from "./rpc.js";
import type { Scheduler } from "./scheduler.js";
import { fairWeather, type SimNetwork } from "./sim-network.js";
import type { Story } from "./story.js";

const moments: readonly Moment[] = [
  "send vote",
  "send voteReply",
  "send append",
  "send appendReply",
  "send timeoutNow",
  "write log",
  "rename log",
  "write store",
  "replace file",
];

/** What a full disk has left: less than a segment of the log takes, and enough for the small files, as with a reserve. */
const smallFilesBytes = 1_024;

const moveLeaderPath = "/etcdserverpb.Maintenance/MoveLeader";

export interface FaultsOptions {
  readonly rpc: Rpc;
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly hosts: readonly Host[];
  readonly story: Story;
  readonly electionMs: number;
}

/** A file with a bit that is not as it was written. */
interface Rotten {
  readonly host: Host;
  /** How often the member had opened its files before: since it did again, they are not what they were. */
  readonly opened: number;
  readonly repair: () => void | Promise<void>;
}

export class Faults {
  /** How many of each kind were injected. */
  readonly counts: Record<string, number> = {};
  private isOver = false;
  /** Rotten bits: how they become what they were. */
  private readonly rotten: Rotten[] = [];

  constructor(private readonly options: FaultsOptions) {}

  schedule(fault: Fault): void {
    this.options.scheduler.after(fault.at - this.options.scheduler.now, () => {
      if (!this.isOver) this.inject(fault);
    });
  }

  /** Everything works again, from here on. */
  async healAll(): Promise<void> {
    this.isOver = true;
    const { hosts, network, story } = this.options;
    story.tell("all faults end");
    network.weather = fairWeather;
    network.healAll();
    for (const host of hosts) {
      host.resume();
      host.setTrap(undefined);
      host.disk.maxMs = 1;
      host.disk.failsNext = false;
      Object.assign(host.storeDisk, host.healthyStore, { failsNext: false });
      host.files.capacityBytes = Infinity;
    }
    for (const { host, opened, repair } of this.rotten) {
      host.isRotten = false;
      if (host.opened === opened) await repair();
    }
    for (const host of hosts) if (host.mayFail) host.crash("kill");
    for (const host of hosts) host.start();
  }

  private inject(fault: Fault): void {
    const random = seededRandom(fault.seed);
    const host = this.victim(fault, random);
    this.counts[fault.kind] = (this.counts[fault.kind] ?? 0) + 1;
    this.options.story.tell(`fault: ${fault.kind} at ${host.name} for ${fault.ms.toFixed(0)} ms`);
    switch (fault.kind) {
      case "kill":
      case "powerCut":
        return this.crash(host, fault.kind, fault.ms, random);
      case "powerCutAll":
        for (const each of this.options.hosts) this.crash(each, "powerCut", random.next() * fault.ms, random);
        return;
      case "stop":
        void host.stop().then(() => this.restartAfter(host, fault.ms));
        return;
      case "pause":
        host.pause();
        return this.later(fault.ms, () => host.resume());
      case "isolate":
      case "oneWay":
      case "split":
      case "flap":
      case "closeLinks":
        return this.cutWays(fault.kind, fault.ms, host, random);
      case "weather":
        return this.changeWeather(fault, random);
      case "slowLog":
        host.disk.maxMs = random.pick([5, 50, 0.5 * this.options.electionMs]);
        return this.later(fault.ms, () => (host.disk.maxMs = 1));
      case "slowStore":
        Object.assign(host.storeDisk, { maxWriteMs: random.pick([20, 500]), maxReadMs: random.pick([1, 10, 100]) });
        return this.later(fault.ms, () => Object.assign(host.storeDisk, host.healthyStore));
      case "logError":
        return this.failNext(host, host.disk, fault);
      case "storeError":
        return this.failNext(host, host.storeDisk, fault);
      case "diskFull":
        host.files.capacityBytes = host.files.usedBytes + smallFilesBytes;
        return this.later(fault.ms, () => (host.files.capacityBytes = Infinity));
      case "logRot":
      case "storeRot":
        return this.rot(fault, host, random);
      case "moveLeader":
        return this.moveLeader(host, random);
      case "crashAtMoment":
        return this.crashAtMoment(fault, host, random);
    }
  }

  /** Dies at once, or with the next write of its log, which is half done then. */
  private crash(host: Host, how: "kill" | "powerCut", ms: number, random: SeededRandom): void {
    const die = (): void => {
      host.crash(how);
      this.restartAfter(host, ms);
    };
    if (random.chance(0.5)) die();
    else host.setTrap({ moment: "write log", skip: random.between(0, 2), spring: die });
  }

  /** Dies in the middle of something that should be done as a whole, or not be spoken of before it is. */
  private crashAtMoment(fault: Fault, host: Host, random: SeededRandom): void {
    const how = random.pick(["kill", "powerCut"] as const);
    const die = (): void => {
      host.crash(how);
      this.restartAfter(host, fault.ms);
    };
    const isAtOnce = random.chance(0.5);
    const spring = (): void => (isAtOnce ? die() : this.later(random.next() * 2, die));
    host.setTrap({ moment: random.pick(moments), skip: random.between(0, 3), spring });
  }

  /** Somebody asks a member to hand leadership over, whether or not it leads. */
  private moveLeader(host: Host, random: SeededRandom): void {
    const { rpc, hosts, electionMs } = this.options;
    const targetID = random.pick(hosts).running?.replica.id;
    if (targetID === undefined) return;
    const method = { path: moveLeaderPath, request: MoveLeaderRequest, response: MoveLeaderResponse };
    void rpc.call(host, method, { targetID }, 3 * electionMs).then((outcome) => {
      this.options.story.tell(`moving the lead away from ${host.name}: ${told(outcome)}`);
    });
  }

  /** What is between members passes no more, in one of many ways. */
  private cutWays(
    kind: "isolate" | "oneWay" | "split" | "flap" | "closeLinks",
    ms: number,
    host: Host,
    random: SeededRandom,
  ): void {
    const { network, hosts } = this.options;
    const others = hosts.filter((each) => each !== host);
    const other = random.pick(others);
    const isTold = random.chance(0.5);
    switch (kind) {
      case "isolate":
        for (const each of others) this.cut(host, each, isTold);
        return this.later(ms, () => others.forEach((each) => this.join(host, each)));
      case "oneWay": {
        const [from, to] = random.chance(0.5) ? [host, other] : [other, host];
        network.block(from.name, to.name);
        return this.later(ms, () => network.unblock(from.name, to.name));
      }
      case "split": {
        const left = hosts.filter(() => random.chance(0.5));
        const pairs = left.flatMap((one) =>
          hosts.filter((each) => !left.includes(each)).map((each) => [one, each] as const),
        );
        for (const [one, each] of pairs) this.cut(one, each, isTold);
        return this.later(ms, () => pairs.forEach(([one, each]) => this.join(one, each)));
      }
      case "flap":
        for (let at = 0; at < ms; at += 40 + random.next() * 200) {
          this.later(at, () => this.cut(host, other, random.chance(0.5)));
          this.later(at + 10 + random.next() * 100, () => this.join(host, other));
        }
        return this.later(ms + 500, () => this.join(host, other));
      case "closeLinks":
        network.closeLinks(host.name, other.name);
    }
  }

  private changeWeather({ ms }: Fault, random: SeededRandom): void {
    this.options.network.weather = {
      maxDelayMs: random.pick([1, 5, 30, 0.3 * this.options.electionMs]),
      loss: random.pick([0, 0, 0.02, 0.2]),
      repeat: random.pick([0, 0, 0.1]),
      reorder: random.pick([0, 0, 0.1]),
    };
    this.later(ms, () => (this.options.network.weather = fairWeather));
  }

  private victim({ hitsLeader }: Fault, random: SeededRandom): Host {
    const { hosts } = this.options;
    const leaders = hosts.filter(({ running }) => running?.replica.node.status().role === "leader");
    const any = random.pick(hosts);
    return hitsLeader && leaders.length > 0 ? random.pick(leaders) : any;
  }

  private later(ms: number, act: () => void): void {
    this.options.scheduler.after(ms, () => {
      if (!this.isOver) act();
    });
  }

  private restartAfter(host: Host, ms: number): void {
    if (this.isOver) host.start();
    else this.later(ms, () => host.start());
  }

  private cut(one: Host, other: Host, isTold: boolean): void {
    const { network } = this.options;
    if (isTold) network.closeLinks(one.name, other.name);
    network.block(one.name, other.name);
    network.block(other.name, one.name);
  }

  private join(one: Host, other: Host): void {
    this.options.network.unblock(one.name, other.name);
    this.options.network.unblock(other.name, one.name);
  }

  /** The next write fails: the member stops, or serves no more than reads; after a while somebody starts it again. */
  private failNext(host: Host, disk: { failsNext: boolean }, fault: Fault): void {
    if (!host.isUp) return;
    host.mayFail = true;
    disk.failsNext = true;
    this.later(Math.max(fault.ms, 300), () => {
      disk.failsNext = false;
      host.crash("kill");
      host.start();
    });
  }

  /** A bit changes while the member is down. It must not start then; in the end somebody brings the file back. */
  private rot(fault: Fault, host: Host, random: SeededRandom): void {
    if (this.rotten.length > 0) return; // a majority stays healthy
    host.crash("kill");
    const rotten = fault.kind === "logRot" ? rotLog(host, random) : host.storeFiles?.rot();
    void Promise.resolve(rotten).then((repair) => {
      if (repair !== undefined) this.rotten.push({ host, opened: host.opened, repair });
      host.isRotten = true;
      this.restartAfter(host, fault.ms);
    });
  }
}

/** One bit of one segment of the log changes. */
const rotLog = (host: Host, random: SeededRandom): (() => void) | undefined => {
  const segments = [...host.files.contents()].filter(([name]) => name.endsWith(".wal"));
  if (segments.length === 0) return undefined;
  const [name, bytes] = random.pick(segments);
  const rotten = bytes.slice();
  const at = random.between(0, rotten.length - 1);
  rotten[at] = (rotten[at] ?? 0) ^ (1 << random.between(0, 7));
  host.files.place(name, rotten);
  return () => host.files.place(name, bytes);
};
