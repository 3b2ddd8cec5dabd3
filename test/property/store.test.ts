// The store against one that keeps a full copy of every revision, across restarts and compactions.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../support/fast-check.js";
import {
  DeleteRangeResponse,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RawRangeResponse,
  TxnResponse,
} from "../../proto/index.js";
import type { KvStore, StoreLimits } from "../../store/index.js";
import { roundState, TestStore, bytes, levelDisk, memoryDisk, text, type TestDisk } from "../store/harness.js";
import { applied, applyToReal, attachments, outcome, rangeRequest, type Applied } from "./commands.js";
import { CopyingStore } from "../../testing/copying-store.js";
import { propertyOptions, runs } from "../support/thorough.js";

type Step =
  | Applied
  | { readonly kind: "range"; readonly request: RangeRequest }
  | { readonly kind: "endRound" | "time" | "flush" | "restart" | "crash" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: applied },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("range" as const), request: rangeRequest }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom("endRound", "endRound", "time", "flush", "restart", "crash") }),
  },
);

/** Limits so small that slices, evictions and many batches occur. */
const tightLimits: fc.Arbitrary<StoreLimits> = fc.record({
  flushBytes: fc.constantFrom(1, 1_000),
  flushAfterMs: fc.constant(100),
  blockBytes: fc.constantFrom(0, 100, 1_000),
  unflushedBytes: fc.constantFrom(1, 10_000),
  cacheBytes: fc.constantFrom(0, 1_000, 1_000_000),
  responseBytes: fc.constant(1_000_000),
  entriesPerSlice: fc.integer({ min: 1, max: 4 }),
  diskReadsPerSlice: fc.integer({ min: 1, max: 3 }),
  changesPerSlice: fc.integer({ min: 1, max: 3 }),
  changesSentAtOnce: fc.integer({ min: 0, max: 2 }),
  removalsPerPass: fc.integer({ min: 1, max: 5 }),
  removalsPerBatch: fc.integer({ min: 1, max: 3 }),
  compactionRestMs: fc.constant(0),
  revisionsPerWatchBatch: fc.constant(1),
  bytesPerWatchBatch: fc.constant(1),
  watchersPerSlice: fc.constant(1),
  watchBatchesPerSlice: fc.constant(1),
});

/** Encodes and decodes a message, so that messages with the same encoding compare as equal. */
const roundTrip = <T>(
  codec: { decode(bytes: Uint8Array): T; encode(message: T): { finish(): Uint8Array } },
  message: T,
): T => codec.decode(codec.encode(message).finish());

function applyToNaive(naive: CopyingStore, step: Applied): unknown {
  switch (step.kind) {
    case "put":
      return [roundTrip(PutResponse, naive.put(step.request)), naive.revision];
    case "deleteRange":
      return [roundTrip(DeleteRangeResponse, naive.deleteRange(step.request)), naive.revision];
    case "txn":
      return [roundTrip(TxnResponse, naive.txn(step.request)), naive.revision];
    case "compact":
      naive.compact(naive.revision - step.back);
      return "ok";
    case "grant":
      naive.grantLease(step.lease);
      return naive.revision;
    case "revoke":
      naive.revokeLease(step.lease);
      return naive.revision;
  }
}

type ReadAnswer = ReturnType<KvStore["range"]>;

const readAlone = (store: KvStore, request: RangeRequest): ReadAnswer => store.range(request);

async function readInTxn(store: KvStore, value: RangeRequest): Promise<Awaited<ReadAnswer>> {
  const success = [{ request: { $case: "requestRange" as const, value } }];
  const { response, revision } = await store.readTxn({ compare: [], success, failure: [] });
  const [first] = response.responses;
  assert.ok(first?.response?.$case === "responseRange");
  return { response: { ...first.response.value, header: undefined }, revision };
}

/** Both stores, and the log of the applied commands. The marker says up to which of them a store on disk contains. */
class Comparison {
  private readonly naive = new CopyingStore();
  private readonly log: Applied[] = [];
  private readonly reads: Promise<void>[] = [];

  constructor(private readonly tested: TestStore) {}

  async take(step: Step): Promise<void> {
    const { tested } = this;
    switch (step.kind) {
      case "range":
        this.read(step.request);
        return;
      case "endRound":
        tested.store.endRound(roundState(String(this.log.length)));
        return;
      case "time":
        tested.clock.advance(100);
        return;
      case "flush":
        await tested.store.flush();
        return;
      case "restart":
        await this.finishReads();
        await tested.reopen();
        this.applyRest();
        return;
      case "crash":
        await this.finishReads();
        await tested.crash();
        this.applyRest();
        return;
      case "put":
      case "deleteRange":
      case "txn":
      case "compact":
      case "grant":
      case "revoke": {
        this.log.push(step);
        const everything = RangeRequest.create({ key: bytes("\0"), rangeEnd: bytes("\0") });
        // No reader sees a write that is in progress.
        const actual = outcome(() =>
          applyToReal(tested.store, step, () => {
            this.read(everything);
            this.read(everything, readInTxn);
          }),
        );
        assert.deepEqual(
          actual,
          outcome(() => applyToNaive(this.naive, step)),
        );
      }
    }
  }

  /** Compares every readable revision, key by key. */
  async checkHistory(): Promise<void> {
    await this.finishReads();
    const { naive, tested } = this;
    assert.equal(tested.store.revision, naive.revision);
    assert.equal(tested.store.compactRevision, naive.compactRevision);
    assert.deepEqual(await attachments(tested.store), naive.attachments());
    for (let revision = 0; revision <= naive.revision + 1; revision++) {
      this.read(RangeRequest.create({ key: bytes("\0"), rangeEnd: bytes("\0"), revision: BigInt(revision) }));
      await this.finishReads();
    }
  }

  /**
   * Starts a read; its answer must be the state at this moment, however late it comes.
   * @param ask reads directly, or in a transaction that only reads
   */
  private read(request: RangeRequest, ask: (store: KvStore, request: RangeRequest) => ReadAnswer = readAlone): void {
    const expected = outcome(() => roundTrip(RangeResponse, this.naive.range(request)));
    const revision = this.naive.revision;
    const answer = outcome(() => ask(this.tested.store, request));
    if (typeof answer === "string") return assert.deepEqual(answer, expected);
    const check = async (): Promise<void> => {
      const { response, revision: at } = await answer;
      assert.deepEqual(RangeResponse.decode(RawRangeResponse.encode(response).finish()), expected);
      assert.equal(at, revision);
    };
    const checked = check();
    checked.catch(() => undefined); // awaited later
    this.reads.push(checked);
  }

  private async finishReads(): Promise<void> {
    await Promise.all(this.reads.splice(0));
  }

  /** Applies again the commands that the store lost in a restart; the results must be the same. */
  private applyRest(): void {
    const { marker } = this.tested.store;
    const contained = marker === undefined ? 0 : Number(text(marker));
    for (const step of this.log.slice(contained)) outcome(() => applyToReal(this.tested.store, step));
  }
}

async function compareStores(disk: TestDisk, steps: readonly Step[], limits: StoreLimits): Promise<void> {
  await using tested = await TestStore.on(disk, limits);
  await using steady = await TestStore.on(await memoryDisk());
  const comparison = new Comparison(tested);
  for (const step of steps) {
    await comparison.take(step);
    if (step.kind in { put: 1, deleteRange: 1, txn: 1, compact: 1, grant: 1, revoke: 1 })
      outcome(() => applyToReal(steady.store, step as Applied));
  }
  await comparison.checkHistory();
  for (const at of [0, Math.max(1, steady.store.compactRevision), steady.store.revision])
    assert.deepEqual(await tested.store.hashKv(at), await steady.store.hashKv(at));
  await tested.save();
  await tested.reopen();
  assert.deepEqual(await tested.store.hashKv(0), await steady.store.hashKv(0));
  assert.deepEqual(await attachments(tested.store), await attachments(steady.store));
}

const kinds = [
  { name: "memory", create: memoryDisk, numRuns: runs({ usually: 50, thoroughly: 150 }) },
  { name: "disk", create: levelDisk, numRuns: runs({ usually: 4, thoroughly: 10 }) },
];
for (const { name, create, numRuns } of kinds) {
  test(`a store answers like a model that keeps a full copy of every revision (${name})`, async () => {
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 40, size: "max" }),
      tightLimits,
      async (steps, limits) => {
        await compareStores(await create(), steps, limits);
      },
    );
    await fc.assert(property, { ...propertyOptions, numRuns });
  });
}
