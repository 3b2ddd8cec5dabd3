// Requests that do the same once and twice, and so may be sent again when it is not known what became of them.
import type { Clock } from "./clock.js";
import { EtcdError } from "./errors.js";
import type { RequestOptions } from "./options.js";
import { sleep } from "./wakeup.js";

/** Pause before a request is sent again. */
const pauseMs = 100;

/** Tries that share the time: a server that has just lost its leader may keep a request for longer than it has. */
const tries = 3;

/**
 * Sends a request again while no server can answer it, until the signal is raised or the time is over.
 *
 * @param limits.timeoutMs in all; absent: as long as it takes
 */
export async function retryUntil<T>(
  clock: Clock,
  { signal, timeoutMs = Infinity }: RequestOptions,
  request: (options: RequestOptions) => Promise<T>,
): Promise<T> {
  const deadline = clock.now() + timeoutMs;
  for (;;) {
    const left = deadline - clock.now();
    try {
      const tryMs = Math.ceil(Math.min(left, timeoutMs / tries));
      return await request({ signal, timeoutMs: tryMs === Infinity ? undefined : tryMs });
    } catch (error) {
      const mayPass = error instanceof EtcdError && ["unavailable", "deadline-exceeded"].includes(error.code);
      if (!mayPass || signal?.aborted || clock.now() + pauseMs >= deadline) throw error;
      await sleep(clock, pauseMs, signal);
    }
  }
}
