// Whole clusters of cores, each from a seed: first with faults, and with safety checked after every step; then without faults, when they
// must make progress. 40 seeds, or SEEDS=n; SEED=n replays one.
import assert from "node:assert/strict";
import test from "node:test";
import { SimCluster, type Work } from "./cluster.js";
import { seededRandom } from "../../testing/index.js";

const wanted = process.env["SEED"];
const count = Number(process.env["SEEDS"] ?? 40);
const seeds = wanted === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(wanted)];

const done: Work[] = [];

/**
 * Simulates one cluster.
 * @param rebuildRates possible chances per tick that a member loses its disk while all are stopped
 */
const simulate = (seed: number, rebuildRates: readonly number[]): void => {
  const random = seededRandom(seed);
  const timing = random.pick([
    { heartbeatTicks: 2, electionTicks: 20 },
    { heartbeatTicks: 10, electionTicks: 100 },
  ]);
  const faultRate = random.pick([0.005, 0.02, 0.05, 0.15]);
  const compactRate = random.pick([0, 0.01, 0.05]);
  const needlessSnapshotRate = random.pick([0, 0.02, 0.2]);
  const rebuildRate = rebuildRates.length === 0 ? 0 : random.pick(rebuildRates);
  // Rebuilds require that the cluster's members stay the same.
  const changeRate = rebuildRate > 0 ? 0 : random.pick([0, 0, 0.01, 0.05]);
  const spares = changeRate === 0 ? 0 : random.pick([0, 1, 2]);
  const members = random.pick(rebuildRate > 0 ? [2, 3, 3, 5] : [3, 5]);
  const cluster = new SimCluster({ members, spares, random, ...timing });
  cluster.runChecked(() => {
    for (let tick = 0; tick < 1_500; tick++) {
      if (random.chance(faultRate)) cluster.faults.inject();
      if (random.chance(compactRate)) cluster.snapshots.compact();
      if (random.chance(needlessSnapshotRate)) cluster.snapshots.sendNeedless();
      if (random.chance(changeRate)) cluster.membership.change();
      if (rebuildRate > 0 && random.chance(rebuildRate)) cluster.faults.rebuild();
      if (random.chance(0.3)) cluster.clients.act();
      cluster.tick();
    }
    cluster.healAll();
    cluster.runUntilAllApplied({ maxTicks: 10 * timing.electionTicks });
    assert.ok(cluster.work.acknowledged > 0);
    done.push(cluster.work);
  });
};

for (const seed of seeds) test(`simulation SEED=${seed}`, () => simulate(seed, []));

for (const seed of seeds)
  test(`simulation with members that lose their disks SEED=${seed}`, () => simulate(seed, [0.002, 0.01, 0.05]));

if (wanted === undefined && count >= 40)
  test("the seeds together cover snapshots, leadership transfers, member changes and rebuilds", () => {
    const sum = (of: (work: Work) => number): number => done.reduce((total, work) => total + of(work), 0);
    assert.ok(sum((work) => work.installed) > count / 2);
    assert.ok(sum((work) => work.handedOver) > count / 2);
    assert.ok(sum((work) => work.configured) > count / 2);
    assert.ok(sum((work) => work.rebuilt) > count / 2);
  });
