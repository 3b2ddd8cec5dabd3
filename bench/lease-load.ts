// Keeps leases alive, each with a key, in a process of its own.

import { Client, type LeaseKeepAlive } from "../client/index.js";
import { prefix } from "./put-load.js";

/** A message to the benchmark. */
export type LeaseMessage =
  | { readonly kind: "ready"; readonly ids: readonly bigint[] }
  | {
      readonly kind: "progress";
      readonly lost: number;
      /** The shortest remaining time that any lease has had. */
      readonly leastRemainingMs: number;
    };

export const ttlSeconds = 10;
export const leasePrefix = `${prefix}lease/`;

const progressMs = 100;
const grantsAtATime = 50;

const grant = async (clients: readonly Client[], count: number): Promise<LeaseKeepAlive[]> => {
  const leases: LeaseKeepAlive[] = [];
  while (leases.length < count) {
    const first = leases.length;
    const batch = Array.from({ length: Math.min(grantsAtATime, count - first) }, async (_, i) => {
      const client = clients[i % clients.length]!;
      const lease = await client.lease.hold({ ttlSeconds });
      await client.kv.put(`${leasePrefix}${first + i}`, "", { lease: lease.id });
      return lease;
    });
    leases.push(...(await Promise.all(batch)));
  }
  return leases;
};

const report = (leases: readonly LeaseKeepAlive[]): void => {
  let leastRemainingMs = Infinity;
  setInterval(() => {
    for (const { remainingMs } of leases) leastRemainingMs = Math.min(leastRemainingMs, remainingMs);
    tell({ kind: "progress", lost: leases.filter(({ lossSignal }) => lossSignal.aborted).length, leastRemainingMs });
  }, progressMs);
};

const tell = (message: LeaseMessage): void => void process.send?.(message);

/** Runs only in the process that the benchmark forks. */
if (process.send !== undefined && process.argv[1]?.endsWith("lease-load.ts")) {
  const [count, ...endpoints] = process.argv.slice(2);
  process.once("disconnect", () => process.exit());
  const clients = endpoints.map((_, n) => new Client({ endpoints: [...endpoints.slice(n), ...endpoints.slice(0, n)] }));
  const leases = await grant(clients, Number(count));
  report(leases);
  tell({ kind: "ready", ids: leases.map(({ id }) => id) });
}
