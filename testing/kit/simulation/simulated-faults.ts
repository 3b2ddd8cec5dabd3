// Random faults of a simulation: one after the other, each removed after a random time.

import type { SeededRandom, Timeline } from "../../index.js";
import { checkOneOf } from "../base/index.js";
import type { TestCluster, TestMember } from "../cluster/index.js";

/** Kinds of faults that a simulation injects. */
export const faultKinds = ["partition", "crash", "freeze", "delay", "drop"] as const;

/** A kind of fault: of the links between members, or of a member. */
export type FaultKind = (typeof faultKinds)[number];

/** Returns the kinds of faults of an option. @throws TypeError for an unknown name */
export const kindsOf = (faults: boolean | readonly FaultKind[] = false): readonly FaultKind[] => {
  if (faults === true) return faultKinds;
  if (faults === false) return [];
  if (!isList(faults)) throw new TypeError("Cannot simulate: faults are true, false or a list of names");
  for (const kind of faults) checkOneOf("simulate", "a fault", kind, faultKinds);
  return faults;
};

const isList = (faults: readonly FaultKind[]): boolean => Array.isArray(faults);

/** The parts of a simulation that faults use. */
export interface FaultPlan {
  readonly cluster: TestCluster;
  readonly kinds: readonly FaultKind[];
  readonly faultEveryMs: number;
  readonly random: SeededRandom;
  readonly timeline: Timeline;
  /** Whether the injection of faults should stop. */
  readonly isOver: () => boolean;
}

/** Maximum time of a fault: long enough for elections, and for requests to time out. */
const longestFaultMs = 3_000;

/** Functions that inject a fault. @returns a function that removes the fault */
const injections: Readonly<
  Record<FaultKind, (cluster: TestCluster, random: SeededRandom) => Promise<() => Promise<void>>>
> = {
  partition: (cluster, random) => {
    const names = cluster.members.map(({ name }) => name);
    const left = names.filter(() => random.chance(0.5));
    cluster.partition(
      left,
      names.filter((name) => !left.includes(name)),
    );
    return healerOf(cluster);
  },
  crash: async (cluster, random) => {
    const member = anyMember(cluster, random);
    await member.kill({ loseUnsynced: random.chance(0.5) });
    return () => member.restart();
  },
  freeze: (cluster, random) => {
    const member = anyMember(cluster, random);
    member.freeze();
    return Promise.resolve(() => {
      member.thaw();
      return Promise.resolve();
    });
  },
  delay: (cluster, random) => {
    cluster.delay(random.between(5, 150));
    return healerOf(cluster);
  },
  drop: (cluster, random) => {
    cluster.drop(random.next() * 0.3);
    return healerOf(cluster);
  },
};

const healerOf = (cluster: TestCluster): Promise<() => Promise<void>> =>
  Promise.resolve(() => {
    cluster.heal();
    return Promise.resolve();
  });

/** Chooses a member at random, mostly the leader, because its faults have the largest effect. */
const anyMember = (cluster: TestCluster, random: SeededRandom): TestMember => {
  const leader = random.chance(0.6) ? cluster.leader() : undefined;
  return leader ?? random.pick(cluster.members);
};

/** Injects faults, one after the other, until `isOver`. */
export const injectFaults = async ({
  cluster,
  kinds,
  faultEveryMs,
  random,
  timeline,
  isOver,
}: FaultPlan): Promise<void> => {
  if (kinds.length === 0) return;
  for (;;) {
    await timeline.sleep(-Math.log(1 - random.next()) * faultEveryMs);
    if (isOver()) return;
    const kind = random.pick(kinds);
    cluster.note(`fault: ${kind}`);
    const takeBack = await injections[kind](cluster, random);
    await timeline.sleep(random.between(10, longestFaultMs));
    if (isOver()) return;
    await takeBack();
    cluster.note(`fault over: ${kind}`);
  }
};
