// The plan that a seed determines: the cluster, its clients, and a list of faults. The whole plan is drawn before the simulation begins,
// so that a fault can be omitted without a change of the rest.

import { crc32 } from "node:zlib";
import { type ClusterSettings, type SeededRandom, seededRandom, type StoreSettings } from "../../../testing/index.js";

export const faultKinds = [
  "kill",
  "powerCut",
  "powerCutAll",
  "stop",
  "pause",
  "wakeAlone",
  "isolate",
  "oneWay",
  "split",
  "flap",
  "flapOneWay",
  "closeLinks",
  "linkConditions",
  "slowLog",
  "slowStore",
  "logError",
  "storeError",
  "diskFull",
  "logRot",
  "storeRot",
  "moveLeader",
  "crashAtMoment",
  "shortReigns",
  "lostVotes",
  "lateVotes",
  "lostCommits",
  "pattern",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** One fault. Its member is chosen when it begins: often the leader at that time. */
export interface Fault {
  readonly at: number;
  readonly kind: FaultKind;
  readonly hitsLeader: boolean;
  /** The duration of the fault. */
  readonly ms: number;
  /** The seed of its own decisions. */
  readonly seed: number;
}

export interface Plan {
  readonly seed: number;
  readonly settings: ClusterSettings;
  /** The rate of each member's clock, in order. */
  readonly clockRates: readonly number[];
  /** The time with faults, in milliseconds. */
  readonly faultyMs: number;
  readonly faults: readonly Fault[];
  readonly keys: number;
  /** The largest length of a value; long values make log records that a power cut can tear. */
  readonly maxValueBytes: number;
  readonly meanThinkMs: number;
  readonly timeoutMs: number;
  readonly kvClients: number;
  readonly watchClients: number;
  readonly leaseClients: number;
  /** Whether there are users with few rights, and a role that is granted and revoked repeatedly. */
  readonly hasUsers: boolean;
}

/** Parts of a plan to omit, which makes its event log shorter. */
export interface Reduction {
  /** Only these faults, by their indexes in the list. */
  readonly faults?: readonly number[];
  readonly kvClients?: number;
  readonly watchClients?: number;
  readonly leaseClients?: number;
}

export const reduce = (plan: Plan, { faults, ...clients }: Reduction): Plan => ({
  ...plan,
  ...clients,
  faults: faults === undefined ? plan.faults : plan.faults.filter((_, place) => faults.includes(place)),
});

/** Returns a source of randomness for one purpose, independent of all others. */
export const sourceFor = (seed: number, purpose: string): SeededRandom => seededRandom(crc32(purpose, seed));

export const planOf = (seed: number): Plan => {
  const random = sourceFor(seed, "plan");
  const members = Array.from({ length: random.pick([3, 3, 5]) }, (_, n) => `m${n + 1}`);
  const [heartbeatMs, electionMs] = random.pick<[number, number]>([
    [20, 200],
    [50, 500],
    [100, 1_000],
  ]);
  const drift = random.pick([0, 0, 0.001, 0.05]);
  const faultyMs = Math.max(6_000, 10 * electionMs);
  const hasUsers = sourceFor(seed, "users").chance(0.3);
  const space = spaceOf(seed, hasUsers);
  return {
    seed,
    settings: {
      members,
      times: {
        heartbeatMs,
        electionMs,
        watchProgressMs: random.pick([200, 1_000]),
        leaseCheckpointMs: space.quotaBytes === undefined ? checkpointsOf(seed, electionMs) : undefined,
      },
      log: {
        segmentBytes: random.pick([2_048, 8_192, 65_536]),
        snapshotCount: random.pick([5, 20, 100, 10_000]),
        snapshotCatchUpEntries: random.pick([1, 5, 50]),
      },
      store: { ...space, readMs: random.pick([0, 5, 30]) },
    },
    clockRates: members.map(() => 1 + drift * (2 * random.next() - 1)),
    faultyMs,
    faults: drawFaults(random, faultyMs, electionMs),
    keys: random.pick([2, 5, 12]),
    maxValueBytes: space.quotaBytes === undefined ? random.pick([10, 10, 1_000, 4_000]) : 4_000,
    meanThinkMs: random.pick([20, 60, 150]),
    timeoutMs: random.pick([1_000, 3_000, 10_000]),
    kvClients: random.between(2, 5),
    watchClients: random.between(2, 4),
    leaseClients: random.between(2, 5),
    hasUsers,
  };
};

/** Returns a quota that the stores sometimes reach; the newest values of all keys fit below it. Not used together with users. */
const spaceOf = (seed: number, hasUsers: boolean): Omit<StoreSettings, "readMs"> => {
  const random = sourceFor(seed, "space");
  if (hasUsers || !random.chance(0.4)) return {};
  return { quotaBytes: random.between(50_000, 70_000), shouldDisarmItself: random.chance(0.3) };
};

/**
 * Returns the interval of lease checkpoints: short enough to matter in the simulation, and at least an election timeout, because a new
 * leader adds that to each lease. Not used together with a quota, which refuses leases.
 */
const checkpointsOf = (seed: number, electionMs: number): number | undefined => {
  const random = sourceFor(seed, "checkpoints");
  return random.chance(0.4) ? random.pick([1, 2]) * electionMs : undefined;
};

/** Draws the faults. Each seed has few kinds, at a high or a low rate: a seed with all kinds would hardly ever reach the rare ones. */
const drawFaults = (random: SeededRandom, faultyMs: number, electionMs: number): readonly Fault[] => {
  const share = random.pick([0.08, 0.2, 0.5]);
  const kinds = faultKinds.filter(() => random.chance(share));
  if (kinds.length === 0) return [];
  const meanMs = random.pick([0.3, 1, 3]) * electionMs;
  const faults: Fault[] = [];
  for (let at = random.next() * meanMs; at < faultyMs; at += -Math.log(1 - random.next()) * meanMs)
    faults.push({
      at,
      kind: random.pick(kinds),
      hitsLeader: random.chance(0.5),
      ms: random.pick([0.02, 0.3, 1, 4]) * electionMs * (0.5 + random.next()),
      seed: random.between(0, 2 ** 31),
    });
  return faults;
};
