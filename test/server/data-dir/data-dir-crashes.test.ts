// A member's directory, log and store on a simulated disk, from the first start over a snapshot to later entries. It is stopped at every
// operation in turn, once more during its recovery, and then continues: everything that it has stated to others is on disk, and log and
// store belong together.
import { commandEntry } from "../../../testing/entries.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { PutRequest, RangeRequest } from "../../../proto/index.js";
import { systemClock } from "../../../platform/index.js";
import { noMember, type HardState, type LogIndex, type Term } from "../../../raft/index.js";
import { openMemoryBackend, openStore, type KvStore, type Row } from "../../../store/index.js";
import { writeAppliedState } from "../../../server/replication/apply/applied-state.js";
import { openDurableState, type DurableState } from "../../../server/member/durable-state.js";
import { errorText } from "../../../server/base/logger.js";
import type { MemberParts } from "../../../server/member/parts.js";
import { storeClockOf } from "../../../server/base/store-clock.js";
import { Teardown } from "../../../server/member/teardown.js";
import { SimDisk, type DiskOperation } from "../../../testing/sim-disk.js";
import { seededRandom, type SeededRandom } from "../../../testing/random.js";
import { ProcessClock, SimProcess } from "../../../testing/process.js";
import { Scheduler } from "../../../testing/scheduler.js";
import { SimStores } from "../../../testing/sim-store.js";
import { quietEnvironment, singleMember } from "../member/member-fixtures.js";
import { position, stateAt } from "../snapshots/snapshot-fixtures.js";
import { toMemberId } from "../../../testing/ids.js";
import { everyNth, runs } from "../../support/thorough.js";

// The cases are deterministic; another SEED tries other ones.
const firstSeed = Number(process.env["SEED"] ?? 1);

/** The end of the process or the power, when an operation begins. */
interface Stop {
  readonly how: "kill" | "powerCut";
  /**
   * Tells whether the stop is due.
   * @param before earlier operations of this incarnation, oldest first
   */
  readonly isDue: (operation: DiskOperation, before: readonly DiskOperation[]) => boolean;
}

const stopAt = (how: Stop["how"], count: number): Stop => ({ how, isDue: (_, before) => before.length === count });

/** The directory's parents do not exist yet. */
const config = singleMember("/srv/etcd/of/ours");
const own = { last: position(3, 2), hardState: { term: 2 as Term, vote: toMemberId(7n) } };
const sent = {
  last: position(100, 5),
  hardState: { term: 5 as Term, vote: noMember, commit: 100 as LogIndex },
  keys: 20,
};

/** Promises of a member: its statements to others, and the data that it has read and acts on. */
interface Promised {
  incarnation: number;
  /** The last durable entry that the member appended. */
  appended: number;
  isInstalled: boolean;
  /** Whether the entry after the snapshot is durable. */
  hasGoneOn: boolean;
}

/** A machine whose disk remains when its processes end. */
class Machine {
  private readonly scheduler = new Scheduler();
  private readonly random: SeededRandom;
  private readonly disk: SimDisk;
  private readonly stores: SimStores;
  private process: SimProcess | undefined;
  /** Operations of this incarnation so far. */
  private operations: DiskOperation[] = [];
  private stop: Stop | undefined;
  private readonly promised: Promised = { incarnation: 0, appended: 0, isInstalled: false, hasGoneOn: false };

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const schedule = (end: () => void): void => {
      const { process } = this;
      this.scheduler.after(this.random.next(), () => process?.receive(end));
    };
    this.disk = new SimDisk({ random: seededRandom(seed + 1_000_000), schedule });
    this.disk.onOperation = (operation) => this.onOperation(operation);
    const conditions = { maxWriteMs: this.random.pick([1, 30]), maxReadMs: 0, failsNext: false };
    const onWrite = (): undefined => this.onOperation({ kind: "write", path: "rows" });
    this.stores = new SimStores({ disk: this.disk, conditions, random: this.random, onWrite });
  }

  /**
   * Runs one incarnation, to its end or until it is stopped.
   * @returns its operations
   */
  async start(stop?: Stop): Promise<readonly DiskOperation[]> {
    this.operations = [];
    this.stop = stop;
    const run: { isOver: boolean; failure: unknown } = { isOver: false, failure: undefined };
    const end = (failure?: unknown): void => void Object.assign(run, { isOver: true, failure });
    const process = new SimProcess(this.scheduler, end);
    this.process = process;
    this.run(process).then(() => end(), end);
    await this.scheduler.runUntil(this.scheduler.now + 10_000, () => run.isOver || !process.isAlive);
    assert.ok(run.isOver || !process.isAlive, "it hangs");
    if (run.failure !== undefined) assert.fail(errorText(run.failure));
    this.end("kill");
    return this.operations;
  }

  end(how: Stop["how"]): void {
    this.disk[how]();
    this.process?.die();
  }

  private onOperation(operation: DiskOperation): undefined {
    const isNow = this.stop?.isDue(operation, this.operations);
    this.operations.push(operation);
    if (this.stop !== undefined && isNow === true) this.end(this.stop.how);
  }

  private async run(process: SimProcess): Promise<void> {
    const teardown = new Teardown();
    const disk = this.disk.boot();
    const parts: MemberParts = {
      disk,
      segmentBytes: 1_024,
      openBackend: (path) => this.stores.open(path, disk, process),
      connect: () => assert.fail("nobody is asked"),
    };
    const environment = { ...quietEnvironment(), clock: new ProcessClock(process, 1, 0) };
    const state = await openDurableState(parts, config, environment, teardown, (error) => assert.fail(error));
    await this.check(state);
    if (!this.promised.isInstalled) {
      await this.write(state);
      await this.install(state);
    }
    if (!this.promised.hasGoneOn) {
      await append(state, 101, sent.hardState);
      this.promised.hasGoneOn = true;
    }
    await teardown.close();
  }

  /** Checks that the files contain what was promised, and perhaps the write in progress, which is promised from now on. */
  private async check({ incarnation, applied, recovered, store }: DurableState): Promise<void> {
    const { promised } = this;
    assert.ok(incarnation > promised.incarnation, `start ${incarnation} after start ${promised.incarnation}`);
    const { base, entries, hardState } = recovered;
    const last = base.index + entries.length;
    const keys = await countKeys(store);
    const isTheirs = applied.index >= sent.last.index;
    if (isTheirs) {
      assert.deepEqual(
        [position(applied.index, applied.term), position(base.index, base.term), keys],
        [sent.last, sent.last, sent.keys],
      );
      assert.deepEqual(hardState, sent.hardState);
    } else {
      assert.ok(!promised.isInstalled, "the old store is back");
      assert.ok(base.index <= applied.index && applied.index <= last, "the store ends before the log begins");
      assert.equal(keys, applied.index === 0 ? 0 : 1);
      assert.ok(last >= promised.appended, `the log ends at ${last}, but ${promised.appended} was acknowledged`);
      if (promised.appended > 0)
        assert.deepEqual([hardState.term, hardState.vote], [own.hardState.term, own.hardState.vote]);
    }
    assert.ok(!promised.hasGoneOn || last === 101, "the entry behind the snapshot is lost");
    promised.incarnation = incarnation;
    promised.isInstalled = isTheirs;
    promised.appended = isTheirs ? 0 : last;
    promised.hasGoneOn = last === 101;
  }

  /** Appends three entries, applies them to the store, and truncates most of the log. */
  private async write(state: DurableState): Promise<void> {
    const { wal, store, applied } = state;
    while (this.promised.appended < own.last.index) {
      const next = (this.promised.appended + 1) as LogIndex;
      await append(state, next, { ...own.hardState, commit: next });
      this.promised.appended++;
    }
    if (applied.index < own.last.index) {
      put(store, "ours");
      writeAppliedState(store, { ...applied, ...own.last });
      await store.flush();
    }
    wal.truncate(2 as LogIndex);
  }

  private async install({ newStores, wal }: DurableState): Promise<void> {
    const making = await newStores.create();
    await making.write(rows);
    await making.finishStore();
    await making.install();
    this.promised.isInstalled = true;
    const { configuration } = stateAt(sent.last).membership;
    await new Promise<void>((done) => wal.restart({ ...sent.last, configuration }, sent.hardState, done));
  }
}

const append = ({ wal }: DurableState, index: number, hardState: HardState): Promise<void> => {
  const data = new Uint8Array(600).fill(index); // two segments hold three such entries
  return new Promise((done) => wal.append(hardState, [commandEntry(index, hardState.term, data)], done));
};

const put = (store: KvStore, key: string): void =>
  void store.put(PutRequest.create({ key: Buffer.from(key), value: Buffer.from("v") }));

const countKeys = async (store: KvStore): Promise<number> => {
  const everything = { key: Buffer.of(0), rangeEnd: Buffer.of(0), countOnly: true };
  const { response } = await store.range(RangeRequest.create(everything));
  return Number(response.count);
};

/** Returns the rows of another member's store. */
const rowsSent = async (): Promise<readonly Row[]> => {
  const backend = await openMemoryBackend();
  const store = await openStore({
    backend,
    clock: storeClockOf(systemClock),
    onFailure: (error) => assert.fail(error),
  });
  for (let n = 0; n < sent.keys; n++) put(store, `theirs ${n}`);
  writeAppliedState(store, stateAt(sent.last));
  await store.flush();
  const snapshot = store.snapshot();
  const rows = await snapshot.next(1_000_000);
  await snapshot.close();
  await store.close();
  return rows;
};

const rows = await rowsSent();

/** Checks a member that is stopped twice, and then continues up to a power cut at the end. */
const assertSurvives = async (seed: number, hint: string, first: Stop, second: Stop): Promise<void> => {
  const machine = new Machine(seed);
  try {
    await machine.start(first);
    await machine.start(second);
    await machine.start();
    machine.end("powerCut");
    await machine.start();
  } catch (error) {
    assert.fail(`${hint}: ${errorText(error)}`);
  }
};

for (const how of ["kill", "powerCut"] as const)
  test(`a ${how} at any operation, and another one soon after, leave one complete store and lose no acknowledged entry`, async () => {
    const { length } = await new Machine(firstSeed).start();
    assert.ok(length > 100);
    for (const count of everyNth(3, length + 5)) {
      const seed = 10_000 * firstSeed + count;
      const random = seededRandom(seed);
      const again = stopAt(random.pick(["kill", "powerCut"]), random.between(0, 70));
      await assertSurvives(seed, `${how} at operation ${count}`, stopAt(how, count), again);
    }
  });

/** Returns a stop just after the file, or the one that names the store, was renamed; the new name is not durable. */
const stopAfterReplacing = (how: Stop["how"], what: string): Stop => {
  const isStore = what.startsWith("store");
  const temporary = `${isStore ? "store-current" : what}.tmp`;
  return {
    how,
    isDue: ({ kind }, before) =>
      kind === "syncDirectory" &&
      before.at(-1)?.path.endsWith(temporary) === true &&
      (!isStore || before.some(({ path }) => path.endsWith(`${what}/CURRENT`))),
  };
};

const replacements = ["store-1", "format.json", "incarnation", "store-2"];

test("a power cut just after a file was replaced leaves the old file or the new one, and the files that it names", async () => {
  for (const replaced of replacements)
    for (let seed = firstSeed; seed < firstSeed + runs({ usually: 5, thoroughly: 15 }); seed++) {
      const hint = `power cut when ${replaced} has come, SEED=${seed}`;
      await assertSurvives(seed, hint, stopAfterReplacing("powerCut", replaced), stopAt("kill", 20 + seed));
    }
});

test("a replaced file that a start has read survives a power cut before its next write", async () => {
  for (const replaced of replacements)
    for (const count of everyNth(3, 30))
      for (let seed = firstSeed; seed < firstSeed + 2; seed++) {
        const hint = `kill when ${replaced} has come, power cut at operation ${count}, SEED=${seed}`;
        await assertSurvives(100 * seed + count, hint, stopAfterReplacing("kill", replaced), stopAt("powerCut", count));
      }
});
