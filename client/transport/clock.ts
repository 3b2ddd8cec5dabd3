// The clock of a client: injected, so that tests control the time.
import type { Clock } from "../../platform/index.js"; // only the type: at run time, platform would load a database

export type { Clock };

/** The longest time of Node's timers; with a longer time they fire at once. */
const longestTimerMs = 2 ** 31 - 1;

/** Shortens a time to the longest time of Node's timers. */
export const asTimer = (milliseconds: number) => Math.min(milliseconds, longestTimerMs);

const after = (ms: number, callback: () => void): (() => void) => {
  if (ms > longestTimerMs) return afterLong(ms, callback);
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
};

/** Waits longer than the longest time of one timer. */
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
