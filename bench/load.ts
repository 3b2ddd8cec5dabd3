// The load, in a process of its own so that the servers' CPU time is theirs alone. Takes one job at a time.

import { Client } from "../client/index.js";
import { percentile } from "./report.js";

export const operations = ["put", "get", "serializable get"] as const;

export interface Job {
  readonly operation: (typeof operations)[number];
  /** Requests under way at a time. */
  readonly inFlight: number;
  /** Time before anything is counted. */
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export type LoadMessage =
  | { readonly kind: "measuring" }
  | {
      readonly kind: "done";
      readonly requests: number;
      readonly seconds: number;
      readonly p50: number;
      readonly p99: number;
    }
  | { readonly kind: "failed"; readonly reason: string };

export const keyCount = 10_000;
export const valueBytes = 100;

const value = "v".repeat(valueBytes);
const keyOf = (n: number): string => `bench/${String(n % keyCount).padStart(8, "0")}`;

/** Connects one client to each member, so that every member has its share. */
const connect = (endpoints: readonly string[]): Client[] =>
  endpoints.map((_, n) => new Client({ endpoints: [...endpoints.slice(n), ...endpoints.slice(0, n)] }));

const request = async (client: Client, operation: Job["operation"], n: number): Promise<void> => {
  switch (operation) {
    case "put":
      await client.kv.put(keyOf(n), value);
      return;
    case "get":
      await client.kv.get(keyOf(n));
      return;
    case "serializable get":
      await client.kv.get(keyOf(n), { serializable: true });
      return;
  }
};

const play = async (clients: readonly Client[], job: Job, tell: (message: LoadMessage) => void): Promise<void> => {
  let n = 0;
  let began = Infinity;
  let ended = false;
  const latencies: number[] = [];
  const work = async (client: Client): Promise<void> => {
    for (;;) {
      // Scattered, as real requests are; the same for every server.
      const startedAt = performance.now();
      await request(client, job.operation, (n++ * 7_919) % keyCount);
      const now = performance.now();
      if (ended) return;
      if (startedAt >= began) latencies.push(now - startedAt);
    }
  };
  const timers = [
    setTimeout(() => {
      began = performance.now();
      tell({ kind: "measuring" });
    }, job.warmUpMs),
    setTimeout(() => {
      ended = true;
      const seconds = (performance.now() - began) / 1_000;
      latencies.sort((a, b) => a - b);
      tell({
        kind: "done",
        requests: latencies.length,
        seconds,
        p50: percentile(latencies, 0.5),
        p99: percentile(latencies, 0.99),
      });
    }, job.warmUpMs + job.measureMs),
  ];
  try {
    await Promise.all(Array.from({ length: job.inFlight }, (_, i) => work(clients[i % clients.length] ?? clients[0]!)));
  } finally {
    ended = true;
    timers.forEach(clearTimeout);
  }
};

/** Puts every key once, so that every get finds one. */
const fill = async (client: Client): Promise<void> => {
  const batch = 100;
  for (let first = 0; first < keyCount; first += batch)
    await client.kv.txn({
      success: Array.from({ length: batch }, (_, n) => ({ op: "put", key: keyOf(first + n), value })),
    });
};

/** Only as the process that `startLoad` forks. */
if (process.send !== undefined && process.argv[1]?.endsWith("load.ts")) {
  const tell = (message: LoadMessage): void => void process.send?.(message);
  const fail = (error: unknown): void => tell({ kind: "failed", reason: String(error) });
  const clients = connect(process.argv.slice(2));
  process.on("message", (job: Job) => void play(clients, job, tell).catch(fail));
  process.once("disconnect", () => clients.forEach((client) => void client.close()));
  fill(clients[0]!).then(() => tell({ kind: "measuring" }), fail);
}
