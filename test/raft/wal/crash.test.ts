// Kills and power cuts at any moment: acknowledged batches remain, and nothing appears that was not written.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../../support/fast-check.js";
import type { LogBase } from "../../../raft/core/configuration.js";
import { noMember, type LogIndex, type LogPosition } from "../../../raft/core/ids.js";
import type { Entry, HardState } from "../../../raft/core/types.js";
import type { Batch } from "../../../raft/wal/batch.js";
import type { Wal } from "../../../raft/wal/wal.js";
import { seededRandom, type SeededRandom } from "../../../testing/random.js";
import {
  after,
  append,
  emptyModel,
  entry,
  hardState,
  isRead,
  modelOf,
  open,
  batchesOf,
  position,
  recover,
  restartModel,
  settle,
  truncateModel,
  type Model,
} from "./fixtures.js";
import { SimDisk } from "../../../testing/sim-disk.js";
import { aDisk, firstSeed, stopAt, stopEverywhere, stops, takeSteps, type Stop } from "./stops.js";
import { runs } from "../../support/thorough.js";

fc.configureGlobal({ seed: firstSeed });

/** Appends the batches one after the other. Returns how many were acknowledged. */
const appendAll = (disk: SimDisk, all: readonly Batch[]): Promise<number> =>
  takeSteps(disk, (wal, at, done) => {
    const batch = all[at];
    if (batch !== undefined) wal.append(batch.hardState, batch.entries, done);
  });

/**
 * Checks that after a stop the log has every acknowledged batch, perhaps the batch in progress, and nothing else. Returns the number of
 * batches.
 */
const assertSurvived = (model: Model, batches: readonly Batch[], acknowledged: number, hint: string): number => {
  const expected = [acknowledged, acknowledged + 1].find((count) => {
    try {
      assert.deepEqual(model, after(emptyModel, ...batches.slice(0, count)));
      return true;
    } catch {
      return false;
    }
  });
  if (expected === undefined)
    assert.deepEqual(model, after(emptyModel, ...batches.slice(0, acknowledged)), `not what was acknowledged: ${hint}`);
  return expected ?? 0;
};

/** Sizes at which segments begin at various places: some end a segment exactly, and one needs a segment of its own. */
const batches: Batch[] = [30, 900, 10, 600, 300, 1, 700, 480, 2600, 40, 40, 1400].map((bytes, at) => ({
  hardState: at % 3 === 0 ? hardState(1 + at, noMember, Math.max(0, at - 2)) : undefined,
  entries: [entry(at + 1, 1 + at - (at % 3), bytes)],
}));

for (const stop of stops)
  test(`a ${stop} at any operation loses no acknowledged entry, and the log accepts appends`, async () => {
    const work = (disk: SimDisk): Promise<number> => appendAll(disk, batches);
    assert.equal(await work(aDisk()), batches.length);
    const check = async (disk: SimDisk, acknowledged: number, hint: string): Promise<void> => {
      const kept = assertSurvived(modelOf(await recover(disk)), batches, acknowledged, hint);
      const { wal } = await open(disk.boot());
      for (const batch of batches.slice(kept)) await append(wal, batch);
      disk.powerCut();
      assert.deepEqual(modelOf(await recover(disk)), after(emptyModel, ...batches), hint);
    };
    await stopEverywhere({ start: aDisk(), stop, work, check });
  });

test("recovered entries survive any later kill or power cut", async () => {
  // A restarted member acts on the log that it read. So that must be durable by then, even if it was only in the page cache.
  for (let seed = firstSeed; seed < firstSeed + 100; seed++) {
    const random = seededRandom(seed);
    const disk = new SimDisk({ random });
    stopAt(disk, "kill", random.between(10, 45));
    await appendAll(disk, batches);
    disk.onOperation = () => undefined;
    disk.kill();
    const read = modelOf(await recover(disk));
    disk.powerCut();
    assert.deepEqual(modelOf(await recover(disk)), read, `SEED=${seed}`);
  }
});

test("recovered entries survive although the write that appended them had failed", async () => {
  for (const failing of [2, 3, 4, 5]) {
    const disk = aDisk();
    const { wal } = await open(disk.boot(), { segmentBytes: 8192, onFailure: () => undefined });
    const small = batchesOf(5, 700);
    for (const batch of small.slice(0, failing - 1)) await append(wal, batch);
    const [last] = small.slice(failing - 1) as [Batch];
    disk.onOperation = ({ kind, path }) =>
      kind === "write" && path.endsWith(".wal") ? new Error("EIO: simulated") : undefined;
    wal.append(last.hardState, last.entries, () => assert.fail("acknowledged"));
    await settle();
    disk.onOperation = () => undefined;
    disk.kill();
    const read = modelOf(await recover(disk));
    assert.equal(read.entries.length, failing, "the page cache still has what the disk refused");
    disk.powerCut();
    assert.deepEqual(modelOf(await recover(disk)), read, `write ${failing}`);
  }
});

/** Picks a batch that may follow `log`: an append, a replacement of uncommitted entries, or a change of the hard state only. */
const nextBatch = (log: Model, random: SeededRandom): Batch => {
  const { term, vote, commit } = log.hardState;
  const end = lastOf(log).index;
  const newTerm = random.chance(0.3) ? term + random.between(1, 3) : term;
  const newVote = newTerm > term || vote === noMember ? BigInt(random.between(0, 3)) : vote;
  const from = random.chance(0.3) ? random.between(Math.max(commit, log.base.index) + 1, end + 1) : end + 1;
  const previousTerm = log.entries[from - log.base.index - 2]?.term ?? log.base.term;
  const entries: Entry[] = [];
  for (let left = random.between(0, 4); left > 0; left--)
    entries.push(
      entry(from + entries.length, Math.max(previousTerm, newTerm), random.pick([0, 5, 60, 300, 490, 1200])),
    );
  const last = entries.at(-1)?.index ?? end;
  const changed: HardState = hardState(newTerm, newVote, random.between(commit, last));
  return { hardState: newTerm > term || random.chance(0.5) ? changed : undefined, entries };
};

/**
 * Returns the prefixes of a batch that a stop may leave, because a large append is several records. The commit index of each is at most
 * its last entry.
 */
const prefixesOf = ({ hardState: state, entries }: Batch): Batch[] =>
  entries.slice(0, -1).map(({ index }, n) => ({
    hardState: state === undefined ? undefined : { ...state, commit: Math.min(state.commit, index) as LogIndex },
    entries: entries.slice(0, n + 1),
  }));

const lastOf = ({ base, entries }: Model): LogPosition => entries.at(-1) ?? base;

/** Picks the base of a snapshot: behind the log's end, or where the log holds another entry that is not committed. */
const nextBase = (log: Model, random: SeededRandom): LogBase =>
  position(random.between(Math.max(log.hardState.commit, log.base.index), lastOf(log).index + 50), log.hardState.term);

type Event = Stop | "append" | "truncate" | "reopen" | "restart" | "killDuring" | "powerCutDuring";
const event = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Event>("append") },
  { weight: 2, arbitrary: fc.constant<Event>("truncate") },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Event>("reopen", "kill", "powerCut", "restart", "killDuring", "powerCutDuring"),
  },
);

/** The required contents of the log, and its earliest possible base: a restart removes the entries before it for good. */
interface Expected {
  readonly model: Model;
  readonly earliest: number;
}

/** A log on a disk with faults, and the model that it must equal. */
class History {
  private wal: Wal | undefined;
  private expected: Expected = { model: emptyModel, earliest: 0 };

  constructor(
    private readonly disk: SimDisk,
    private readonly random: SeededRandom,
  ) {}

  async handle(event: Event): Promise<void> {
    const { wal = await this.open([this.expected]), disk, random } = this;
    if (event === "append" || event === "restart") {
      let done = false;
      const { whole } = this.begin(wal, event, () => (done = true));
      await settle();
      assert.ok(done);
      this.expected = whole;
    } else if (event === "truncate") {
      const { base, hardState } = this.expected.model;
      const through = random.between(base.index, Math.max(base.index, hardState.commit));
      wal.truncate(through as LogIndex);
      this.expected = { ...this.expected, model: truncateModel(this.expected.model, through) };
      if (random.chance(0.5)) await settle();
    } else if (event === "kill" || event === "powerCut") {
      disk[event]();
      await this.open([this.expected]);
    } else if (event === "reopen") {
      await wal.close();
      await this.open([this.expected]);
    } else {
      await this.stopDuring(wal, event === "killDuring" ? "kill" : "powerCut");
    }
  }

  private async stopDuring(wal: Wal, stop: Stop): Promise<void> {
    let left = this.random.between(0, 3);
    this.disk.onOperation = () => {
      if (left-- === 0) this.disk[stop]();
      return undefined;
    };
    const outcome = { acknowledged: false };
    const what = this.random.chance(0.3) ? "restart" : "append";
    const { whole, partial } = this.begin(wal, what, () => (outcome.acknowledged = true));
    await settle();
    this.disk.onOperation = () => undefined;
    this.disk[stop](); // the log may have ended with fewer operations
    await this.open(outcome.acknowledged ? [whole] : [this.expected, ...partial, whole]);
  }

  /** Begins the operation. Returns the contents after its end, and the possible contents after an earlier stop. */
  private begin(wal: Wal, what: "append" | "restart", onDone: () => void): { whole: Expected; partial: Expected[] } {
    const { model, earliest } = this.expected;
    if (what === "append") {
      const batch = nextBatch(model, this.random);
      wal.append(batch.hardState, batch.entries, onDone);
      const partial = prefixesOf(batch).map((part) => ({ model: after(model, part), earliest }));
      return { whole: { model: after(model, batch), earliest }, partial };
    }
    const base = nextBase(model, this.random);
    wal.restart(base, { ...model.hardState, commit: base.index }, onDone);
    return { whole: { model: restartModel(model, base), earliest: base.index }, partial: [] };
  }

  private async open(possible: readonly Expected[]): Promise<Wal> {
    const { wal, recovered } = await open(this.disk.boot());
    const read = modelOf(recovered);
    const found = possible.find(({ model, earliest }) => read.base.index >= earliest && isRead(read, model));
    this.expected = found ?? assert.fail("neither with the last step nor without");
    this.wal = wal;
    return wal;
  }
}

test("any history of appends, truncations, restarts, kills and power cuts recovers the same log as a naive model", async () => {
  const history = fc.tuple(fc.array(event, { maxLength: 60 }), fc.nat());
  await fc.assert(
    fc.asyncProperty(history, async ([events, seed]) => {
      const random = seededRandom(seed);
      const log = new History(new SimDisk({ random }), random);
      for (const each of events) await log.handle(each);
    }),
    { numRuns: runs({ usually: 70, thoroughly: 200 }) },
  );
});
