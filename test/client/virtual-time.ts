// Virtual time for a client that talks to real sockets of this process.
import type { VirtualClock } from "../../testing/virtual-clock.js";

/** Turns of the event loop after each step; messages between client and server arrive in them. */
const turnsPerStep = 10;

const takeTurns = async (): Promise<void> => {
  for (let turn = 0; turn < turnsPerStep; turn++) await new Promise(setImmediate);
};

/** Advances time in small steps until `promise` is settled, and settles like it. */
export const passTime = async <T>(clock: VirtualClock, promise: Promise<T>, stepMs = 10): Promise<T> => {
  const time = { isUp: false };
  const stop = () => void (time.isUp = true);
  promise.then(stop, stop);
  await takeTurns();
  while (!time.isUp) {
    clock.advance(stepMs);
    await takeTurns();
  }
  return promise;
};
