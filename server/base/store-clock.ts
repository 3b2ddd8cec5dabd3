import type { Clock } from "../../platform/index.js";
import type { StoreClock } from "../../store/index.js";

/** Adapts the member's clock to the store. */
export const storeClockOf = (clock: Clock): StoreClock => ({
  now: () => clock.now(),
  setTimeout: (callback, ms) => clock.after(ms, callback),
  soon: (callback) => clock.soon(callback),
  clearTimeout: (cancel) => (cancel as () => void)(),
});
