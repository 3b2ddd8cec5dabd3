// Runs loads in a process of its own, so that its CPU time is not counted with the servers'. One command at a time.

import { setTimeout as delay } from "node:timers/promises";
import {
  AuthenticateRequest,
  AuthenticateResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  TxnRequest,
} from "../../proto/index.js";
import { frameMessage, type LoadConnection } from "./load-connection.js";
import { keyOf, type LoadSizes, paths } from "./load-kinds.js";
import { type Job, type LoadResult, LoadRun, openConnections } from "./load-run.js";

/** A command of the benchmark. */
export type LoadCommand =
  | { readonly kind: "play"; readonly job: Job }
  /** Puts the keys `from` to `to`, exclusive. */
  | { readonly kind: "fill"; readonly from: number; readonly to: number; readonly valueBytes: number };

/** A message to the benchmark. */
export type LoadMessage =
  | { readonly kind: "measuring" }
  | { readonly kind: "result"; readonly result: LoadResult }
  | { readonly kind: "filled" };

const putsPerTxn = 100;
const maxTxnBytes = 512 * 1024;
const txnsInFlight = 16;
/** Longer than a run, so that no lease expires. */
const ttlSeconds = 3_600n;

/** Sends a request. @returns the encoded response */
const call = (connection: LoadConnection, path: string, request: Uint8Array): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    let answer: Uint8Array = new Uint8Array();
    connection.callUnary(path, frameMessage(request), {
      onMessage: (message) => (answer = Uint8Array.from(message)),
      onEnd: (status) => (status === "0" ? resolve(answer) : reject(new Error(`${path} failed: status ${status}`))),
    });
  });

const grant = async (connection: LoadConnection): Promise<bigint> => {
  const request = LeaseGrantRequest.encode(LeaseGrantRequest.fromPartial({ TTL: ttlSeconds })).finish();
  return LeaseGrantResponse.decode(await call(connection, paths.grant, request)).ID;
};

/** Logs in at the first member. @returns the token, valid at all members */
const logIn = async (endpoints: readonly string[], user: NonNullable<Job["user"]>): Promise<string> => {
  const [connection] = await openConnections(endpoints, 1);
  try {
    const request = AuthenticateRequest.encode(AuthenticateRequest.create(user)).finish();
    return AuthenticateResponse.decode(await call(connection!, paths.authenticate, request)).token;
  } finally {
    await connection![Symbol.asyncDispose]();
  }
};

const closeAll = (connections: readonly LoadConnection[]): Promise<unknown> =>
  Promise.all(connections.map((connection) => connection[Symbol.asyncDispose]()));

const play = async (endpoints: readonly string[], job: Job): Promise<LoadResult> => {
  const token = job.user && (await logIn(endpoints, job.user));
  const connections = await openConnections(endpoints, job.connections, token);
  try {
    const lease = job.kind === "keep-alive" ? await grant(connections[0]!) : 0n;
    const run = new LoadRun(job, connections, lease);
    await run.begin();
    await delay(job.warmUpMs);
    tell({ kind: "measuring" });
    run.count();
    const began = performance.now();
    await delay(job.measureMs);
    return run.result((performance.now() - began) / 1_000);
  } finally {
    await closeAll(connections);
  }
};

const fill = async (endpoints: readonly string[], sizes: Extract<LoadCommand, { kind: "fill" }>): Promise<void> => {
  const connections = await openConnections(endpoints, endpoints.length);
  let next = sizes.from;
  const work = async (connection: LoadConnection): Promise<void> => {
    while (next < sizes.to) {
      const from = next;
      next = Math.min(sizes.to, from + countKeysPerTxn(sizes));
      await call(connection, paths.txn, putsOf(from, next, sizes));
    }
  };
  try {
    await Promise.all(Array.from({ length: txnsInFlight }, (_, n) => work(connections[n % connections.length]!)));
  } finally {
    await closeAll(connections);
  }
};

const countKeysPerTxn = ({ valueBytes }: Pick<LoadSizes, "valueBytes">): number =>
  Math.max(1, Math.min(putsPerTxn, Math.floor(maxTxnBytes / valueBytes)));

const putsOf = (from: number, to: number, { valueBytes }: Pick<LoadSizes, "valueBytes">): Uint8Array => {
  const value = Buffer.alloc(valueBytes, "v");
  const success = Array.from({ length: to - from }, (_, n) => ({
    request: { $case: "requestPut" as const, value: { key: keyOf(from + n), value } },
  }));
  return TxnRequest.encode(TxnRequest.fromPartial({ success })).finish();
};

const tell = (message: LoadMessage): void => void process.send?.(message);

/** Runs only in the process that the benchmark forks. */
if (process.send !== undefined && process.argv[1]?.endsWith("load-process.ts")) {
  const endpoints = process.argv.slice(2);
  process.once("disconnect", () => process.exit());
  process.on("message", (command: LoadCommand) => {
    if (command.kind === "play") void play(endpoints, command.job).then((result) => tell({ kind: "result", result }));
    else void fill(endpoints, command).then(() => tell({ kind: "filled" }));
  });
}
