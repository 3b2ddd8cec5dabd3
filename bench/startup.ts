// Measures the time from the start of a process until it has answered a linearizable get.

import { setTimeout as delay } from "node:timers/promises";
import { LoadConnection } from "./load/load-connection.js";
import { requestsOf } from "./load/load-kinds.js";
import { format, median, printTable } from "./report.js";
import { findServers, createMembers, type Server } from "./servers.js";

const runs = 5;
const retryMs = 2;
const [get] = requestsOf("get", { keys: 1, valueBytes: 0 });

/** The times in milliseconds, by the kind of start. */
interface Times {
  readonly fresh: number[];
  readonly restarted: number[];
  readonly killed: number[];
  readonly three: number[];
}

/** Measures the start of a new member, of a stopped one, of a killed one, and of three new ones. */
export const measureStartup = async (): Promise<void> => {
  const rows: string[][] = [];
  for (const server of findServers()) {
    const times: Times = { fresh: [], restarted: [], killed: [], three: [] };
    for (let run = 0; run < runs; run++) await measure(server, times);
    rows.push([server.label, ...Object.values(times).map((each: number[]) => format(median(each)))]);
  }
  console.log(`Milliseconds until a linearizable get is answered, by all members; medians of ${runs} runs.\n`);
  printTable(["", "one, fresh", "restarted after SIGTERM", "restarted after kill -9", "three, fresh"], rows, 1);
};

const measure = async (server: Server, { fresh, restarted, killed, three }: Times): Promise<void> => {
  await using single = await createMembers(server, 1);
  const member = single.member(0);
  const start = (): void => member.launch();
  fresh.push(await measureUntilAnswered(start, single.endpoints));
  await member.stop("SIGTERM");
  restarted.push(await measureUntilAnswered(start, single.endpoints));
  await member.stop("SIGKILL");
  killed.push(await measureUntilAnswered(start, single.endpoints));
  await using cluster = await createMembers(server);
  three.push(await measureUntilAnswered(() => cluster.members.forEach((each) => each.launch()), cluster.endpoints));
};

const measureUntilAnswered = async (start: () => void, endpoints: readonly string[]): Promise<number> => {
  const began = performance.now();
  start();
  await Promise.all(endpoints.map(waitForAnswer));
  return performance.now() - began;
};

/** Repeats a get until it is answered: before a member is ready, its port is closed, or connections to it are. */
const waitForAnswer = async (endpoint: string): Promise<void> => {
  for (;;) {
    if ((await statusOfGet(endpoint)) === "0") return;
    await delay(retryMs);
  }
};

const statusOfGet = async (endpoint: string): Promise<string> => {
  try {
    await using connection = await LoadConnection.open(endpoint);
    return await new Promise((resolve) => connection.callUnary(get!.path, get!.message, { onEnd: resolve }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === "connect") return "refused";
    throw error;
  }
};
