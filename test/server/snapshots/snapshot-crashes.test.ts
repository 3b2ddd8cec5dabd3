// A member that is killed while it receives or installs a snapshot, and the next start from its real files. Stops at every single
// operation are simulated in test/server/data-dir/data-dir-crashes.test.ts.
import { commandEntry } from "../../../testing/entries.js";
import assert from "node:assert/strict";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { PutRequest } from "../../../proto/index.js";
import { systemClock } from "../../../platform/index.js";
import { noMember, type LogBase, type LogIndex, type Term } from "../../../raft/index.js";
import { openMemoryBackend, openStore, type KvStore, type Row } from "../../../store/index.js";
import { writeAppliedState } from "../../../server/replication/apply/applied-state.js";
import { openDurableState, type DurableState } from "../../../server/member/durable-state.js";
import { StartError } from "../../../server/base/errors.js";
import { ProcessParts } from "../../../server/member/parts.js";
import type { NewStore } from "../../../server/snapshots/new-store.js";
import { storeClockOf } from "../../../server/base/store-clock.js";
import { Teardown } from "../../../server/member/teardown.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "../member/member-fixtures.js";
import { position } from "./snapshot-fixtures.js";
import { toMemberId } from "../../../testing/ids.js";

const before = { index: 3, term: 2 };
const sent = { index: 100, term: 5 };

interface Opened {
  readonly state: DurableState;
  readonly close: () => Promise<void>;
}

const open = async (directory: string): Promise<Opened> => {
  const teardown = new Teardown();
  const config = singleMember(directory);
  try {
    const state = await openDurableState(new ProcessParts(), config, quietEnvironment(), teardown, (error) =>
      assert.fail(error),
    );
    return { state, close: () => teardown.close() };
  } catch (error) {
    await teardown.close();
    throw error;
  }
};

const put = (store: KvStore, key: string): void =>
  void store.put(PutRequest.create({ key: Buffer.from(key), value: Buffer.from("v") }));

const hasKey = async (store: KvStore, key: string): Promise<boolean> => {
  const { response } = await store.range({
    key: Buffer.from(key),
    rangeEnd: Buffer.alloc(0),
    limit: 0n,
    revision: 0n,
    sortOrder: 0,
    sortTarget: 0,
    serializable: true,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0n,
    maxModRevision: 0n,
    minCreateRevision: 0n,
    maxCreateRevision: 0n,
  });
  return response.count === 1n;
};

const entry = (index: number, term: number) => commandEntry(index, term, Buffer.from(`entry ${index}`));

/** Prepares a member with a log of three entries, all applied to its store. */
const prepareMember = async (directory: string): Promise<void> => {
  const { state, close } = await open(directory);
  const { wal, store, applied } = state;
  const hardState = { term: before.term as Term, vote: toMemberId(7n), commit: 3 as LogIndex };
  await new Promise<void>((done) =>
    wal.append(
      hardState,
      [1, 2, 3].map((index) => entry(index, 2)),
      done,
    ),
  );
  put(store, "ours");
  writeAppliedState(store, { ...applied, ...position(before.index, before.term) });
  await close();
};

/** Returns the base of a log that restarts after the snapshot. */
const baseIn = ({ applied: { membership } }: DurableState): LogBase => ({
  ...position(sent.index, sent.term),
  configuration: membership.configuration,
});

/** Returns the rows of another member's store, which contains more. */
const rowsSent = async ({ applied }: DurableState): Promise<readonly Row[]> => {
  const store = await openStore({
    backend: await openMemoryBackend(),
    clock: storeClockOf(systemClock),
    onFailure: (error) => assert.fail(error),
  });
  for (let n = 0; n < 100; n++) put(store, `theirs ${n}`);
  writeAppliedState(store, { ...applied, ...position(sent.index, sent.term) });
  await store.flush();
  const snapshot = store.snapshot();
  const rows: Row[] = [];
  for (let some = await snapshot.next(1_000); some.length > 0; some = await snapshot.next(1_000)) rows.push(...some);
  await snapshot.close();
  await store.close();
  return rows;
};

const storesIn = async (directory: string): Promise<string[]> =>
  (await readdir(join(directory, "data", "member"))).filter((name) => /^store-(\d+|current)$/.test(name)).sort();

/** Replaces the old store by the new one, and removes the old one. */
const install = async ({ newStores }: DurableState, making: NewStore): Promise<void> => {
  await making.install();
  await newStores.close();
};

/** Returns a copy of the files as a kill leaves them: written data is there, synced or not. */
const runKilled = async (t: TestContext, directory: string): Promise<string> => {
  const copy = await temporaryDirectory(t);
  await cp(directory, copy, { recursive: true });
  return copy;
};

const isAsBefore = async (directory: string): Promise<void> => {
  const { state, close } = await open(directory);
  assert.deepEqual([state.applied.index, state.recovered.base.index, state.recovered.entries.length], [3, 0, 3]);
  assert.equal(await hasKey(state.store, "ours"), true);
  await close();
  assert.deepEqual(await storesIn(directory), ["store-1", "store-current"]);
};

const isInstalled = async (directory: string): Promise<void> => {
  for (let start = 1; start <= 2; start++) {
    const { state, close } = await open(directory);
    const { applied, recovered, store } = state;
    assert.deepEqual([applied.index, applied.term], [sent.index, sent.term]);
    assert.deepEqual([recovered.base.index, recovered.base.term], [sent.index, sent.term]);
    assert.deepEqual(recovered.entries, []);
    assert.deepEqual(recovered.hardState, { term: 5, vote: 0n, commit: 100 });
    assert.deepEqual([await hasKey(store, "theirs 99"), await hasKey(store, "ours")], [true, false]);
    await close();
    assert.deepEqual(await storesIn(directory), ["store-2", "store-current"]);
  }
  // The log continues after the snapshot.
  const { state, close } = await open(directory);
  await new Promise<void>((done) => state.wal.append(undefined, [entry(101, 5)], done));
  await close();
  const again = await open(directory);
  assert.deepEqual(
    again.state.recovered.entries.map(({ index }) => index),
    [101],
  );
  await again.close();
};

test("a start after a kill in the middle of receiving removes the unfinished store and goes on as before", async (t) => {
  const directory = await temporaryDirectory(t);
  await prepareMember(directory);
  const { state, close } = await open(directory);
  const rows = await rowsSent(state);
  const unfinished = await state.newStores.create();
  await unfinished.write(rows.slice(0, rows.length / 2));
  const left = await runKilled(t, directory);
  await unfinished.discard();
  await close();
  assert.deepEqual(await storesIn(left), ["store-1", "store-2", "store-current"]);
  // A partial file that would name the new store.
  await writeFile(join(left, "data", "member", "store-current.tmp"), "store-2\nindex 1");
  await isAsBefore(left);
});

test("a start after a kill between the store's switch and the log's restart completes the installation", async (t) => {
  const directory = await temporaryDirectory(t);
  await prepareMember(directory);
  const { state, close } = await open(directory);
  const making = await state.newStores.create();
  await making.write(await rowsSent(state));
  await making.finishStore();
  await install(state, making);
  assert.deepEqual([await hasKey(state.store, "theirs 99"), await hasKey(state.store, "ours")], [true, false]);
  const left = await runKilled(t, directory);
  await close();
  assert.equal(
    await readFile(join(left, "data", "member", "store-current"), "utf8"),
    `store-2\nindex ${sent.index} term ${sent.term}\n`,
  );
  // The new log's segment was not renamed yet, so it does not count.
  const wal = join(left, "data", "member", "wal");
  const [segment] = (await readdir(wal)).sort();
  await writeFile(join(wal, "next.tmp"), (await readFile(join(wal, segment!))).subarray(0, 4_096));
  await isInstalled(left);
});

test("a store with a damaged row is refused with the row's name; once discarded, the next is created in its place", async (t) => {
  const directory = await temporaryDirectory(t);
  await prepareMember(directory);
  const { state, close } = await open(directory);
  const [first, ...others] = await rowsSent(state);
  const [key, value] = first!;
  const damaged = await state.newStores.create();
  await damaged.write([[key, value.map((byte, at) => (at === 0 ? byte ^ 0x10 : byte))], ...others]);
  await assert.rejects(
    damaged.finishStore(),
    (error) => error instanceof Error && /row .* of .*store-2/.test(error.message),
  );
  await damaged.discard();
  assert.deepEqual(await storesIn(directory), ["store-1", "store-current"]);
  const second = await state.newStores.create();
  assert.deepEqual(await storesIn(directory), ["store-1", "store-2", "store-current"]);
  await second.discard();
  await close();
  await isAsBefore(directory);
});

test("a lost log, or an old copy, is not taken for an interrupted installation", async (t) => {
  const directory = await temporaryDirectory(t);
  await prepareMember(directory);
  const { state, close } = await open(directory);
  const making = await state.newStores.create();
  await making.write(await rowsSent(state));
  await making.finishStore();
  await install(state, making);
  const hardState = { term: 5 as Term, vote: noMember, commit: 100 as LogIndex };
  await new Promise<void>((done) => state.wal.restart(baseIn(state), hardState, done));
  const atInstall = await runKilled(t, directory);
  await new Promise<void>((done) => state.wal.append(undefined, [entry(101, 5), entry(102, 5)], done));
  writeAppliedState(state.store, { ...state.applied, ...position(102, 5) });
  await close();
  await open(directory).then(({ close: closeAgain }) => closeAgain());

  const wal = join(directory, "data", "member", "wal");
  await rm(wal, { recursive: true });
  await mkdir(wal);
  await assert.rejects(open(directory), (error) => error instanceof StartError && error.message.includes("ends at 0"));
  await rm(wal, { recursive: true });
  await cp(join(atInstall, "data", "member", "wal"), wal, { recursive: true });
  await assert.rejects(
    open(directory),
    (error) => error instanceof StartError && error.message.includes("ends at 100"),
  );
});
