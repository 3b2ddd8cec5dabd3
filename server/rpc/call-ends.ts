// Helpers for the ends of calls, for engines without grpc-js.

import { performance } from "node:perf_hooks";
import type { Clock } from "../../platform/index.js";

/** Converts a deadline, a time of `clock` or Infinity, to Unix milliseconds. */
export const unixDeadline = (deadlineAt: number, clock: Pick<Clock, "now">): number =>
  Math.floor(performance.timeOrigin + performance.now()) + deadlineAt - clock.now();

/** Returns a callback that calls `first`, if there is one, and `second`. */
export const bothCallbacks = (first: (() => void) | undefined, second: () => void): (() => void) =>
  first === undefined
    ? second
    : () => {
        first();
        second();
      };
