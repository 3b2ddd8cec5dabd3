// Each promise of etcd's watches, on the store alone: compared with a store that keeps a full copy of every revision, with receivers
// without room, compactions, restarts, installed snapshots, and slices so small that all work takes many.
// (etcd v3 API, guarantees of watches: ordered, unique, reliable, atomic, resumable, bookmarkable.)

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../support/fast-check.js";
import { Event, type KeyValue } from "../../proto/index.js";
import {
  runAtOnce,
  StoreError,
  type StoreLimits,
  type Watch,
  type WatchBatch,
  type WatchOptions,
  type Sliced,
} from "../../store/index.js";
import {
  roundState,
  TestStore,
  bytes,
  deleteRange,
  memoryDisk,
  op,
  put,
  showKv,
  text,
  turn,
  txn,
} from "../store/harness.js";
import { CopyingStore, Refused, type NaiveChange } from "../../testing/copying-store.js";
import { propertyOptions, runs } from "../support/thorough.js";

const key = fc.constantFrom("a", "aa", "b", "c", "\xff");
const rangeEnd = fc.constantFrom("", "", "\0", "b", "c", "\xff");
const value = fc.constantFrom("", "1", "2");

type Change =
  | { readonly kind: "put"; readonly key: string; readonly value: string }
  | { readonly kind: "delete"; readonly key: string; readonly rangeEnd: string };
type Step =
  | Change
  | { readonly kind: "txn"; readonly changes: readonly Change[] }
  | { readonly kind: "compact"; readonly back: number }
  | { readonly kind: "watch"; readonly options: WatchOptions }
  | { readonly kind: "room"; readonly watcher: number; readonly batches: number }
  | { readonly kind: "turns"; readonly count: number }
  /** Changes of other members that arrive as one snapshot, perhaps compacted `compactBack` revisions behind its end. */
  | { readonly kind: "install"; readonly changes: readonly Change[]; readonly compactBack: number | undefined }
  | { readonly kind: "flush" | "restart" | "bookmark" };

const putChange = fc.record({ kind: fc.constant("put" as const), key, value });
const deleteChange = fc.record({ kind: fc.constant("delete" as const), key, rangeEnd });
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: putChange },
  { weight: 1, arbitrary: deleteChange },
);
const covers = (from: string, end: string, key: string): boolean =>
  end === "" ? key === from : key >= from && (end === "\0" || key < end);
/** Changes that the API allows in one transaction: no key is put twice, or put and deleted. */
const changesOfTxn: fc.Arbitrary<readonly Change[]> = fc
  .tuple(
    fc.uniqueArray(putChange, { maxLength: 3, selector: ({ key }) => key }),
    fc.array(deleteChange, { maxLength: 2 }),
  )
  .map(([puts, deletes]) => [
    ...puts,
    ...deletes.filter(({ key, rangeEnd }) => !puts.some((put) => covers(key, rangeEnd, put.key))),
  ]);
const options: fc.Arbitrary<WatchOptions> = fc.record({
  key: key.map(bytes),
  rangeEnd: rangeEnd.map(bytes),
  startRevision: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 25 })),
  prevKv: fc.boolean(),
  puts: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
  deletes: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: change },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("txn" as const), changes: changesOfTxn }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("compact" as const), back: fc.nat({ max: 4 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("watch" as const), options }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("room" as const), watcher: fc.nat(5), batches: fc.nat({ max: 3 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("flush", "restart", "bookmark", "bookmark") }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("install" as const),
      changes: fc.array(change, { maxLength: 6 }),
      compactBack: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, fc.nat({ max: 6 })),
    }),
  },
);
const tightLimits: fc.Arbitrary<Partial<StoreLimits>> = fc.record({
  flushBytes: fc.constantFrom(1, 1_000),
  cacheBytes: fc.constantFrom(0, 1_000_000),
  entriesPerSlice: fc.integer({ min: 1, max: 4 }),
  diskReadsPerSlice: fc.integer({ min: 1, max: 3 }),
  revisionsPerWatchBatch: fc.integer({ min: 1, max: 4 }),
  bytesPerWatchBatch: fc.constantFrom(1, 1_000),
  watchersPerSlice: fc.integer({ min: 1, max: 2 }),
  watchBatchesPerSlice: fc.integer({ min: 1, max: 2 }),
});

/** An event as the receiver got it, with its revision and batch. */
interface Received {
  readonly revision: number;
  /** The number of the batch. */
  readonly batch: number;
  readonly event: string;
  readonly key: string;
  readonly prevKv: string | undefined;
  /** The store's compact revision at that moment. */
  readonly compacted: number;
}

const changeText = (key: string, after: KeyValue | undefined): string =>
  after === undefined ? `DELETE ${key}` : `PUT ${showKv(after)}`;

/** A client of one watch: it resumes at its position when the store is restarted, or after it was too slow. */
class Observer {
  readonly received: Received[] = [];
  /** Progress notices: the revision through which everything has been sent, and the number of events sent by then. */
  readonly bookmarks: { readonly through: number; readonly count: number }[] = [];
  readonly headers: { readonly revision: number; readonly now: number; readonly last: number }[] = [];
  /** Revisions that were compacted before their events were sent; the watch ended with that error. */
  readonly missed: { readonly from: number; readonly to: number }[] = [];
  /** The start revision. */
  readonly start: number;
  private watch: Watch | undefined = undefined;
  private room = Infinity;
  private batches = 0;
  /** The revision to resume at: behind the last event, like a client that ignores progress notices. */
  next: number;

  constructor(
    private readonly tested: TestStore,
    readonly options: WatchOptions,
  ) {
    this.start = options.startRevision === 0 ? tested.store.revision + 1 : options.startRevision;
    this.next = this.start;
    this.begin();
  }

  begin(): void {
    const { store } = this.tested;
    this.watch = store.watch(
      { ...this.options, startRevision: this.next },
      {
        onChanged: (_tags, _from, _to, batch) => (this.take(batch) ? 1 : 0),
        onCompacted: (_tag, revision) => {
          assert.ok(this.next < revision, "only what was not received yet can be missed");
          this.missed.push({ from: this.next, to: revision - 1 });
          this.next = revision;
          this.begin();
        },
        onFailed: (_tag, error) => {
          if (!(error instanceof StoreError && error.code === "closed")) throw error;
        },
      },
      undefined,
    );
  }

  setRoom(batches: number): void {
    this.room = batches;
    if (batches > 0) this.watch?.resume();
  }

  bookmark(): void {
    const through = this.watch?.sendPending();
    if (through !== undefined) this.bookmarks.push({ through, count: this.received.length });
  }

  private take({ revision, events }: WatchBatch): boolean {
    if (this.room === 0) return false;
    this.room -= 1;
    this.batches += 1;
    const { revision: now, compactRevision: compacted } = this.tested.store;
    for (const encoded of events) {
      const { type, kv, prevKv } = Event.decode(encoded);
      assert.ok(kv !== undefined);
      const key = text(kv.key);
      const event = changeText(key, type === 0 ? kv : undefined);
      const shownPrevious = prevKv === undefined ? undefined : showKv(prevKv);
      const mod = Number(kv.modRevision);
      this.received.push({ revision: mod, batch: this.batches, event, key, prevKv: shownPrevious, compacted });
      this.next = mod + 1;
    }
    this.headers.push({ revision, now, last: this.next - 1 });
    return true;
  }
}

/** The history of the store, and the observers with their events. */
interface Outcome {
  readonly naive: CopyingStore;
  readonly observers: readonly Observer[];
}

class Play {
  readonly naive = new CopyingStore();
  readonly observers: Observer[] = [];

  /** @param leader a store that is never behind */
  constructor(
    private readonly tested: TestStore,
    private readonly leader: TestStore,
  ) {}

  async take(step: Step): Promise<void> {
    const { tested, naive, observers } = this;
    switch (step.kind) {
      case "put":
      case "delete":
      case "txn":
        this.apply(step, [tested, this.leader]);
        return;
      case "compact":
        this.compact(step.back, [tested, this.leader]);
        return;
      case "install":
        for (const change of step.changes) this.apply(change, [this.leader]);
        if (step.compactBack !== undefined) this.compact(step.compactBack, [this.leader]);
        await this.leader.save();
        await tested.install(this.leader.store, await memoryDisk());
        assert.equal(tested.store.revision, naive.revision);
        return;
      case "watch":
        observers.push(new Observer(tested, step.options));
        return;
      case "room":
        observers[step.watcher]?.setRoom(step.batches);
        return;
      case "turns":
        for (let n = 0; n < step.count; n++) await turn();
        return;
      case "flush":
        return tested.store.flush();
      case "restart":
        await tested.reopen();
        for (const observer of observers) observer.begin();
        return;
      case "bookmark":
        for (const observer of observers) observer.bookmark();
        return;
    }
  }

  private apply(step: Change | Extract<Step, { kind: "txn" }>, stores: readonly TestStore[]): void {
    apply(this.naive, step);
    for (const { store } of stores) {
      apply(store, step);
      store.endRound(roundState("marker"));
      assert.equal(store.revision, this.naive.revision);
    }
  }

  private compact(back: number, stores: readonly TestStore[]): void {
    const revision = this.naive.revision - back;
    if (revision <= this.naive.compactRevision) return;
    this.naive.compact(revision);
    for (const { store } of stores) {
      store.compact(revision);
      store.endRound(roundState("marker"));
    }
  }

  /** Gives all receivers room and waits until no watcher is behind. */
  async settle(): Promise<void> {
    for (const observer of this.observers) observer.setRoom(Infinity);
    const watcher = new Observer(this.tested, {
      ...everything,
      startRevision: Math.max(1, this.naive.compactRevision),
    });
    this.observers.push(watcher);
    for (let turns = 0; this.observers.some((observer) => !this.isUpToDate(observer)); turns++) {
      assert.ok(turns < 10_000, "the watchers catch up");
      await turn();
    }
    for (const observer of this.observers) observer.bookmark();
  }

  private isUpToDate(observer: Observer): boolean {
    const before = observer.bookmarks.length;
    observer.bookmark();
    return observer.bookmarks.length > before || observer.next > this.naive.revision;
  }
}

const everything: WatchOptions = {
  key: bytes("\0"),
  rangeEnd: bytes("\0"),
  startRevision: 0,
  prevKv: true,
  puts: true,
  deletes: true,
};

function apply(store: TestStore["store"] | CopyingStore, step: Change | Extract<Step, { kind: "txn" }>): void {
  try {
    if (step.kind === "put") store.put(put(step.key, step.value));
    else if (step.kind === "delete") finish(store.deleteRange(deleteRange(step.key, step.rangeEnd)));
    else finish(store.txn(txn([], step.changes.map(opOf))));
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof Refused)) throw error;
  }
}

/** Runs work of the model at once: the model has no slices. */
const finish = (work: object): void => {
  if (Symbol.iterator in work) runAtOnce(work as Sliced<unknown>);
};

const opOf = (change: Change) =>
  change.kind === "put" ? op.put(change.key, change.value) : op.delete(change.key, change.rangeEnd);

/** Returns the changes that an observer must receive: all changes of each revision, in order. */
function expectedChanges(
  { naive }: Outcome,
  { options, start, missed }: Observer,
): { revision: number; change: NaiveChange }[] {
  const [from, end] = [text(options.key), text(options.rangeEnd)];
  const wanted: { revision: number; change: NaiveChange }[] = [];
  for (let revision = start; revision <= naive.revision; revision++) {
    if (missed.some(({ from, to }) => revision >= from && revision <= to)) continue;
    for (const change of naive.changesOf(revision))
      if (covers(from, end, change.key) && (change.after === undefined ? options.deletes : options.puts))
        wanted.push({ revision, change });
  }
  return wanted;
}

const eventText = (revision: number, event: string): string => `${revision}: ${event}`;

function promise(name: string, check: (observer: Observer, outcome: Outcome) => void): void {
  test(`watches are ${name}`, async () => {
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 50, size: "max" }),
      tightLimits,
      async (steps, limits) => {
        await using tested = await TestStore.on(await memoryDisk(), limits);
        await using leader = await TestStore.on(await memoryDisk());
        const play = new Play(tested, leader);
        for (const step of steps) await play.take(step);
        await play.settle();
        for (const observer of play.observers) check(observer, play);
      },
    );
    await fc.assert(property, { ...propertyOptions, numRuns: runs({ usually: 20, thoroughly: 60 }) });
  });
}

promise("ordered: events come by revision, and within one in the order of its operations", (observer, outcome) => {
  const places = new Map(
    expectedChanges(outcome, observer).map(({ revision, change: { key, after } }, place) => [
      eventText(revision, changeText(key, after)),
      place,
    ]),
  );
  const order = observer.received.map(({ revision, event }) => places.get(eventText(revision, event)) ?? -1);
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  );
});

promise("unique: no event comes twice, also over restarts", ({ received }) => {
  const names = received.map(({ revision, event }) => eventText(revision, event));
  assert.equal(new Set(names).size, names.length, names.join("\n"));
});

promise("reliable: everything asked for comes, and nothing else, with what was before", (observer, outcome) => {
  const all = expectedChanges(outcome, observer);
  assert.deepEqual(
    observer.received.map(({ revision, event }) => eventText(revision, event)),
    all.map(({ revision, change: { key, after } }) => eventText(revision, changeText(key, after))),
  );
  observer.received.forEach(({ revision, prevKv, compacted }, n) => {
    const { after, before } = all[n]!.change;
    const isCreated = after !== undefined && Number(after.createRevision) === revision;
    const isThere = observer.options.prevKv && !isCreated && before !== undefined;
    // A compaction removes the previous value; one in progress may or may not have removed it.
    if (isThere && revision - 1 >= compacted) assert.equal(prevKv, showKv(before));
    else if (prevKv !== undefined) assert.equal(prevKv, isThere ? showKv(before) : "nothing");
  });
});

promise("atomic: all of a revision comes at once", ({ received }) => {
  const batchOf = new Map<number, number>();
  for (const { revision, batch } of received) {
    assert.equal(batch, batchOf.get(revision) ?? batch, `revision ${revision} is split`);
    batchOf.set(revision, batch);
  }
});

promise(
  "resumable: from behind the last event nothing is lost, and what is compacted is said to be",
  (observer, outcome) => {
    const wanted = new Set(expectedChanges(outcome, observer).map(({ revision }) => revision));
    const received = new Set(observer.received.map(({ revision }) => revision));
    assert.deepEqual(received, wanted);
    for (const { to } of observer.missed) assert.ok(to < outcome.naive.compactRevision);
  },
);

promise(
  "bookmarkable: after a progress notice of a revision no event up to it arrives",
  ({ received, bookmarks, headers }) => {
    for (const { through, count } of bookmarks)
      for (const { revision } of received.slice(count))
        assert.ok(revision > through, `${revision} after a bookmark at ${through}`);
    // The revision of a header exists, and is not older than the events below it.
    for (const { revision, now, last } of headers) assert.ok(revision === now && last <= now);
  },
);
