// Plays a script on its own cluster, and compares the outcomes of two programs or servers.

import assert from "node:assert/strict";
import { startEtcdCluster, type ServerKind } from "../../support/etcd-process.js";
import type { Ctl } from "./ctl.js";
import { play, type Outcome, type Step } from "./script.js";

/** Plays a script on a fresh cluster. */
export async function playOn(
  kind: ServerKind,
  members: number,
  ctl: Ctl,
  steps: readonly Step[],
  flags: readonly string[] = [],
): Promise<Outcome[]> {
  await using cluster = await startEtcdCluster({ kind, members, flags });
  return await play(steps, ctl, cluster);
}

/** Checks that all outcomes are equal; a failure shows every different step, not only the first. */
export function assertAlike(outcomes: readonly Outcome[], expected: readonly Outcome[]): void {
  const differ = (outcome: Outcome, position: number) => JSON.stringify(outcome) !== JSON.stringify(expected[position]);
  const wrong = outcomes.filter(differ);
  const right = expected.filter((_, position) => wrong.includes(outcomes[position]!));
  assert.deepEqual(wrong, right);
}
