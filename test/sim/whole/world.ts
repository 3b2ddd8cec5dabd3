import assert from "node:assert/strict";
import { statusCode } from "../../../server/rpc/status.js";
import type { Host, CallOutcome, Rpc, Scheduler, SeededRandom, EventLog } from "../../../testing/index.js";
import type { History } from "./history.js";
import type { RecordedOperations } from "./recorded-operations.js";

/** The surroundings of clients: time, randomness, and the cluster. */
export interface World {
  readonly scheduler: Scheduler;
  readonly rpc: Rpc;
  readonly hosts: readonly Host[];
  readonly history: History;
  readonly eventLog: EventLog;
  /** Timeout of the clients' requests. */
  readonly timeoutMs: number;
  /** The fastest and the slowest clock of any member. */
  readonly clockRates: { readonly fastest: number; readonly slowest: number };
  readonly electionMs: number;
  /** Whether the members have a quota that their stores may reach. */
  readonly hasQuota: boolean;
  /** The time between the checkpoints of a lease; undefined: there are none. */
  readonly leaseCheckpointMs: number | undefined;
  /** Whether all members serve and faults have ended, so that each request must be answered. */
  isCalm: boolean;
  /** Whether clients begin no further requests. */
  isOver: boolean;
  /** The newest revision that any client has received. A linearizable request that begins afterwards must not return an older one. */
  floor: number;
  readonly counts: Counts;
  readonly operations: RecordedOperations;
}

/** Numbers of operations; a simulation in which nothing happens proves nothing. */
export interface Counts {
  writes: number;
  reads: number;
  /** Answered reads of the client that reads from all members. */
  readsEverywhere: number;
  unknown: number;
  refused: number;
  watchEvents: number;
  watchResumes: number;
  compactedWatches: number;
  progressNotices: number;
  leases: number;
  keepAlives: number;
  /** Keys that were moved to another lease, or to none. */
  movedKeys: number;
  expiries: number;
  /** Answered requests of users, requests refused for lack of rights, and changes of the rights. */
  userRequests: number;
  userRefusals: number;
  roleChanges: number;
  /** Alarms for lack of space, those disarmed by an operator, and writes that were refused when they were applied. */
  alarms: number;
  disarms: number;
  spaceRefusals: number;
  /** Entries with checkpoints of leases, and checks of a lease over changes of leader. */
  checkpoints: number;
  lastingLeases: number;
  /** Histories that were found to be linearizable; others have too many orders to try. */
  linearizable: number;
}

export const noCounts = (): Counts => ({
  writes: 0,
  reads: 0,
  readsEverywhere: 0,
  unknown: 0,
  refused: 0,
  watchEvents: 0,
  watchResumes: 0,
  compactedWatches: 0,
  progressNotices: 0,
  leases: 0,
  keepAlives: 0,
  movedKeys: 0,
  expiries: 0,
  userRequests: 0,
  userRefusals: 0,
  roleChanges: 0,
  alarms: 0,
  disarms: 0,
  spaceRefusals: 0,
  checkpoints: 0,
  lastingLeases: 0,
  linearizable: 0,
});

/** Errors that a working member may return. */
const properErrors: readonly number[] = [
  statusCode.outOfRange,
  statusCode.notFound,
  statusCode.invalidArgument,
  statusCode.failedPrecondition,
  statusCode.permissionDenied,
  statusCode.unauthenticated,
];

/**
 * Checks that a request is answered if `isCalm`.
 * @param mayLackSpace whether a refusal for lack of space is an answer
 */
export const checkAnswered = (
  isCalm: boolean,
  outcome: CallOutcome<unknown>,
  what: string,
  mayLackSpace = false,
): void => {
  const isProper = outcome.kind === "ok" || (outcome.kind === "error" && properErrors.includes(outcome.status.code));
  assert.ok(!isCalm || isProper || (mayLackSpace && isLackOfSpace(outcome)), `in quiet, and not answered: ${what}`);
};

const isLackOfSpace = (outcome: CallOutcome<unknown>): boolean =>
  outcome.kind === "error" && outcome.status.details === "etcdserver: mvcc: database space exceeded";

/** Notes a revision that a client has received. */
export const noteRevision = (world: World, revision: number): void => {
  world.floor = Math.max(world.floor, revision);
};

/** The member that a client uses, until it has a reason to switch. */
export class Home {
  private host: Host;

  constructor(
    private readonly world: World,
    private readonly random: SeededRandom,
  ) {
    this.host = random.pick(world.hosts);
  }

  /** The host of the next request. */
  get current(): Host {
    return this.host;
  }

  /** Switches to another member after a failure, and now and then without a reason. */
  reconsider(outcome: CallOutcome<unknown>): void {
    const isBad = outcome.kind !== "ok";
    if (this.random.chance(isBad ? 0.7 : 0.05)) this.move();
  }

  move(): void {
    this.host = this.random.pick(this.world.hosts);
  }
}

/** Returns a random time between two actions, of `meanMs` on average. */
export const thinkingTime = (random: SeededRandom, meanMs: number): number =>
  Math.min(-Math.log(1 - random.next()), 4) * meanMs;

export const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
export const text = (held: Uint8Array): string => Buffer.from(held).toString("latin1");
