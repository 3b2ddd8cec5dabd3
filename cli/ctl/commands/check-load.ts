// The writes of a check: workers put random keys at a bounded rate, until the time has passed or the number of writes is reached.
import { randomBytes } from "node:crypto";
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, EtcdError } from "../../../client/index.js";
import { etcdText } from "../args/index.js";

/** Writes to make. */
export interface Load {
  readonly prefix: string;
  /** Bytes of the key after the prefix, of which eight are random. */
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Number of workers, each with one write at a time. */
  readonly workers: number;
  /** Writes per second; Infinity: a worker writes again as soon as it has an answer. */
  readonly writesPerSecond: number;
  /** No write begins after this time, or beyond `writes`. */
  readonly seconds: number;
  readonly writes: number;
}

/** Outcome of a load; times are in seconds, of the writes that succeeded. */
export interface LoadResult {
  readonly writesPerSecond: number;
  readonly slowest: number;
  readonly deviation: number;
  /** Number of failures by error text. */
  readonly failures: ReadonlyMap<string, number>;
}

/**
 * Makes the writes of a load. The workers share the `clients`, so that there are few connections.
 *
 * @param stop no write begins after it is aborted; writes in flight are waited for
 * @param onWrite called after each write, with the number of those that have ended
 */
export async function runLoad(
  clients: readonly Client[],
  load: Load,
  stop: AbortSignal,
  onWrite: (done: number) => void,
): Promise<LoadResult> {
  setMaxListeners(load.workers * 2, stop); // each worker has a timer and a request that listen
  const startedAt = performance.now();
  const endAt = startedAt + load.seconds * 1_000;
  const tally = new Tally();
  const value = Buffer.alloc(load.valueBytes);
  let [begun, nextAt] = [0, startedAt];
  const isStopped = (): boolean => stop.aborted;
  const work = async (client: Client): Promise<void> => {
    while (!isStopped() && begun < load.writes) {
      begun++;
      nextAt = Math.max(nextAt + 1_000 / load.writesPerSecond, performance.now());
      if (nextAt >= endAt) return;
      await waitUntil(nextAt, stop);
      if (isStopped()) return;
      await tally.measure(client.kv.put(keyOf(load), value, { timeoutMs: writeTimeoutMs }));
      onWrite(tally.done);
    }
  };
  const workers = clients.flatMap((client, n) =>
    Array.from({ length: Math.ceil((load.workers - n) / clients.length) }, () => work(client)),
  );
  await Promise.all(workers);
  return tally.result((performance.now() - startedAt) / 1_000);
}

/** Time after which a write counts as a failure. */
const writeTimeoutMs = 30_000;

const keyOf = ({ prefix, keyBytes }: Load): Uint8Array => {
  const random = randomBytes(8);
  return Buffer.concat([Buffer.from(prefix), random, Buffer.alloc(Math.max(keyBytes - random.length, 0))]);
};

async function waitUntil(time: number, signal: AbortSignal): Promise<void> {
  const ms = time - performance.now();
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => undefined); // aborted: the caller checks the signal
}

/** Statistics of the writes' times and failures, without a list of all times. */
class Tally {
  done = 0;
  private succeeded = 0;
  private sum = 0;
  private squares = 0;
  private slowest = 0;
  private readonly failures = new Map<string, number>();

  async measure(write: Promise<unknown>): Promise<void> {
    const startedAt = performance.now();
    try {
      await write;
      const seconds = (performance.now() - startedAt) / 1_000;
      this.succeeded++;
      this.sum += seconds;
      this.squares += seconds ** 2;
      this.slowest = Math.max(this.slowest, seconds);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      const text = etcdText(error);
      this.failures.set(text, (this.failures.get(text) ?? 0) + 1);
    }
    this.done++;
  }

  result(elapsedSeconds: number): LoadResult {
    const mean = this.sum / Math.max(this.succeeded, 1);
    const variance = this.squares / Math.max(this.succeeded, 1) - mean ** 2;
    const deviation = Math.sqrt(Math.max(variance, 0));
    const writesPerSecond = this.succeeded / elapsedSeconds;
    return { writesPerSecond, slowest: this.slowest, deviation, failures: this.failures };
  }
}
