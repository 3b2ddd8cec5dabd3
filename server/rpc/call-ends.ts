// The ends of calls, for the engines that keep them themselves.

import { performance } from "node:perf_hooks";
import type { Clock } from "../../platform/index.js";

/** Returns a deadline, which is a time of `clock` or Infinity, in Unix milliseconds. */
export const unixDeadline = (deadlineAt: number, clock: Pick<Clock, "now">): number =>
  Math.floor(performance.timeOrigin + performance.now()) + deadlineAt - clock.now();

/** Returns a callback that calls both, the first one if there is one. */
export const bothCallbacks = (first: (() => void) | undefined, second: () => void): (() => void) =>
  first === undefined
    ? second
    : () => {
        first();
        second();
      };
