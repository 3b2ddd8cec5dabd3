// Makes the large requests of `stalls`, in a process of its own for each server: none of them finds a client that has warmed up at another.

import { Client } from "../client/index.js";
import { Scope } from "./scope.js";

/** A command of the benchmark: runs a phase. */
export interface RequestCommand {
  readonly kind: "run";
  /** Its place in `phases`. */
  readonly phase: number;
}

/** A message to the benchmark. */
export interface RequestMessage {
  readonly kind: "ready" | "done";
}

/** Number of keys of the large requests. */
export const keyCount = Number(process.env["STALLS_KEYS"] ?? 32_000);
/** Bytes of each of their values. */
export const valueBytes = 300;
const keysPerTxn = 100;
const reads = 3;
const prefix = "stalls/";
const timeoutMs = 60_000;
const idleMs = 2_000;

const everything = { prefix: true } as const;

/** The clients of all members, and the lease of this round. */
interface Round {
  lease: bigint;
  readonly clients: readonly Client[];
  readonly endpoints: readonly string[];
}

interface Phase {
  readonly name: string;
  readonly run: (round: Round) => Promise<unknown>;
}

const beginRound = async (round: Round): Promise<void> => {
  const { id } = await round.clients[0]!.lease.grant({ ttlSeconds: 3_600 });
  round.lease = id;
  await new Promise((resolve) => setTimeout(resolve, idleMs));
};

const fill = async ({ lease, clients }: Round): Promise<void> => {
  for (let first = 0; first < keyCount; first += keysPerTxn)
    await clients[0]!.kv.txn({
      success: Array.from({ length: Math.min(keysPerTxn, keyCount - first) }, (_, n) => ({
        op: "put" as const,
        key: `${prefix}${String(first + n).padStart(8, "0")}`,
        value: "v".repeat(valueBytes),
        lease,
      })),
    });
};

/** Runs `run` several times, each time at another member. */
const onEach = async ({ clients }: Round, run: (client: Client, member: number) => Promise<unknown>): Promise<void> => {
  for (let n = 0; n < reads; n++) await run(clients[n % clients.length]!, n % clients.length);
};

const compactAll = async ({ clients }: Round): Promise<void> => {
  const { header } = await clients[0]!.kv.get("none");
  await clients[0]!.kv.compact(header.revision, { physical: true, timeoutMs });
};

const getAll = (client: Client): Promise<unknown> => client.kv.get(prefix, { ...everything, timeoutMs });

/** The phases of a round, the same for every server. */
export const phases: readonly Phase[] = [
  { name: "nothing else", run: beginRound },
  { name: "put in transactions", run: fill },
  { name: "read three times", run: (round) => onEach(round, getAll) },
  { name: "read by three at once", run: ({ clients }) => Promise.all(clients.map(getAll)) },
  {
    name: "read in a transaction",
    run: (round) =>
      onEach(round, (client) => client.kv.txn({ success: [{ op: "get", key: prefix, ...everything }] }, { timeoutMs })),
  },
  {
    name: "keys of the lease",
    run: (round) => onEach(round, (client) => client.lease.timeToLive(round.lease, { keys: true, timeoutMs })),
  },
  {
    name: "hash",
    run: (round) =>
      onEach(round, (client, member) => client.maintenance.hashKv(round.endpoints[member]!, 0, { timeoutMs })),
  },
  { name: "lease revoked", run: ({ clients, lease }) => clients[0]!.lease.revoke(lease, { timeoutMs }) },
  { name: "compacted", run: compactAll },
];

const tell = (message: RequestMessage): void => void process.send?.(message);

/** Runs only in the process that the benchmark forks. */
if (process.send !== undefined && process.argv[1]?.endsWith("stall-requests.ts")) {
  process.once("disconnect", () => process.exit());
  await using scope = new Scope();
  const endpoints = process.argv.slice(2);
  const clients = endpoints.map((endpoint) => scope.use(new Client({ endpoints: [endpoint] })));
  const round: Round = { lease: 0n, clients, endpoints };
  tell({ kind: "ready" });
  for (;;) {
    const { phase } = await new Promise<RequestCommand>((resolve) => process.once("message", resolve));
    await phases[phase]!.run(round);
    tell({ kind: "done" });
  }
}
