// Measures how slow this machine is now, so that tests wait longer on a busy one. What a test promises is never scaled.

import { pbkdf2Sync } from "node:crypto";
import { availableParallelism, loadavg } from "node:os";

/** A fixed piece of work: native code, so that no compiler warms up within it. */
const work = (): void => void pbkdf2Sync("password", "salt", 60_000, 32, "sha256");

/** Time of `work` on a quiet machine of the usual speed. */
const quietMs = 25;

/** Bounds all waiting: beyond this the machine is too busy to tell a slow test from one that hangs. */
const maxSlowness = 50;

const measureMs = (): number => {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
};

/** The measured time of some work, and the processes that share each core: whichever says more. */
const measureSlowness = (): number => Math.max(measureMs() / quietMs, loadavg()[0]! / availableParallelism());

const clamp = (factor: number): number => Math.min(Math.max(factor, 1), maxSlowness);

let current = clamp(measureSlowness());

/** How many times longer than on a quiet machine things take: from 1 to 50, as of the last measurement. */
export const slowness = (): number => current;

/** Measures again, which blocks this thread meanwhile. The slowness of a process never falls: load comes in waves. */
export const remeasure = (): number => {
  current = Math.max(current, clamp(measureSlowness()));
  return current;
};

/**
 * A time-out of something that is only waited for: as long on a busy machine as it has to be.
 *
 * @param quietMs what is generous on a quiet machine
 */
export const scaledMs = (quietMs: number): number => Math.ceil(quietMs * current);

/** Beyond this a lease, or an election timeout, is no longer scaled: its whole length is waited for. */
const maxLengthening = 5;

/**
 * A TTL, or an election timeout, that members and clients can keep on this machine: processes that share a core are late.
 *
 * @param quiet in any unit, what a quiet machine can keep
 */
export const lengthen = (quiet: number): number => Math.ceil(quiet * Math.min(current, maxLengthening));
