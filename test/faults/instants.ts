// At which instants members are killed: any will do, and a seed repeats them.

import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { seededRandom } from "../../testing/random.js";

/** Passes a time between now and so many milliseconds on: nothing is waited for, something is hit. */
export type AnyInstantWithin = (ms: number) => Promise<void>;

/** Told on the test's output; `SEED=… npm run test:faults` repeats it, as far as real processes repeat anything. */
export const instantsOf = (t: TestContext): AnyInstantWithin => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const random = seededRandom(seed);
  return (ms) => delay(random.next() * ms);
};
