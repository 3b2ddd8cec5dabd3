// `npm run bench -- logins`: latencies of a reader and delays of the member's event loop during many logins with wrong passwords.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../client/index.js";
import { Forked } from "./forked.js";
import type { LoginCommand, LoginMessage } from "./login-attempts.js";
import { memberIn } from "./measured-cluster.js";
import type { MemberReport } from "./measured-member.js";
import { format, percentile, printTable } from "./report.js";
import { Scope } from "./scope.js";

const logins = Number(process.env["LOGINS"] ?? 10_000);
/** The logins under way at a time: fewer than the passwords that may wait to be hashed. */
const atOnce = 50;
const quietMs = 5_000;
const warmUpMs = 2_000;
const readsRestMs = 1;
const password = "a good password";

interface Load {
  readonly name: string;
  readonly bcryptCost: number;
  readonly logins: number;
}

/** The default cost is 10: a login then takes a thread 60 ms or more. */
const loads: readonly Load[] = [
  { name: "no logins", bcryptCost: 4, logins: 0 },
  { name: "--bcrypt-cost=4", bcryptCost: 4, logins },
  { name: "--bcrypt-cost=10", bcryptCost: 10, logins: Math.ceil(logins / 50) },
];

interface Measured {
  readonly load: Load;
  readonly seconds: number;
  /** The latencies of all reads in milliseconds, ascending. */
  readonly waits: readonly number[];
  readonly member: MemberReport;
}

/** Measures the effects of logins with wrong passwords. */
export const measureLogins = async (): Promise<void> => {
  console.log(
    `One member with users; wrong passwords over ${atOnce} connections, half of them for a user that there is; one reader of one key.\n`,
  );
  const measured: Measured[] = [];
  for (const load of loads) measured.push(await measure(load));
  printTable(
    [
      ...["", "logins", "logins/s", "reads", "read p50 ms", "p99 ms"],
      ...["loop delay p99 ms", "CPU of a turn p99 ms", "longest ms", "memory MB, before", "most"],
    ],
    measured.map(row),
    1,
  );
};

const row = ({ load, seconds, waits, member }: Measured): string[] => [
  load.name,
  format(load.logins),
  format(load.logins / seconds),
  format(waits.length),
  format(percentile(waits, 0.5), 1),
  format(percentile(waits, 0.99), 1),
  format(member.delayP99, 1),
  format(member.turnP99, 1),
  format(member.longestTurns[0], 1),
  format(member.before.own),
  format(member.most.own),
];

const measure = async (load: Load): Promise<Measured> => {
  await using scope = new Scope();
  const folder = await mkdtemp(join(tmpdir(), "minietcd-bench-"));
  scope.use({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) });
  const member = scope.use(memberIn(folder, "m1", { bcryptCost: String(load.bcryptCost) }));
  await member.launch();
  const endpoints = [member.endpoint];
  await addUsers(endpoints);
  const auth = { user: "root", password };
  const client = scope.use(new Client({ endpoints, auth, requestTimeoutMs: 60_000 }));
  await client.kv.put("k", "v");
  const attempts = scope.use(new Forked<LoginCommand, LoginMessage>("./login-attempts.ts", []));
  await attempts.next("ready");
  await read(client, new Promise((resolve) => setTimeout(resolve, warmUpMs)));
  member.begin();
  const beganAt = performance.now();
  const waits = await read(client, load.logins === 0 ? waitQuietly() : attack(attempts, endpoints[0]!, load));
  return { load, seconds: (performance.now() - beganAt) / 1_000, waits, member: await member.report() };
};

const waitQuietly = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, quietMs));

const attack = async (attempts: Forked<LoginCommand, LoginMessage>, endpoint: string, load: Load): Promise<void> => {
  attempts.send({ kind: "begin", endpoint, user: "root", logins: load.logins, atOnce });
  const { refused } = await attempts.next("done");
  if (refused !== load.logins) throw new Error(`${refused} of ${load.logins} logins were refused`);
};

/** Reads a key until `end`. @returns the latencies of all reads in milliseconds, ascending */
const read = async (client: Client, end: Promise<void>): Promise<number[]> => {
  let isOver = false;
  const over = end.finally(() => (isOver = true));
  over.catch(() => undefined); // awaited below
  const waits: number[] = [];
  while (!isOver) {
    const beganAt = performance.now();
    await client.kv.get("k");
    waits.push(performance.now() - beganAt);
    await new Promise((resolve) => setTimeout(resolve, readsRestMs));
  }
  await over;
  return waits.sort((a, b) => a - b);
};

const addUsers = async (endpoints: readonly string[]): Promise<void> => {
  await using client = new Client({ endpoints, requestTimeoutMs: 60_000 });
  await client.auth.userAdd({ user: "root", password });
  await client.auth.roleAdd("root");
  await client.auth.userGrantRole({ user: "root", role: "root" });
  await client.auth.enable();
};
