// Measures how slow this machine is now, so that tests wait longer on a busy one. The promised times that a test checks are not scaled.

import { pbkdf2Sync } from "node:crypto";
import { availableParallelism, loadavg } from "node:os";

/** Does a fixed amount of work, in native code, so that no just-in-time compiler affects its time. */
const work = (): void => void pbkdf2Sync("password", "salt", 60_000, 32, "sha256");

/** Time of `work` on a quiet machine of usual speed. */
const quietMs = 25;

/** Limit of the scaling: beyond it, the machine is too busy to distinguish a slow test from one that hangs. */
const maxSlowness = 50;

const measureMs = (): number => {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
};

/** Returns the larger of two measures: the time of `work`, and the number of processes per core. */
const measureSlowness = (): number => Math.max(measureMs() / quietMs, loadavg()[0]! / availableParallelism());

const clamp = (factor: number): number => Math.min(Math.max(factor, 1), maxSlowness);

let current = clamp(measureSlowness());

/** Returns the factor by which this machine is slower than a quiet one, from 1 to 50, at the last measurement. */
export const slowness = (): number => current;

/** Measures again, which blocks this thread meanwhile. The slowness of a process never decreases, as load varies. */
export const remeasure = (): number => {
  current = Math.max(current, clamp(measureSlowness()));
  return current;
};

/**
 * Scales a timeout that only bounds waiting to the speed of this machine.
 * | @param quietMs a generous timeout on a quiet machine
 */
export const scaleMs = (quietMs: number): number => Math.ceil(quietMs * current);

/** Limit of the scaling of TTLs and election timeouts, because tests wait for their whole length. */
const maxLengthening = 5;

/**
 * Scales a TTL or an election timeout to one that members and clients can keep on this machine, on which processes may get the CPU late.
 * | @param quiet value for a quiet machine, in any unit
 */
export const lengthen = (quiet: number): number => Math.ceil(quiet * Math.min(current, maxLengthening));
