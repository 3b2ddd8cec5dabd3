import type { Clock } from "../../platform/index.js";
import type { StoreClock } from "../../store/index.js";

/** The member's clock, as the store needs it. */
export const storeClockOf = (clock: Clock): StoreClock => ({
  now: () => clock.now(),
  setTimeout: (callback, ms) => clock.after(ms, callback),
  soon: (callback) => clock.soon(callback),
  clearTimeout: (cancel) => (cancel as () => void)(),
});
