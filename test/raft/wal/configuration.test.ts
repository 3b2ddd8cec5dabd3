// The configuration of a log comes from its base. Each segment repeats it, because earlier segments may be truncated.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Configuration, type LogBase } from "../../../raft/core/configuration.js";
import type { LogIndex, Term } from "../../../raft/core/ids.js";
import type { Entry } from "../../../raft/core/types.js";
import type { Batch } from "../../../raft/wal/batch.js";
import { toMemberId } from "../../../testing/ids.js";
import type { SimDisk } from "../../../testing/sim-disk.js";
import { append, entry, hardState, initial, open, position, recover, restart, settle, writeLog } from "./fixtures.js";
import { aDisk } from "./stops.js";

const withMember = (id: bigint, isLearner: boolean): Configuration =>
  new Configuration([...initial.members, { id: toMemberId(id), isLearner, addresses: [`http://m${id}:2380`] }]);
const withLearner = withMember(4n, true);
const promoted = withMember(4n, false);

const configurationEntry = (index: number, term: number, configuration: Configuration): Entry => ({
  kind: "configuration",
  index: index as LogIndex,
  term: term as Term,
  configuration,
});

const batch = (entries: readonly Entry[], commit: number, term = 1): Batch => ({
  hardState: hardState(term, 7n, commit),
  entries,
});

/** Entry 2 adds a learner, entry 4 makes it a voter. Each segment holds two of the large entries. */
const batches: readonly Batch[] = [
  batch([entry(1, 1, 700)], 0),
  batch([configurationEntry(2, 1, withLearner)], 1),
  batch([entry(3, 1, 700)], 2),
  batch([configurationEntry(4, 1, promoted), entry(5, 1, 700)], 3),
  batch([entry(6, 1, 700)], 3),
];

/** The base after truncating the log up to `through`, and the entries that bring configurations after it. */
const truncateAndReadBase = async (
  disk: SimDisk,
  through: number,
): Promise<{ base: LogBase; brought: readonly number[] }> => {
  const { wal } = await open(disk.boot());
  wal.truncate(through as LogIndex);
  await settle();
  await wal.close();
  const { base, entries } = await recover(disk);
  return { base, brought: entries.flatMap((each) => (each.kind === "configuration" ? [each.index] : [])) };
};

test("a log begins with the initial configuration, and later opens ask for none", async () => {
  const disk = aDisk();
  assert.ok((await recover(disk)).base.configuration.isEqual(initial));
  await writeLog(disk, batches);
  assert.ok(
    (
      await recover(disk, { loadInitialConfiguration: () => assert.fail("asked for another one") })
    ).base.configuration.isEqual(initial),
  );
});

test("a truncated log states the configuration in force at its base", async () => {
  const disk = aDisk();
  await writeLog(disk, batches);
  const second = await truncateAndReadBase(disk, 2);
  assert.deepEqual([second.base.index, second.brought], [2, [4]]);
  assert.ok(second.base.configuration.isEqual(withLearner));
  const third = await truncateAndReadBase(disk, 5);
  assert.deepEqual([third.base.index, third.brought], [5, []]);
  assert.ok(third.base.configuration.isEqual(promoted));
});

test("a configuration is rolled back with its entry, also if the segment of that entry is gone", async () => {
  const disk = aDisk();
  await writeLog(disk, [...batches, batch([entry(4, 2)], 3, 2)]);
  const whole = await recover(disk);
  assert.deepEqual(
    whole.entries.map(({ index, kind }) => `${index} ${kind}`),
    ["1 command", "2 configuration", "3 command", "4 command"],
  );
  const { base, brought } = await truncateAndReadBase(disk, 5);
  assert.deepEqual([base.index, brought], [4, []]);
  assert.ok(base.configuration.isEqual(withLearner), "entry 4 that made it a voter was replaced");
});

test("a log that restarts behind a snapshot has the snapshot's configuration", async () => {
  const disk = aDisk();
  await writeLog(disk, batches);
  const { wal } = await open(disk.boot());
  await restart(wal, { ...position(100, 2), configuration: promoted }, hardState(2, 7n, 100));
  await append(wal, { hardState: undefined, entries: [configurationEntry(101, 2, withLearner)] });
  await wal.close();
  const { base, entries } = await recover(disk);
  assert.equal(base.index, 100);
  assert.ok(base.configuration.isEqual(promoted));
  assert.deepEqual(entries, [configurationEntry(101, 2, withLearner)]);
});

test("a configuration with many members and long addresses fits into any segment", async () => {
  const addresses = Array.from({ length: 4 }, (_, at) => `https://${"a-long-name.".repeat(20)}example:${at}`);
  const members = Array.from({ length: 9 }, (_, at) => ({
    id: toMemberId(BigInt(at + 1)),
    isLearner: at > 6,
    addresses,
  }));
  const large = new Configuration(members);
  const disk = aDisk();
  await writeLog(disk, [batch([configurationEntry(1, 1, large)], 0), batch([entry(2, 1, 700)], 1)], {
    segmentBytes: 1024,
  });
  await writeLog(disk, [batch([entry(3, 1, 700)], 2)], { segmentBytes: 1024 });
  const { base, entries } = await recover(disk);
  assert.ok(base.configuration.isEqual(initial));
  assert.deepEqual(entries[0], configurationEntry(1, 1, large));
});
