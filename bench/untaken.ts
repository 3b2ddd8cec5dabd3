// Measures the memory of a member before, during and after clients that request large answers, read none of them and leave.

import { setTimeout as delay } from "node:timers/promises";
import { Client } from "../client/index.js";
import { mallocSettings } from "../cli/server/malloc-settings.js";
import { RangeRequest, WatchRequest } from "../proto/index.js";
import { createEtcdCluster, type EtcdMember } from "../test/support/etcd-process.js";
import { createRequest } from "../test/support/watch-stream.js";
import { residentMb } from "./process-usage.js";
import { format, printTable } from "./report.js";
import { Scope } from "./scope.js";
import { findServers, findOtherEtcds, type Server } from "./servers.js";
import { UntakenClients } from "./untaken-clients.js";

const key = "large";
const valueBytes = 1024 * 1024;
const readConnections = 100;
const readsPerConnection = 4;
const watchConnections = 20;
const watchersPerConnection = 10;
/** The changes for each watcher. */
const watchedPuts = 3;
/** The time before the clients leave: less than that after which minietcd closes such connections. */
const holdMs = 3_000;
const sampleMs = 50;
const afterMs = [5_000, 30_000] as const;
const laterPuts = 5_000;
const laterPutsAtOnce = 50;

/** Measures untaken answers on all servers. */
export const measureUntaken = async (): Promise<void> => {
  console.log(
    `One member; ${readConnections * readsPerConnection} answers of 1 MiB and ${watchConnections * watchersPerConnection} ` +
      `watchers of ${watchedPuts} changes of 1 MiB, none taken; all clients leave after ${holdMs / 1_000} s. RSS in MB.\n`,
  );
  const rows: string[][] = [];
  for (const server of [...findServers(), ...findOtherEtcds()]) {
    rows.push([server.label, ...(await measure(server)).map((megabytes) => format(megabytes))]);
    if (server.kind !== "minietcd") continue;
    rows.push(["same, malloc set", ...(await measure(server, mallocSettings)).map((megabytes) => format(megabytes))]);
  }
  const times = afterMs.map((ms) => `${ms / 1_000} s after`);
  printTable(["", "before", "at most", ...times, `after ${laterPuts} puts`], rows, 1);
  const settings = Object.entries(mallocSettings).map(([name, value]) => `${name}=${value}`);
  console.log(`malloc set: ${settings.join(" ")}\n`);
};

/** Returns the RSS before the clients, the most during them, at each of `afterMs` after them, and after puts. */
const measure = async (
  { kind, program }: Server,
  environment: Readonly<Record<string, string>> = {},
): Promise<(number | undefined)[]> => {
  await using scope = new Scope();
  const cluster = scope.use(
    await createEtcdCluster({
      ...{ kind, environment, flags: ["--log-level=error"] },
      ...(program === undefined ? {} : { program }),
    }),
  );
  await cluster.start();
  const member = cluster.member(0);
  const client = scope.use(new Client({ endpoints: cluster.endpoints }));
  const put = () => client.kv.put(key, new Uint8Array(valueBytes).fill(120));
  await put();
  const before = residentMb(member.pid);
  const most = await measureMostWhile(member.pid, () => askAndLeave(member, put));
  const afterwards: (number | undefined)[] = [];
  let waited = 0;
  for (const ms of afterMs) {
    await delay(ms - waited);
    waited = ms;
    afterwards.push(residentMb(member.pid));
  }
  for (let n = 0; n < laterPuts; n += laterPutsAtOnce)
    await Promise.all(Array.from({ length: laterPutsAtOnce }, (_, i) => client.kv.put(`later/${n + i}`, "x")));
  return [before, most, ...afterwards, residentMb(member.pid)];
};

/** Makes the requests; resolves once the clients have left. */
const askAndLeave = async ({ endpoint }: EtcdMember, put: () => Promise<unknown>): Promise<void> => {
  using clients = new UntakenClients(endpoint);
  const watch = WatchRequest.encode(createRequest({ key })).finish();
  for (let n = 0; n < watchConnections; n++)
    await clients.call(watchersPerConnection, "/etcdserverpb.Watch/Watch", watch, true);
  for (let n = 0; n < watchedPuts; n++) await put();
  const range = RangeRequest.encode(RangeRequest.create({ key: Buffer.from(key) })).finish();
  // Some calls get no answer before the clients leave: they are refused, or wait for each other.
  for (let n = 0; n < readConnections; n++)
    void clients.call(readsPerConnection, "/etcdserverpb.KV/Range", range, false);
  await delay(holdMs);
};

/** Returns the most memory of a process during `work`, in MB. */
const measureMostWhile = async (pid: number, work: () => Promise<void>): Promise<number | undefined> => {
  let most = residentMb(pid);
  const timer = setInterval(() => {
    const now = residentMb(pid);
    if (most !== undefined && now !== undefined) most = Math.max(most, now);
  }, sampleMs);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return most;
};
