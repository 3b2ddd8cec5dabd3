// One seed determines one history: a whole cluster with its clients, first with faults, then without.

import assert from "node:assert/strict";
import type { MemberId } from "../../../raft/index.js";
import {
  DeleteRangeRequest,
  DeleteRangeResponse,
  HashKVRequest,
  HashKVResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
} from "../../../proto/index.js";
import { AlarmPromises } from "./alarm-promises.js";
import { Faults } from "./faults.js";
import { History } from "./history.js";
import { type Codec, Host, type HostObserver, Rpc, Scheduler, SimNetwork, EventLog } from "../../../testing/index.js";
import { KvClient } from "./kv-client.js";
import { checkLastingLease } from "./lasting-lease.js";
import { LeaseClient, type Leases } from "./lease-client.js";
import { LeasePromises } from "./lease-promises.js";
import { sourceFor, type Plan } from "./plan.js";
import { RaftPromises } from "./raft-promises.js";
import { ReadClient } from "./read-client.js";
import { RecordedOperations } from "./recorded-operations.js";
import { assertSame } from "./same.js";
import { SpaceOperator } from "./space-operator.js";
import { UserAdmin } from "./user-admin.js";
import { UserClient, type UserClientOptions } from "./user-client.js";
import { UserPromises } from "./user-promises.js";
import { WatchClient } from "./watch-client.js";
import { bytes, noCounts, type Counts, type World } from "./world.js";

export interface Result {
  readonly seed: number;
  readonly failure: Error | undefined;
  /** A digest of all events. */
  readonly digest: string;
  readonly eventLog: EventLog;
  readonly counts: Counts & { readonly installs: number };
  /** Number of injected faults by kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** Numbers of log entries, and of events of the simulated machines. */
  readonly entries: number;
  readonly steps: number;
  readonly virtualMs: number;
  /** Time from the end of all faults to the acknowledgement of the first write begun since, in election timeouts. */
  readonly recovery: number;
}

/** Limit of that time, in election timeouts. */
const maxRecovery = 10;
/** Time after the end of all faults within which an operator makes space; a member that disarms itself checks its space every 10 s. */
const maxSpaceMs = 30_000;

export class Simulation {
  private readonly scheduler = new Scheduler();
  private readonly eventLog = new EventLog(() => this.scheduler.now);
  private readonly network: SimNetwork;
  private readonly hosts: readonly Host[];
  private readonly world: World;
  private readonly faults: Faults;
  private readonly kvClients: readonly KvClient[];
  private readonly watchClients: readonly WatchClient[];
  private readonly leaseClients: readonly LeaseClient[];
  private readonly readClient: ReadClient;
  private readonly leases: LeasePromises;
  private readonly admin: UserAdmin;
  private readonly users: readonly UserClient[];
  /** Undefined: there is no quota. */
  private readonly alarms: AlarmPromises | undefined;
  private readonly userPromises: UserPromises;
  private failure: Error | undefined;
  private recovery = Infinity;

  constructor(private readonly plan: Plan) {
    const { seed, settings } = plan;
    const { scheduler, eventLog } = this;
    const source = (purpose: string) => sourceFor(seed, purpose);
    this.network = new SimNetwork(scheduler, source("network"), eventLog);
    const history = new History(
      () => scheduler.now,
      (check) => this.judge(check),
    );
    const rpc = new Rpc(scheduler, source("rpc"), (host, error) =>
      this.fail(new Error(`${host.name} answered a request with an internal error`, { cause: error })),
    );
    const raft = new RaftPromises(Math.floor(settings.members.length / 2) + 1);
    const observer: HostObserver = {
      onOpened: (host, replica) => {
        this.judge(() => raft.onOpened({ name: host.name, id: replica.id }, replica.node.status()));
        history.observe(host.name, replica);
      },
      onDied: (host) => rpc.onHostDied(host),
      onLeads: (host, status) => {
        eventLog.addLine(`${host.name} leads term ${status.term}`);
        this.judge(() => raft.onLeads({ name: host.name, id: status.id }, status));
        this.leases.onLeader(status.term);
      },
      onSend: (host, id, outgoing) => {
        const { to, message } = outgoing;
        if (message.kind === "voteReply" && message.granted)
          eventLog.addLine(`${host.name} votes for ${this.nameOf(to)} in term ${message.term}`);
        this.judge(() => raft.onSend({ name: host.name, id }, outgoing));
      },
      onBug: (error: Error) => this.fail(error),
    };
    this.hosts = settings.members.map((name, at) => {
      const seedOfHost = source(`host ${name}`).between(0, 2 ** 31);
      const host = new Host(name, settings, scheduler, this.network, eventLog, seedOfHost, observer);
      host.clockRate = plan.clockRates[at] ?? 1;
      return host;
    });
    history.onEntry((name, entry) => {
      const host = this.hosts.find((each) => each.name === name);
      const term = host?.running?.replica.node.status().term;
      if (term !== undefined) raft.onEntry(entry, term);
      host?.onReached("apply first");
    });
    this.world = {
      scheduler,
      rpc,
      hosts: this.hosts,
      history,
      eventLog,
      timeoutMs: plan.timeoutMs,
      clockRates: { fastest: Math.max(...plan.clockRates), slowest: Math.min(...plan.clockRates) },
      electionMs: settings.times.electionMs,
      hasQuota: settings.store.quotaBytes !== undefined,
      leaseCheckpointMs: settings.times.leaseCheckpointMs,
      isCalm: false,
      isOver: false,
      floor: 1,
      counts: noCounts(),
      operations: new RecordedOperations(),
    };
    this.faults = new Faults({ ...this.world, network: this.network, electionMs: settings.times.electionMs });
    this.kvClients = Array.from({ length: plan.kvClients }, (_, n) => {
      const { keys, meanThinkMs, maxValueBytes } = plan;
      const options = { keys, meanThinkMs, maxValueBytes, compacts: n === 0 };
      return new KvClient(`client${n + 1}`, this.world, source(`client ${n}`), options);
    });
    this.watchClients = Array.from({ length: plan.watchClients }, (_, n) => {
      const options = { keys: plan.keys, meanInterruptionMs: 400, mayLackUser: plan.hasUsers };
      return new WatchClient(`watcher${n + 1}`, this.world, source(`watcher ${n}`), options);
    });
    this.readClient = new ReadClient("reader", this.world, source("reader"));
    const leases: Leases = new Map();
    this.leases = new LeasePromises(this.world, leases);
    this.leaseClients = Array.from({ length: plan.leaseClients }, (_, n) => {
      const firstId = BigInt(1_000 * (n + 1));
      return new LeaseClient(`holder${n + 1}`, firstId, this.world, leases, source(`holder ${n}`));
    });
    if (this.world.hasQuota) this.alarms = new AlarmPromises(this.world);
    this.userPromises = new UserPromises(this.world);
    this.admin = new UserAdmin(this.world, source("admin"));
    this.users = usersOf(plan).map(
      ([name, options]) => new UserClient(name, this.world, this.userPromises, source(name), options),
    );
  }

  /** Runs the simulation to its end, or to its first failure. */
  async run(): Promise<Result> {
    const unguard = guardProcess(
      () => this.scheduler.now,
      (error) => this.fail(error),
    );
    try {
      await this.play();
    } catch (error) {
      this.fail(error);
    } finally {
      unguard();
    }
    for (const host of this.hosts) host.crash("kill");
    return {
      seed: this.plan.seed,
      failure: this.failure,
      digest: this.eventLog.digest(),
      eventLog: this.eventLog,
      counts: { ...this.world.counts, installs: this.world.history.installs },
      faults: this.faults.counts,
      entries: this.world.history.lastIndex,
      steps: this.scheduler.steps,
      virtualMs: this.scheduler.now,
      recovery: this.recovery,
    };
  }

  private nameOf(id: MemberId): string {
    return this.hosts.find(({ running }) => running?.replica.id === id)?.name ?? "a member that is down";
  }

  private fail(reason: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = reason instanceof Error ? reason : new Error(String(reason));
    this.eventLog.addLine(`FAILED: ${this.failure.message}`);
  }

  /** Runs a check inside a member's code. Its failure ends the simulation, and is not thrown into the member. */
  private judge(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.fail(error);
    }
  }

  private async play(): Promise<void> {
    for (const host of this.hosts) host.start();
    for (const fault of this.plan.faults) this.faults.schedule(fault);
    const actors = [...this.kvClients, ...this.watchClients, ...this.leaseClients, this.readClient].map((client) =>
      this.own(client.run()),
    );
    if (this.plan.hasUsers) {
      const usersAreChecked = this.own(this.admin.setUp(password));
      actors.push(...[this.admin, ...this.users].map((user) => this.own(user.run(usersAreChecked))));
    }
    if (this.alarms !== undefined) {
      const options = { leavesAlarms: this.plan.settings.store.shouldDisarmItself === true };
      const operator = new SpaceOperator(this.world, this.alarms, sourceFor(this.plan.seed, "operator"), options);
      actors.push(this.own(operator.run()));
    }
    await this.pass(this.plan.faultyMs);
    void this.own(this.faults.healAll());
    await this.recover();
    await this.pass(1_000);
    const busy = [...this.kvClients, ...this.leaseClients, this.readClient, this.admin, ...this.users];
    for (const client of busy) client.slowDown();
    await this.passUntil(() => this.isSettled(), 10_000, "all members catch up");
    this.world.isCalm = true;
    await this.pass(this.leases.longestLifeMs());
    this.leases.checkAtTheEnd();
    await this.changeLeaders();
    if (this.alarms !== undefined)
      await this.waitFor(this.putSomewhere("there is space"), maxSpaceMs, "there is space again, and puts are taken");
    this.world.isOver = true;
    await this.waitFor(Promise.all(actors), 30_000, "the clients come to an end");
    const settled = await this.settle();
    for (const { writes } of [...this.kvClients, ...this.leaseClients, ...this.users]) writes.checkAtTheEnd();
    if (this.world.operations.checkAtTheEnd()) this.world.counts.linearizable++;
    this.userPromises.checkAtTheEnd(this.hosts);
    this.alarms?.checkAtTheEnd(this.hosts);
    for (const client of this.watchClients) client.checkAtTheEnd(settled);
  }

  /** Waits until the cluster accepts writes again, within the limit. */
  private async recover(): Promise<void> {
    const { electionMs } = this.plan.settings.times;
    const from = this.scheduler.now;
    const written = this.own(this.world.hasQuota ? this.deleteSomewhere() : this.putSomewhere("recovered"));
    await this.waitFor(
      written,
      maxRecovery * electionMs,
      `a write succeeds within ${maxRecovery} election timeouts of quiet`,
    );
    this.recovery = (this.scheduler.now - from) / electionMs;
    this.eventLog.addLine(`writes go on ${this.recovery.toFixed(2)} election timeouts after the last fault`);
  }

  /** Checks that a lease keeps its remaining time over changes of leader. A client may have to repeat a request meanwhile. */
  private async changeLeaders(): Promise<void> {
    const { leaseCheckpointMs } = this.plan.settings.times;
    if (leaseCheckpointMs === undefined) return;
    this.world.isCalm = false;
    const random = sourceFor(this.plan.seed, "changes of leader");
    const checked = this.own(checkLastingLease(this.world, random, leaseCheckpointMs));
    await this.waitFor(checked, 600_000, "a lease ends over changes of leader");
    this.world.isCalm = true;
  }

  private putSomewhere(value: string): Promise<void> {
    const method = { path: "/etcdserverpb.KV/Put", request: PutRequest, response: PutResponse };
    return this.writeSomewhere(method, (n) =>
      PutRequest.create({ key: bytes("quiet"), value: bytes(`${value} ${n}`) }),
    );
  }

  /** Sends a write that members accept without space, too. */
  private deleteSomewhere(): Promise<void> {
    const path = "/etcdserverpb.KV/DeleteRange";
    const method = { path, request: DeleteRangeRequest, response: DeleteRangeResponse };
    return this.writeSomewhere(method, () => DeleteRangeRequest.create({ key: bytes("quiet") }));
  }

  /** Tries all members in turn until one accepts the write. */
  private async writeSomewhere<Request, Response>(
    method: { path: string; request: Codec<Request>; response: Codec<Response> },
    requestOf: (attempt: number) => Request,
  ): Promise<void> {
    const { rpc, hosts } = this.world;
    for (let n = 0; ; n++) {
      const host = hosts[n % hosts.length];
      assert.ok(host !== undefined);
      const outcome = await rpc.call(host, method, requestOf(n), this.plan.settings.times.electionMs);
      if (outcome.kind === "ok") return;
      await this.scheduler.sleep(10);
    }
  }

  /** Tells whether all members serve clients and have applied the same entries. */
  private isSettled(): boolean {
    const { history, hosts } = this.world;
    return hosts.every(
      ({ running }) => running?.isReady === true && running.replica.applier.appliedIndex === history.lastIndex,
    );
  }

  /**
   * Waits until all members have the same state.
   * @returns the revision up to which all watchers must have received events by now
   */
  private async settle(): Promise<number> {
    const { history, hosts } = this.world;
    await this.passUntil(() => this.isSettled(), 10_000, "all members apply the whole log");
    const [state, ...others] = hosts.map((host) => stateOf(host)); // both in the same turn, as leases continue to expire
    for (const other of others) assertSame(other, state, "members differ");
    const { revision } = history;
    await this.pass(1_000); // time for the watchers to receive the rest
    const hashes = Promise.all(hosts.map((host) => this.hashOf(host, revision)));
    const [hash, ...otherHashes] = await this.waitFor(hashes, 10_000, "all members tell their hash");
    for (const other of otherHashes) assertSame(other, hash, "members have other keys");
    await this.waitFor(Promise.all(hosts.map((host) => this.readAll(host))), 10_000, "all members answer a read");
    return revision;
  }

  /** Checks that a member answers, with the contents of the history. */
  private async readAll(host: Host): Promise<void> {
    const { rpc, history } = this.world;
    const method = { path: "/etcdserverpb.KV/Range", request: RangeRequest, response: RangeResponse };
    const request = RangeRequest.create({ key: bytes("\0"), rangeEnd: bytes("\0") });
    const outcome = await rpc.call(host, method, request, 10_000);
    assert.ok(outcome.kind === "ok", `${host.name} answers no read`);
    const expected = history.rangeAt(Number(outcome.response.header?.revision), request);
    assertSame(
      { ...outcome.response, header: undefined },
      { ...expected, header: undefined },
      `what ${host.name} holds in the end`,
    );
  }

  private async hashOf(host: Host, revision: number): Promise<object> {
    const method = { path: "/etcdserverpb.Maintenance/HashKV", request: HashKVRequest, response: HashKVResponse };
    const outcome = await this.world.rpc.call(host, method, { revision: BigInt(revision) }, 10_000);
    assert.ok(outcome.kind === "ok", `${host.name} tells no hash`);
    const { hash, compactRevision } = outcome.response;
    return { hash, compactRevision };
  }

  // Time.

  private async pass(ms: number): Promise<void> {
    await this.scheduler.runUntil(this.scheduler.now + ms, () => this.failure !== undefined);
    if (this.failure !== undefined) throw this.failure;
  }

  private async passUntil(isDone: () => boolean, ms: number, what: string): Promise<void> {
    await this.scheduler.runUntil(this.scheduler.now + ms, () => this.failure !== undefined || isDone());
    if (this.failure !== undefined) throw this.failure;
    assert.ok(isDone(), `not within ${ms} ms: ${what}`);
  }

  private async waitFor<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
    let result: { readonly value: T } | undefined;
    void this.own(promise.then((value) => void (result = { value })));
    await this.passUntil(() => result !== undefined, ms, what);
    assert.ok(result !== undefined);
    return result.value;
  }

  /** Makes a failure of the promise fail the simulation. */
  private own<T>(promise: Promise<T>): Promise<T> {
    promise.catch((error: unknown) => this.fail(error instanceof Error ? error : new Error(String(error))));
    return promise;
  }
}

const password = "secret";

/**
 * Returns the users of a plan: one with a token, whose role is granted and revoked repeatedly, and one with a certificate and a fixed
 * role.
 */
const usersOf = ({ hasUsers }: Plan): [string, UserClientOptions][] =>
  hasUsers
    ? [
        ["alice", { prefix: "u/", foreignPrefix: "v/", password }],
        ["bob", { prefix: "v/", foreignPrefix: "u/", password: undefined }],
      ]
    : [];

/** Returns the state that all members must have in common beside their keys. */
const stateOf = ({ running }: Host): object => {
  const { store, applier } = running?.replica ?? {};
  const leases = [...(store?.leases() ?? [])].map(({ id, ttlSeconds }) => `${id} ${ttlSeconds}`).sort();
  return { leases, members: applier?.members.all, revision: store?.revision };
};

/**
 * Guards against effects outside the simulation: randomness comes only from the seed, and the wall clock jumps. An unhandled rejection,
 * which would end a real process, fails the simulation.
 */
const guardProcess = (virtualNow: () => number, fail: (error: Error) => void): (() => void) => {
  const onRejection = (reason: unknown): void =>
    fail(new Error("a promise was rejected and nobody looked", { cause: reason }));
  const { now } = Date;
  const { random } = Math;
  Date.now = () => 1e12 + 1e9 * Math.sin(virtualNow());
  Math.random = () => {
    throw new Error("chance that is not the seed's");
  };
  process.on("unhandledRejection", onRejection);
  return () => {
    Date.now = now;
    Math.random = random;
    process.off("unhandledRejection", onRejection);
  };
};
