// A client that holds leases, and checks the promised times against the actual expiry.

import assert from "node:assert/strict";
import {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  PutRequest,
  PutResponse,
} from "../../../proto/index.js";
import { minLeaseTtl } from "../../../server/app/lease.js";
import {
  type ClientStream,
  type Codec,
  type CallOutcome,
  type SeededRandom,
  toLeaseId,
} from "../../../testing/index.js";
import { statusCode } from "../../../server/rpc/status.js";
import { identityOf } from "./history.js";
import { outcomeText } from "./kv-client.js";
import { type Asked, kindOfMethod } from "./recorded-operations.js";
import { bytes, checkAnswered, Home, noteRevision, text, thinkingTime, type World } from "./world.js";
import { Writes } from "./writes.js";

const methods = {
  grant: { path: "/etcdserverpb.Lease/LeaseGrant", request: LeaseGrantRequest, response: LeaseGrantResponse },
  revoke: { path: "/etcdserverpb.Lease/LeaseRevoke", request: LeaseRevokeRequest, response: LeaseRevokeResponse },
  timeToLive: {
    path: "/etcdserverpb.Lease/LeaseTimeToLive",
    request: LeaseTimeToLiveRequest,
    response: LeaseTimeToLiveResponse,
  },
  put: { path: "/etcdserverpb.KV/Put", request: PutRequest, response: PutResponse },
} as const;

/** Methods that the alarm NOSPACE refuses. */
const takesSpace = new Set<unknown>([methods.grant, methods.put]);

/** A lease and the promises about it. Times are in the simulation's virtual time. */
export interface PromisedLease {
  readonly id: bigint;
  readonly ttlMs: number;
  readonly grantedAt: number;
  /** The lease must not expire before this time, on any clock. */
  livesUntil: number;
  /** Whether its client has requested its revocation. */
  isRevoked: boolean;
  /** Whether its client keeps it alive until the simulation ends. */
  isKept: boolean;
  /** Keys that its client knows to be attached. */
  readonly keys: Set<string>;
  /** Keys that may be attached: the outcome of a write is unknown. */
  readonly possibleKeys: Set<string>;
}

/** All leases of a simulation, of all clients. */
export type Leases = Map<bigint, PromisedLease>;

/** Timeout of a keep-alive, after which another member gets it. */
const keepAliveTimeoutMs = 1_000;

export class LeaseClient {
  readonly writes: Writes;
  private readonly home: Home;
  private count = 0;
  private puts = 0;
  private isCalm = false;
  /** The client's former lease, which may still exist. */
  private previous: PromisedLease | undefined;

  constructor(
    readonly name: string,
    /** The lowest id of its leases. */
    private readonly firstId: bigint,
    private readonly world: World,
    private readonly leases: Leases,
    private readonly random: SeededRandom,
  ) {
    this.home = new Home(world, random);
    this.writes = new Writes(name, world);
  }

  /** Grants one lease after the other, and keeps each alive, revokes it or lets it expire. */
  async run(): Promise<void> {
    const { world, random } = this;
    while (!world.isOver && !this.isCalm) {
      await world.scheduler.sleep(thinkingTime(random, 200));
      const lease = await this.grant();
      if (lease === undefined) continue;
      await this.attach(lease);
      if (this.previous !== undefined && random.chance(0.6)) await this.moveKeys(this.previous, lease);
      this.previous = lease;
      const intent = random.pick(["forget", "keep", "keep", "keepAndForget", "revoke"]);
      if (intent === "keep") {
        lease.isKept = true;
        await this.keepAlive(lease, Infinity);
      } else if (intent === "keepAndForget") await this.keepAlive(lease, random.next() * 4_000);
      else if (intent === "revoke") await this.revoke(lease);
      if (random.chance(0.5)) await this.askForTime(lease);
    }
  }

  /** Makes the client grant no further leases, and keep the ones alive that it has promised to. */
  slowDown(): void {
    this.isCalm = true;
  }

  private async grant(): Promise<PromisedLease | undefined> {
    const { world, random } = this;
    const id = this.firstId + BigInt(++this.count);
    const { config } = this.home.current;
    const ttlSeconds = Math.max(minLeaseTtl(config.raft), random.between(1, 3));
    const at = world.scheduler.now;
    const lease: PromisedLease = {
      id,
      ttlMs: ttlSeconds * 1_000,
      grantedAt: at,
      livesUntil: 0,
      isRevoked: false,
      isKept: false,
      keys: new Set(),
      possibleKeys: new Set(),
    };
    this.leases.set(id, lease);
    const request = LeaseGrantRequest.create({ ID: id, TTL: BigInt(ttlSeconds) });
    const outcome = await this.writes.ask(identityOf({ kind: "grantLease", lease: { id: toLeaseId(id) } }), () =>
      this.call(methods.grant, request, `lease ${id} for ${ttlSeconds} s`),
    );
    if (outcome.kind !== "ok") return undefined;
    assert.equal(Number(outcome.response.TTL), ttlSeconds, `the time of lease ${id}`);
    this.onRenewed(lease, at);
    world.counts.leases++;
    return lease;
  }

  /** Notes that the lease must last for its TTL, counted from the request, on the fastest clock. */
  private onRenewed(lease: PromisedLease, askedAt: number): void {
    const until = askedAt + lease.ttlMs / this.world.clockRates.fastest;
    lease.livesUntil = Math.max(lease.livesUntil, until);
  }

  private async attach(lease: PromisedLease): Promise<void> {
    for (let n = this.random.between(0, 2); n > 0; n--) await this.attachKey(`k-lease-${lease.id}-${n}`, lease);
  }

  /**
   * Moves keys of one lease to another, or to none: they remain when the former lease ends. A key whose lease is unknown to the client is
   * not moved, as an earlier write may still be in flight.
   */
  private async moveKeys(from: PromisedLease, to: PromisedLease): Promise<void> {
    for (const key of [...from.keys]) {
      from.keys.delete(key);
      const isMoved = this.random.chance(0.7) ? await this.attachKey(key, to) : await this.detachKey(key);
      if (!isMoved) continue;
      from.possibleKeys.delete(key);
      this.world.counts.movedKeys++;
    }
  }

  private async attachKey(key: string, lease: PromisedLease): Promise<boolean> {
    lease.possibleKeys.add(key);
    const isDone = await this.put(key, lease);
    if (isDone) lease.keys.add(key);
    return isDone;
  }

  private detachKey(key: string): Promise<boolean> {
    return this.put(key, undefined);
  }

  private async put(key: string, lease: PromisedLease | undefined): Promise<boolean> {
    const value = bytes(`${this.name}.${++this.puts}`);
    const request = PutRequest.create({ key: bytes(key), value, lease: lease?.id ?? 0n });
    const outcome = await this.writes.ask(identityOf({ kind: "put", request }), () =>
      this.call(methods.put, request, `put ${key} with ${lease === undefined ? "no lease" : `lease ${lease.id}`}`),
    );
    if (outcome.kind !== "ok" && lease !== undefined) this.checkWhetherGone(lease, outcome);
    return outcome.kind === "ok";
  }

  private async revoke(lease: PromisedLease): Promise<void> {
    const { floor, history } = this.world;
    lease.isRevoked = true;
    const outcome = await this.call(methods.revoke, LeaseRevokeRequest.create({ ID: lease.id }), `revoke ${lease.id}`);
    this.checkWhetherGone(lease, outcome);
    if (outcome.kind !== "ok") return;
    const revision = Number(outcome.response.header?.revision);
    const ends = history.effectsOf(endOf(lease)).filter(({ refusal }) => refusal === undefined);
    assert.ok(
      ends.some((end) => end.revision === revision && revision >= floor),
      `the end of lease ${lease.id} was acknowledged at ${revision}, and did not come then`,
    );
    noteRevision(this.world, revision);
  }

  private async askForTime(lease: PromisedLease): Promise<void> {
    const request = LeaseTimeToLiveRequest.create({ ID: lease.id, keys: true });
    const { livesUntil } = lease;
    const outcome = await this.call(methods.timeToLive, request, `time of lease ${lease.id}`);
    if (outcome.kind !== "ok") return;
    const { TTL, grantedTTL, keys } = outcome.response;
    if (TTL < 0n) this.expectGone(lease);
    else {
      const promisedMs = (livesUntil - this.world.scheduler.now) * this.world.clockRates.slowest;
      assert.ok(
        (Number(TTL) + 1) * 1_000 > promisedMs,
        `lease ${lease.id} is said to have ${TTL} s, was promised more`,
      );
      assert.equal(Number(grantedTTL) * 1_000, lease.ttlMs, `lease ${lease.id} was granted another time`);
      assert.ok(
        Number(TTL) * 1_000 <= lease.ttlMs + this.world.electionMs,
        `lease ${lease.id} lasts too long: ${TTL} s`,
      );
      const found = new Set(keys.map(text));
      for (const key of found)
        assert.ok(lease.possibleKeys.has(key), `lease ${lease.id} is said to have ${key}, which is not its`);
      for (const key of lease.keys) assert.ok(found.has(key), `lease ${lease.id} is said not to have its key ${key}`);
    }
  }

  private checkWhetherGone(lease: PromisedLease, outcome: CallOutcome<unknown>): void {
    if (outcome.kind === "error" && outcome.status.code === statusCode.notFound) this.expectGone(lease);
  }

  /** Checks a lease of which the client got the answer that it does not exist. */
  private expectGone(lease: PromisedLease): void {
    const isGone = this.world.history.effectsOf(endOf(lease)).some(({ refusal }) => refusal === undefined);
    assert.ok(isGone, `${this.name} got the answer that lease ${lease.id} is gone, which it is not`);
  }

  /** Renews the lease after each third of its TTL, for `forMs` or until it does not exist any more. */
  private async keepAlive(lease: PromisedLease, forMs: number): Promise<void> {
    const { scheduler } = this.world;
    const end = scheduler.now + forMs;
    const renewals = new Renewals(this.world, () => this.home.current);
    while (!this.world.isOver && scheduler.now < end && (lease.isKept || !this.isCalm)) {
      const at = scheduler.now;
      const ttl = await renewals.renew(lease.id);
      if (ttl === undefined) this.home.move();
      else if (ttl === 0) {
        this.expectGone(lease);
        lease.isKept = false;
        break;
      } else {
        assert.equal(ttl * 1_000, lease.ttlMs, `the time of lease ${lease.id} after a keep-alive`);
        this.onRenewed(lease, at);
        this.world.counts.keepAlives++;
        await scheduler.sleep(lease.ttlMs / 3);
      }
    }
    renewals.end();
  }

  private async call<Request, Response>(
    method: { path: string; request: Codec<Request>; response: Codec<Response> },
    request: Request,
    what: string,
  ): Promise<CallOutcome<Response>> {
    const { scheduler, rpc, eventLog, timeoutMs, hasQuota, operations } = this.world;
    const host = this.home.current;
    const { isCalm } = this.world;
    const invoked = scheduler.now;
    const outcome = await rpc.call(host, method, request, timeoutMs);
    const kind = kindOfMethod(method);
    if (kind !== undefined)
      operations.note({ kind, client: this.name, invoked, request } as Asked, outcome, scheduler.now);
    const line = `${this.name} at ${host.name}: ${what}: ${outcomeText(outcome)}`;
    eventLog.addLine(line);
    checkAnswered(isCalm, outcome, line, hasQuota && takesSpace.has(method));
    this.home.reconsider(outcome);
    return outcome;
  }
}

const endOf = ({ id }: PromisedLease): string => identityOf({ kind: "revokeLease", id });

/** A stream of keep-alives, opened again when it breaks. */
class Renewals {
  private stream: ClientStream | undefined;
  private onAnswer: (ttl: number | undefined) => void = () => undefined;

  constructor(
    private readonly world: World,
    private readonly choose: () => World["hosts"][number],
  ) {}

  /** Renews a lease. Resolves to its new TTL in seconds; 0: there is no such lease; undefined: no answer. */
  async renew(id: bigint): Promise<number | undefined> {
    const { scheduler, rpc } = this.world;
    this.stream ??= rpc.open(this.choose(), "/etcdserverpb.Lease/LeaseKeepAlive", {
      onResponse: (response) => this.onAnswer(Number(LeaseKeepAliveResponse.decode(response).TTL)),
      onEnd: () => {
        this.stream = undefined;
        this.onAnswer(undefined);
      },
    });
    const { stream } = this;
    if (stream === undefined) {
      await scheduler.sleep(50);
      return undefined;
    }
    const ttl = await new Promise<number | undefined>((resolve) => {
      this.onAnswer = resolve;
      stream.send(LeaseKeepAliveRequest.encode({ ID: id }).finish());
      scheduler.after(keepAliveTimeoutMs, () => resolve(undefined));
    });
    // A late answer must not be mistaken for that of the next request.
    if (ttl === undefined) this.end();
    return ttl;
  }

  end(): void {
    this.onAnswer = () => undefined;
    this.stream?.cancel();
    this.stream = undefined;
  }
}
