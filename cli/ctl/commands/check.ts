// minietcdctl check perf, datascale
import { Command } from "commander";
import { type Client, EtcdError } from "../../../client/index.js";
import {
  booleanFlag,
  etcdText,
  exitCodes,
  Failure,
  type Io,
  quote,
  SilentFailure,
  runStoppable,
  textFlag,
} from "../args/index.js";
import { type LoadResult, runLoad } from "./check-load.js";
import { residentMemory } from "./resident-memory.js";
import { type Session, withSession } from "./session.js";

/** Flags of both checks. */
interface CheckFlags {
  readonly load: string;
  readonly prefix: string;
  readonly autoCompact: boolean;
  readonly autoDefrag: boolean;
}

const withFlags = (command: Command, prefix: string): Command =>
  command
    .addOption(textFlag("--load <model>", "s, m, l or xl, or small, medium, large, xLarge", "s"))
    .addOption(textFlag("--prefix <prefix>", "prefix of the keys; no such key may exist", prefix))
    .addOption(booleanFlag("--auto-compact", "compact the history after the check"))
    .addOption(booleanFlag("--auto-defrag", "defragment the endpoints after the check"));

/** Declares `check perf`, with its help. */
export const checkPerfCommand = (): Command =>
  withFlags(new Command("perf"), "/etcdctl-check-perf/")
    .description("Writes at a given rate for a minute, and reports whether the cluster keeps up")
    .addHelpText(
      "after",
      `
Passes at nine tenths of the rate, with no write slower than 500ms and a deviation of at most 100ms. Rates: s 150 writes a second
by 50 workers, m 1000 by 200, l 8000 by 500, xl 15000 by 1000. The keys are deleted at the end, also if the check is interrupted.

Example:
  $ minietcdctl check perf --load m`,
    );

/** Declares `check datascale`, with its help. */
export const checkDatascaleCommand = (): Command =>
  withFlags(new Command("datascale"), "/etcdctl-check-datascale/")
    .description("Writes many keys, and reports how much the memory of the first endpoint's server grows")
    .addHelpText(
      "after",
      `
Writes s 10000, m 100000, l 1000000, xl 3000000 keys of 1 KiB each, and deletes them at the end, also if it is interrupted.

Example:
  $ minietcdctl check datascale --load s`,
    );

/** Models of a load by their names: writes per second of `perf`, number of keys of `datascale`. */
const models = {
  s: { workers: 50, writesPerSecond: 150, keys: 10_000 },
  m: { workers: 200, writesPerSecond: 1_000, keys: 100_000 },
  l: { workers: 500, writesPerSecond: 8_000, keys: 1_000_000 },
  xl: { workers: 1_000, writesPerSecond: 15_000, keys: 3_000_000 },
} as const;
const aliases: Readonly<Record<string, keyof typeof models>> = { small: "s", medium: "m", large: "l", xLarge: "xl" };

/** Finds a model of load by its name. @throws Failure if there is none */
function modelOf(name: string): (typeof models)[keyof typeof models] {
  const short = aliases[name] ?? name;
  if (Object.hasOwn(models, short)) return models[short as keyof typeof models];
  throw new Failure(exitCodes.badFeature, `unknown load option ${name}`);
}

/** Workers that share a connection. */
const workersPerConnection = 50;
const perfSeconds = 60;

/** Checks the rate of writes. @throws SilentFailure, after a message, if the rate is too low */
export async function runCheckPerf(command: Command, io: Io): Promise<void> {
  const flags = command.opts<CheckFlags>();
  const { workers, writesPerSecond } = modelOf(flags.load);
  const sizes = { keyBytes: 256, valueBytes: 1_024 };
  await withSession(command, io, async (session) => {
    await refuseKeys(flags.prefix, session);
    const load = { prefix: flags.prefix, ...sizes, workers, writesPerSecond, seconds: perfSeconds, writes: Infinity };
    const result = await makeWrites(session, flags, io, load, perfSeconds * writesPerSecond);
    if (!printVerdict(result, writesPerSecond, io)) throw new SilentFailure(exitCodes.error);
  });
}

/** Checks the memory of a server. @throws SilentFailure, after a message, if the memory cannot be read */
export async function runCheckDatascale(command: Command, io: Io): Promise<void> {
  const flags = command.opts<CheckFlags>();
  const { workers, keys } = modelOf(flags.load);
  const sizes = { keyBytes: 512, valueBytes: 512 };
  await withSession(command, io, async (session) => {
    await refuseKeys(flags.prefix, session);
    const before = await memoryOf(session, "before", io);
    const what = `${keys} key-value pairs, ${sizes.keyBytes + sizes.valueBytes} bytes per key-value, ${workers} concurrent clients`;
    io.print(`Start data scale check for work load [${what}].\n`);
    const load = {
      prefix: flags.prefix,
      ...sizes,
      workers,
      writesPerSecond: Infinity,
      seconds: Infinity,
      writes: keys,
    };
    let after = before;
    const measure = async () => void (after = await memoryOf(session, "after", io));
    const { failures } = await makeWrites(session, flags, io, load, keys, measure);
    if (!reportFailures(failures, io)) throw new SilentFailure(exitCodes.error);
    const mebibytes = (after - before) / 1024 ** 2;
    io.print(`PASS: Approximate system memory used : ${mebibytes.toFixed(2)} MB.\n`);
  });
}

/** Checks that no key has the prefix, because the check would delete it. @throws Failure if one has */
async function refuseKeys(prefix: string, { client, limits }: Session): Promise<void> {
  const { kvs } = await client.kv.get(prefix, { prefix: true, limit: 1, ...limits });
  if (kvs.length === 0) return;
  const command = `minietcdctl del --prefix ${prefix}`;
  throw new Failure(exitCodes.invalidInput, `prefix ${quote(prefix)} has keys. Delete with '${command}' first`);
}

/**
 * Makes the writes, then deletes the keys, also after a failure.
 *
 * @param expected number of writes, for the progress
 * @param measure called before the keys are deleted
 */
async function makeWrites(
  session: Session,
  flags: CheckFlags,
  io: Io,
  load: Parameters<typeof runLoad>[1],
  expected: number,
  measure: () => Promise<void> = () => Promise.resolve(),
): Promise<LoadResult> {
  const connections = Math.ceil(load.workers / workersPerConnection);
  const clients = Array.from({ length: connections }, () => session.anotherClient());
  const progress = (done: number) => io.progress?.(`${Math.min(Math.floor((done / expected) * 100), 100)}%`);
  try {
    return await runStoppable(io, async (stop) => {
      const result = await runLoad(clients, load, stop, progress);
      await measure();
      if (stop.aborted) throw new Failure(exitCodes.error, "stopped before the end");
      return result;
    });
  } finally {
    io.progress?.("");
    for (const client of clients) await client.close();
    await cleanUp(session.client, flags, session.endpoints, io);
  }
}

/** Timeout of each request that deletes keys. */
const cleanUpLimits = { timeoutMs: 30_000 };

async function cleanUp(client: Client, flags: CheckFlags, endpoints: readonly string[], io: Io): Promise<void> {
  try {
    const { header } = await client.kv.delete(flags.prefix, { prefix: true, ...cleanUpLimits });
    if (flags.autoCompact) {
      io.print(`Compacting with revision ${header.revision}\n`);
      await client.kv.compact(header.revision, { physical: true, ...cleanUpLimits });
      io.print(`Compacted with revision ${header.revision}\n`);
    }
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    io.print(`FAIL: Cleanup failed during key deletion: ERROR(${etcdText(error)})\n`);
    return;
  }
  if (!flags.autoDefrag) return;
  for (const endpoint of endpoints) {
    io.print(`Defragmenting ${quote(endpoint)}\n`);
    await client.maintenance.defragment(endpoint, cleanUpLimits);
    io.print(`Defragmented ${quote(endpoint)}\n`);
  }
}

/** The part of the expected rate that has to be reached, and the bounds of the times in seconds. @see etcdctl, check perf */
const passing = { rate: 0.9, slowest: 0.5, deviation: 0.1 } as const;

/** Prints the verdict. @returns whether the check has passed */
export function printVerdict(
  { writesPerSecond, slowest, deviation, failures }: LoadResult,
  rate: number,
  io: Io,
): boolean {
  const verdicts = [
    reportFailures(failures, io),
    writesPerSecond / rate > passing.rate,
    slowest <= passing.slowest,
    deviation <= passing.deviation,
  ];
  const [, isFast, isEven, isSteady] = verdicts;
  const writes = `${Math.floor(writesPerSecond) + 1} writes/s`;
  io.print(isFast ? `PASS: Throughput is ${writes}\n` : `FAIL: Throughput too low: ${writes}\n`);
  const [slowestText, deviationText] = [`${slowest.toFixed(6)}s`, `${deviation.toFixed(6)}s`];
  io.print(isEven ? `PASS: Slowest request took ${slowestText}\n` : `Slowest request took too long: ${slowestText}\n`);
  io.print(isSteady ? `PASS: Stddev is ${deviationText}\n` : `Stddev too high: ${deviationText}\n`);
  const isPass = verdicts.every((verdict) => verdict);
  io.print(isPass ? "PASS\n" : "FAIL\n");
  return isPass;
}

function reportFailures(failures: LoadResult["failures"], io: Io): boolean {
  if (failures.size === 0) return true;
  io.print("FAIL: too many errors\n");
  for (const [text, count] of failures) io.print(`FAIL: ERROR(${text}) -> ${count}\n`);
  return false;
}

/** Reads the memory of the server. @throws SilentFailure, after a message, if it cannot be read */
async function memoryOf({ endpoints: [endpoint = ""], tls }: Session, when: string, io: Io): Promise<number> {
  try {
    return await residentMemory(endpoint, tls);
  } catch (error) {
    io.print(`fetch error: ${(error as Error).message}\n`);
    io.print(`FAIL: Could not read process_resident_memory_bytes ${when} the put operations.\n`);
    throw new SilentFailure(exitCodes.error);
  }
}
