// A store built from another one's snapshot answers every request like the original.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../support/fast-check.js";
import { RangeRequest, RangeResponse, RawRangeResponse } from "../../proto/index.js";
import type { KvStore, StoreLimits } from "../../store/index.js";
import { roundState, TestStore, bytes, copyOf, levelDisk, memoryDisk, type TestDisk } from "../store/harness.js";
import { Recorder } from "../store/recorder.js";
import { applied, applyToReal, attachments, outcome, rangeRequest, type Applied } from "./commands.js";
import { byValue } from "../../testing/copying-store.js";
import { propertyOptions, runs } from "../support/thorough.js";

type Step = Applied | { readonly kind: "endRound" } | { readonly kind: "flush" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: applied },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: "endRound" }, { kind: "flush" }) },
);
const limits: fc.Arbitrary<Partial<StoreLimits>> = fc.record({
  cacheBytes: fc.constantFrom(0, 1_000_000),
  entriesPerSlice: fc.integer({ min: 1, max: 4 }),
  changesPerSlice: fc.integer({ min: 1, max: 3 }),
  blockBytes: fc.constantFrom(0, 100, 1_000),
  removalsPerPass: fc.integer({ min: 1, max: 5 }),
  removalsPerBatch: fc.integer({ min: 1, max: 3 }),
  revisionsPerWatchBatch: fc.integer({ min: 1, max: 4 }),
});

async function take({ store }: TestStore, step: Step): Promise<unknown> {
  if (step.kind === "flush") await store.flush();
  else if (step.kind === "endRound") store.endRound(roundState(`${store.revision}`));
  else return outcome(() => applyToReal(store, step));
  return undefined;
}

async function answer(store: KvStore, request: RangeRequest): Promise<unknown> {
  const answer = outcome(() => store.range(request));
  if (typeof answer === "string") return answer;
  const { response, revision } = await answer;
  return [RangeResponse.decode(RawRangeResponse.encode(response).finish()), revision];
}

/** Returns all answers of a store: reads, hashes and leases, and a watch from each revision on. */
async function answersOf(tested: TestStore, requests: readonly RangeRequest[]): Promise<unknown> {
  const { store } = tested;
  const { revision, compactRevision } = store;
  const answers: unknown[] = [revision, compactRevision, await attachments(store)];
  answers.push([...store.leases()].sort((a, b) => byValue(a.id, b.id)));
  const all = { key: bytes("\0"), rangeEnd: bytes("\0") };
  for (let at = 0; at <= revision + 1; at++) {
    answers.push(await answer(store, RangeRequest.create({ ...all, revision: BigInt(at) })));
    answers.push(await store.hashKv(at).catch((error: unknown) => String(error)));
    // A watch from the compact revision itself depends on the progress of the compaction: of two changes of a key in that revision, one
    // is removed.
    if (at > 0 && at !== compactRevision) answers.push(await watchFrom(tested, at));
  }
  for (const request of requests) answers.push(await answer(store, request));
  return answers;
}

async function watchFrom(tested: TestStore, startRevision: number): Promise<unknown> {
  const recorder = new Recorder(tested, ["\0", "\0"], { startRevision, prevKv: true });
  const isNotified = (): boolean => recorder.watch.sendPending() !== undefined || recorder.compacted !== undefined;
  if (startRevision <= tested.store.revision) await recorder.waitUntil(isNotified);
  recorder.watch.close();
  return [recorder.batches, recorder.compacted];
}

interface Plan {
  readonly steps: readonly Step[];
  readonly requests: readonly RangeRequest[];
  /** Commands applied to both stores afterwards. */
  readonly more: readonly Applied[];
  readonly maxBytes: number;
  readonly limits: Partial<StoreLimits>;
}

async function compare({ steps, requests, more, maxBytes, limits }: Plan, create: () => Promise<TestDisk>) {
  await using original = await TestStore.on(await create(), limits);
  for (const step of steps) await take(original, step);
  await original.save();
  const disk = await create();
  const backend = await copyOf(original.store, await disk.open(), maxBytes);
  await backend.close();
  await using copy = await TestStore.on(disk, limits);
  assert.deepEqual(copy.store.marker, Uint8Array.from(bytes("marker")));
  assert.deepEqual(await answersOf(copy, requests), await answersOf(original, requests));
  for (const step of more) assert.deepEqual(await take(copy, step), await take(original, step));
  for (const store of [copy, original]) await store.save();
  await copy.reopen();
  assert.deepEqual(await answersOf(copy, requests), await answersOf(original, requests));
}

const kinds = [
  { name: "memory", create: memoryDisk, numRuns: runs({ usually: 15, thoroughly: 40 }) },
  { name: "disk", create: levelDisk, numRuns: runs({ usually: 2, thoroughly: 5 }) },
];
for (const { name, create, numRuns } of kinds)
  test(`a store built from another's snapshot answers everything as the original (${name})`, async () => {
    const plan: fc.Arbitrary<Plan> = fc.record({
      steps: fc.array(step, { maxLength: 40, size: "max" }),
      requests: fc.array(rangeRequest, { maxLength: 5 }),
      more: fc.array(applied, { maxLength: 10 }),
      maxBytes: fc.constantFrom(1, 100, 1_000, 100_000),
      limits,
    });
    const property = fc.asyncProperty(plan, (plan) => compare(plan, create));
    await fc.assert(property, { ...propertyOptions, numRuns });
  });
