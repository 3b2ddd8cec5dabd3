// The time of a client: injected, so that tests let it pass.
import type { Clock } from "../../platform/index.js"; // the type alone: platform itself loads a database

export type { Clock };

/** The longest time that Node's timers wait; they fire at once when told to wait longer. */
const longestTimerMs = 2 ** 31 - 1;

/** Shortens a time to what a timer of Node's can wait. */
export const asTimer = (milliseconds: number) => Math.min(milliseconds, longestTimerMs);

const after = (ms: number, callback: () => void): (() => void) => {
  if (ms > longestTimerMs) return afterLong(ms, callback);
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
};

/** Waits longer than one timer can. */
const afterLong = (ms: number, callback: () => void): (() => void) => {
  let stop: () => void;
  const next = () => {
    if (ms <= longestTimerMs) callback();
    else stop = after(ms - longestTimerMs, callback);
  };
  const timer = setTimeout(next, asTimer(ms));
  stop = () => clearTimeout(timer);
  return () => stop();
};

/** The machine's own clock. Its repeated timers do not keep the process alive. */
export const machineClock: Clock = {
  now: () => performance.now(),
  every: (ms, callback) => {
    const timer = setInterval(callback, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
  after,
  soon: (callback) => void setImmediate(callback),
};
