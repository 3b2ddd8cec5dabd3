// Measures starts and puts of a test server, of antietcd and of real etcd, in processes of their own, one after the other.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "../client/index.js";
import { format, median, printTable, ratio } from "./report.js";
import { createMembers, versionOfEtcd } from "./servers.js";

const run = promisify(execFile);
const antietcdVersion = "1.3.1";
const rounds = 3;
/** The puts of one measurement of etcd, which writes to a disk. */
const etcdPuts = 4_000;
const putsAtOnce = 500;

/**
 * The start times of the first server of a process and of later ones; the rates of its first 20 000 puts, of the next 60 000 and of
 * later ones, per second.
 */
interface Measured {
  readonly firstStartMs: number;
  readonly startMs?: number;
  readonly firstRate: number;
  readonly nextRate?: number;
  readonly laterRate: number;
}

type Measure = () => Promise<Measured>;

/** Prints the start times and rates of each kind of server, and the ratios of minietcd's rates to antietcd's. */
export const printNeighbours = async (): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), "minietcd-bench-"));
  try {
    const kinds = {
      "startTestServer()": measureInProcess("minietcd", builtKit),
      ...(await installAntietcd(folder)),
      ...findEtcd(),
    };
    const results = await measureInTurns(Object.entries(kinds));
    console.log(
      `Puts of 5 bytes, ${putsAtOnce} at once, without a disk but for etcd; medians of ${rounds} processes.\n`,
    );
    printTable(
      ["", "first start, ms", "later starts, ms", "first puts/s", "next puts/s", "later puts/s"],
      results.map(([name, measured]) => rowOf(name, measured)),
      1,
    );
    printRatio(results);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

type Results = readonly (readonly [name: string, measured: readonly Measured[]])[];

/** Measures all kinds in each round, so that a load of the machine affects all of them. */
const measureInTurns = async (kinds: readonly (readonly [string, Measure])[]): Promise<Results> => {
  const results = kinds.map(([name]): readonly [string, Measured[]] => [name, []]);
  for (let round = 0; round < rounds; round++)
    for (const [index, [, measure]] of kinds.entries()) results[index]?.[1].push(await measure());
  return results;
};

const rowOf = (name: string, measured: readonly Measured[]): string[] => [
  name,
  format(median(measured.map((each) => each.firstStartMs)), 1),
  format(median(measured.map((each) => each.startMs ?? NaN)), 1),
  format(median(measured.map((each) => each.firstRate))),
  format(median(measured.map((each) => each.nextRate ?? NaN))),
  format(median(measured.map((each) => each.laterRate))),
];

const printRatio = (results: Results): void => {
  const [ours, theirs] = ["startTestServer", "antietcd"].map(
    (name) => results.find(([each]) => each.startsWith(name))?.[1] ?? [],
  );
  const ratioOf = (rate: "firstRate" | "nextRate" | "laterRate"): string =>
    ratio(median(ours?.map((each) => each[rate] ?? NaN) ?? []), median(theirs?.map((each) => each[rate] ?? NaN) ?? []));
  if (theirs?.length)
    console.log(
      `Puts beside antietcd's: first ${ratioOf("firstRate")}, next ${ratioOf("nextRate")}, later ${ratioOf("laterRate")}\n`,
    );
};

/** The test kit as built by `npm run bench`: a loader of TypeScript sources slows functions down. */
const builtKit = fileURLToPath(new URL("../dist/testing/kit/index.js", import.meta.url));
const putsProgram = fileURLToPath(new URL("in-process-puts.js", import.meta.url));

const measureInProcess =
  (kind: string, place: string): Measure =>
  async () =>
    JSON.parse((await run(process.execPath, [putsProgram, kind, place])).stdout) as Measured;

/** Installs antietcd into a folder; returns no measurement if that fails, for example without a network. */
const installAntietcd = async (folder: string): Promise<Record<string, Measure>> => {
  const words = ["--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional", "--no-save"];
  try {
    await run("npm", ["install", ...words, "--prefix", folder, `antietcd@${antietcdVersion}`]);
  } catch (error) {
    console.log(`antietcd could not be installed: ${(error as Error).message.trim()}`);
    return {};
  }
  return { [`antietcd ${antietcdVersion}`]: measureInProcess("antietcd", folder) };
};

/** Returns the measurement of real etcd: of the program in ETCD, or of etcd on the PATH; none without such a program. */
const findEtcd = (): Record<string, Measure> => {
  const program = process.env["ETCD"] ?? "etcd";
  const version = versionOfEtcd(program);
  return version === undefined ? {} : { [`etcd ${version}, a process`]: () => measureEtcd(program) };
};

const measureEtcd = async (program: string): Promise<Measured> => {
  await using members = await createMembers({ kind: "etcd", program }, 1);
  const start = performance.now();
  members.member(0).launch();
  await using client = new Client({ endpoints: [...members.endpoints], dialTimeoutMs: 20_000 });
  await client.kv.get("ready");
  const firstStartMs = performance.now() - start;
  return { firstStartMs, firstRate: await rateOf(client), laterRate: await rateOf(client) };
};

const rateOf = async ({ kv }: Client): Promise<number> => {
  const start = performance.now();
  for (let n = 0; n < etcdPuts; n += putsAtOnce)
    await Promise.all(Array.from({ length: putsAtOnce }, (_, k) => kv.put(`key${n + k}`, "value")));
  return etcdPuts / ((performance.now() - start) / 1_000);
};
