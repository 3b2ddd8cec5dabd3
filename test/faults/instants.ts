// Random instants at which members are killed; a seed repeats them.

import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { seededRandom } from "../../testing/random.js";

/** Resolves after a random time of at most `ms` milliseconds. */
export type AnyInstantWithin = (ms: number) => Promise<void>;

/**
 * Returns the source of instants for a test, and prints its seed. `SEED=… npm run test:faults` repeats it, as far as real processes can.
 */
export const instantsOf = (t: TestContext): AnyInstantWithin => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const random = seededRandom(seed);
  return (ms) => delay(random.next() * ms);
};
