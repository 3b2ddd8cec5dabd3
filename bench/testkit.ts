// `npm run bench -- testkit`: the times of starts, resets and clones of test servers in this process; and a comparison with antietcd and
// real etcd.

import { startTestCluster, startTestServer } from "../testing/kit/index.js";
import { format, median } from "./report.js";
import { printNeighbours } from "./testkit-neighbours.js";

/** The runs of each measurement, after one that is not counted. */
const runs = 20;

interface Closable {
  close(): Promise<void>;
}

/** Measures some runs. @returns the median time */
const medianMs = async (run: () => Promise<unknown>): Promise<string> => {
  const times: number[] = [];
  for (let n = 0; n <= runs; n++) {
    const start = performance.now();
    await run();
    if (n > 0) times.push(performance.now() - start);
  }
  return formatMedian(times);
};

const formatMedian = (times: readonly number[]): string => `${format(median(times), 2)} ms`;

/** Measures some starts, and closes all started servers afterwards. @returns the median time */
const medianStart = async (start: () => Promise<Closable>): Promise<string> => {
  const started: Closable[] = [];
  const time = await medianMs(async () => started.push(await start()));
  for (const each of started) await each.close();
  return time;
};

const entries = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`key${n}`, "value"]));

/** Measures resets of a server with 1 000 keys. The member for the next reset is ready by then, as between two tests of a suite. */
const measureResets = async (): Promise<string> => {
  await using server = await startTestServer();
  await server.reset();
  const times: number[] = [];
  for (let n = 0; n < runs; n++) {
    await server.seed(entries(1_000));
    const start = performance.now();
    await server.reset();
    times.push(performance.now() - start);
  }
  return formatMedian(times);
};

const measureClones = async (): Promise<string> => {
  await using server = await startTestServer({ listen: false });
  await server.seed(entries(100_000));
  return await medianStart(() => server.clone());
};

/** Prints all measurements. */
export const measureTestkit = async (): Promise<void> => {
  await printNeighbours();
  console.log(`start one          ${await medianStart(() => startTestServer())}`);
  console.log(`start three        ${await medianStart(() => startTestCluster())}`);
  console.log(`reset, 1 000 keys  ${await measureResets()}`);
  console.log(`clone, 100 000     ${await measureClones()}`);
};
