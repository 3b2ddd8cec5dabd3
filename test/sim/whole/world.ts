import assert from "node:assert/strict";
import { statusCode } from "../../../server/rpc/status.js";
import type { Host, Outcome, Rpc, Scheduler, SeededRandom, Story } from "../../../testing/index.js";
import type { History } from "./history.js";
import type { RecordedOperations } from "./recorded-operations.js";

/** The surroundings of clients: time, chance, and the cluster. */
export interface World {
  readonly scheduler: Scheduler;
  readonly rpc: Rpc;
  readonly hosts: readonly Host[];
  readonly history: History;
  readonly story: Story;
  /** How long clients wait for an answer. */
  readonly timeoutMs: number;
  /** The fastest and the slowest clock of any member. */
  readonly clockRates: { readonly fastest: number; readonly slowest: number };
  readonly electionMs: number;
  /** The members have a quota that their stores may come to. */
  readonly hasQuota: boolean;
  /** The time between the checkpoints of a lease; undefined: there are none. */
  readonly leaseCheckpointMs: number | undefined;
  /** All members serve, and nothing more goes wrong: whatever is asked from now on must be answered. */
  isCalm: boolean;
  /** Clients begin nothing new. */
  isOver: boolean;
  /**
   * The newest revision that any client has been told of. Whoever asks from then on must be told at least of this one:
   * that is the order of real time.
   */
  floor: number;
  readonly counts: Counts;
  readonly operations: RecordedOperations;
}

/** How much was done; a simulation in which nothing happens proves nothing. */
export interface Counts {
  writes: number;
  reads: number;
  /** Answered, of the client that asks all members. */
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
  /** Requests of users that were answered, and that were refused for lack of rights; and how often these changed. */
  userRequests: number;
  userRefusals: number;
  roleChanges: number;
  /** Alarms for lack of space, how often one was disarmed by hand, and the writes that came to be refused where they are in the log. */
  alarms: number;
  disarms: number;
  spaceRefusals: number;
  /** Entries with checkpoints of leases that count, and checks of a lease over changes of leader. */
  checkpoints: number;
  lastingLeases: number;
  /** Histories that were found to be linearizable; others have too many orders. */
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

/** Errors that clients may get although nothing is wrong with the member. */
const properErrors: readonly number[] = [
  statusCode.outOfRange,
  statusCode.notFound,
  statusCode.invalidArgument,
  statusCode.failedPrecondition,
  statusCode.permissionDenied,
  statusCode.unauthenticated,
];

/**
 * Checks that a request made while all was calm is answered.
 *
 * @param mayLackSpace whether a refusal for lack of space is an answer
 */
export const checkAnswered = (isCalm: boolean, outcome: Outcome<unknown>, what: string, mayLackSpace = false): void => {
  const isProper = outcome.kind === "ok" || (outcome.kind === "error" && properErrors.includes(outcome.status.code));
  assert.ok(!isCalm || isProper || (mayLackSpace && isLackOfSpace(outcome)), `in quiet, and not answered: ${what}`);
};

const isLackOfSpace = (outcome: Outcome<unknown>): boolean =>
  outcome.kind === "error" && outcome.status.details === "etcdserver: mvcc: database space exceeded";

/** Tells the world of a revision that a client has seen. */
export const noteRevision = (world: World, revision: number): void => {
  world.floor = Math.max(world.floor, revision);
};

/** A client stays with one member until that gives it a reason to go. */
export class Home {
  private host: Host;

  constructor(
    private readonly world: World,
    private readonly random: SeededRandom,
  ) {
    this.host = random.pick(world.hosts);
  }

  /** The host to send the next request to. */
  get current(): Host {
    return this.host;
  }

  /** After an answer that speaks against the member, or now and then without reason. */
  reconsider(outcome: Outcome<unknown>): void {
    const isBad = outcome.kind !== "ok";
    if (this.random.chance(isBad ? 0.7 : 0.05)) this.move();
  }

  move(): void {
    this.host = this.random.pick(this.world.hosts);
  }
}

/** A time between two actions of about `meanMs`. */
export const thinkingTime = (random: SeededRandom, meanMs: number): number =>
  Math.min(-Math.log(1 - random.next()), 4) * meanMs;

export const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
export const text = (held: Uint8Array): string => Buffer.from(held).toString("latin1");
