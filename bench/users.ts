// `npm run bench -- users`: puts and gets with and without authentication, and the cost of the check of a token.

import { generateKeyPairSync } from "node:crypto";
import { rmSync, writeFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../client/index.js";
import { systemClock } from "../platform/index.js";
import type { LogIndex } from "../raft/index.js";
import { JwtTokens, SimpleTokens, type TokenSource } from "../server/auth/index.js";
import type { LoadKind } from "./load/load-kinds.js";
import type { Job } from "./load/load-run.js";
import { LoadedCluster, loads } from "./loads.js";
import { format, median, printTable, ratio } from "./report.js";
import { Scope } from "./scope.js";
import { findServers } from "./servers.js";

const rounds = 3;
const kinds = ["put", "get"] as const;
const user = { name: "bench", password: "bench" };
const checks = 200_000;

/** Two clusters of a server: without users, and with authentication on. */
interface Pair {
  readonly label: string;
  readonly open: LoadedCluster;
  readonly checked: LoadedCluster;
}

/** Measures loads with and without a user. */
export const measureUsers = async (): Promise<void> => {
  console.log(
    `Three members, loaded as for \`npm run bench\`; medians of ${rounds} rounds, in turn without users and with one, who may read and\n` +
      "write all keys by a role and logs in at the beginning of each round.\n",
  );
  await using scope = new Scope();
  const pairs: Pair[] = [];
  for (const server of findServers()) {
    const [open, checked] = [
      scope.use(await LoadedCluster.start(server, 3)),
      scope.use(await LoadedCluster.start(server, 3)),
    ];
    for (const cluster of [open, checked]) await cluster.fill(0, sizes.keys, sizes.valueBytes);
    await addUser(checked.cluster.endpoints);
    pairs.push({ label: server.label, open, checked });
  }
  const rows: string[][] = [];
  for (const kind of kinds) {
    const gains: number[] = [];
    for (const { label, open, checked } of pairs) {
      const [without, with_] = await measure(jobOf(kind), open, checked);
      gains.push(without, with_);
      rows.push([kind, label, format(without), format(with_), ratio(with_, without)]);
    }
    const [ours = NaN, oursChecked = NaN, theirs = NaN, theirsChecked = NaN] = gains;
    if (pairs.length > 1) rows.push(["", "ratio", ratio(ours, theirs), ratio(oursChecked, theirsChecked), ""]);
  }
  printTable(["", "", "requests/s", "with a user", "with / without"], rows, 2);
  await tellChecks();
};

const jobOf = (kind: LoadKind): Job => loads[kind] ?? fail(kind);
const fail = (kind: string): never => {
  throw new Error(`there is no load "${kind}"`);
};
const { sizes } = jobOf("put");

/** Measures the requests per second without and with a user, in turn. */
const measure = async (job: Job, open: LoadedCluster, checked: LoadedCluster): Promise<[number, number]> => {
  const rates: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const [without, with_] = [await open.play(job), await checked.play({ ...job, user })];
    rates[0].push(without.count / without.seconds);
    rates[1].push(with_.count / with_.seconds);
  }
  return [median(rates[0]), median(rates[1])];
};

/** Adds a user with rights on all keys, and switches authentication on. */
const addUser = async (endpoints: readonly string[]): Promise<void> => {
  await using client = new Client({ endpoints, requestTimeoutMs: 60_000 }); // hashing a password takes long while all cores are busy
  const { auth } = client;
  await auth.userAdd({ user: "root", password: "root" });
  await auth.roleAdd("root");
  await auth.userGrantRole({ user: "root", role: "root" });
  await auth.userAdd({ user: user.name, password: user.password });
  await auth.roleAdd("all");
  await auth.roleGrantPermission({ role: "all", type: "readwrite", key: "", prefix: true });
  await auth.userGrantRole({ user: user.name, role: "all" });
  await auth.enable();
};

/** Prints the time of the check of a token that was checked before. */
const tellChecks = async (): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "minietcd-bench-"));
  const file = join(folder, "key.pem");
  writeFileSync(
    file,
    generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }),
  );
  const settings = { kind: "jwt", method: "RS256", publicKeyFile: undefined, ttlMs: 600_000 } as const;
  const simple = new SimpleTokens({ ttlMs: 300_000, clock: systemClock }, (bound) => bound - 1);
  const jwt = await JwtTokens.open({ ...settings, privateKeyFile: file }, () => Date.now());
  rmSync(folder, { recursive: true });
  const rows = [
    ["simple token", format((await checkCost(simple)) * 1_000, 2)],
    ["JSON Web Token (RS256)", format((await checkCost(jwt)) * 1_000, 2)],
  ];
  printTable(["a token that was checked before", "µs a check"], rows, 1);
};

/** Measures the time of a check, in milliseconds. Each check gets a new string, as each request does. */
const checkCost = async (tokens: TokenSource): Promise<number> => {
  const token = await tokens.assign(user.name, 7n, tokens.createPrefix(), 1 as LogIndex);
  await tokens.verify(token, 7n);
  const bytes = Buffer.from(token);
  const given = Array.from({ length: checks }, () => bytes.toString("latin1"));
  const began = performance.now();
  for (const each of given) if (tokens.verify(each, 7n) instanceof Promise) fail("a token that is remembered");
  return (performance.now() - began) / checks;
};
