// All services, over gRPC and the JSON gateway: etcd 3.7 and minietcd have the same answers, also to invalid requests.
// SEED=… plays other sequences, RUNS=… another number of them. A failure is repeated with the same SEED and RUNS.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { AlarmRequest, AlarmType, PutRequest, RangeRequest } from "../../../proto/index.js";
import { eventually } from "../../support/deadline.js";
import { callMasks, comparableReplyOf } from "./call-masks.js";
import { callSequence } from "./call-sequences.js";
import { type Call, Caller, type Reply, requestJson } from "./calls.js";
import { everything } from "./keys.js";
import { Lanes } from "./lanes.js";
import { limits } from "./limits.js";
import type { Pair } from "./pair.js";
import { lateOf, type Late, type Revisions } from "./revisions.js";

const seed = Number(process.env["SEED"] ?? 1);
const numRuns = Number(process.env["RUNS"] ?? 1_000);

/** The number of sequences that have all expected outcomes; fewer may lack some. */
const runsThatCover = 1_000;

let lanes: Lanes;
const callers = new Map<Pair, readonly [etcd: Caller, ours: Caller]>();
/** Successes and failures of each method, by transport. */
const seen = new Map<string, number>();

before(async () => {
  lanes = await Lanes.start(2, [`--max-txn-ops=${limits.maxTxnOps}`]);
  for (const pair of lanes.pairs) {
    const [etcd, ours] = pair.channels;
    // A cluster of etcd refuses every downgrade until it has decided its version.
    await eventually(20_000, "etcd to settle its version", async () =>
      (await (await fetch(`http://${etcd.endpoint}/version`)).text()).includes("not_decided") ? undefined : true,
    );
    callers.set(pair, [new Caller(etcd.endpoint), new Caller(ours.endpoint)]);
  }
});

after(async () => {
  for (const both of callers.values()) for (const caller of both) caller[Symbol.dispose]();
  await lanes[Symbol.asyncDispose]();
});

const callersOf = (pair: Pair): readonly [Caller, Caller] => callers.get(pair) ?? assert.fail("every pair has callers");

const revisionOf = ({ messages }: Reply): bigint => {
  const header = (messages.at(-1) as { header?: { revision?: string } } | undefined)?.header;
  return BigInt(header?.revision ?? 0);
};

/** Deactivates all alarms, so that both servers accept writes. */
async function disarm(pair: Pair): Promise<void> {
  const bytes = AlarmRequest.encode(AlarmRequest.create({ action: 0 })).finish();
  for (const caller of callersOf(pair)) {
    const { messages, details } = await caller.call({ path: "/etcdserverpb.Maintenance/Alarm", bytes, over: "grpc" });
    assert.equal(details, "", "alarms are listed");
    const { alarms = [] } = messages[0] as { alarms?: { memberID?: string; alarm: keyof typeof AlarmType }[] };
    for (const { memberID = "0", alarm } of alarms) {
      const request = AlarmRequest.create({ action: 2, memberID: BigInt(memberID), alarm: AlarmType[alarm] });
      const disarming = AlarmRequest.encode(request).finish();
      await caller.call({ path: "/etcdserverpb.Maintenance/Alarm", bytes: disarming, over: "grpc" });
    }
  }
}

/** Tells whether a call would wait for another holder of the lock, or for the leader to resign. */
async function wouldWait(pair: Pair, call: Call): Promise<boolean> {
  if (!/\/(Lock|Campaign)$/.test(call.path)) return false;
  const { name = "", lease = "0" } = (requestJson(call) ?? {}) as { name?: string; lease?: string };
  const prefix = Buffer.from(name, "base64").toString();
  const request = RangeRequest.create({ key: Buffer.from(`${prefix}/`), rangeEnd: Buffer.from(`${prefix}0`) });
  const bytes = RangeRequest.encode(request).finish();
  const { messages } = await callersOf(pair)[1].call({ path: "/etcdserverpb.KV/Range", bytes, over: "grpc" });
  const { kvs = [] } = (messages[0] ?? {}) as { kvs?: { lease?: string }[] };
  return kvs.some((kv) => kv.lease !== lease);
}

const show = (value: unknown): string => JSON.stringify(value);
const showCall = (call: Call): string =>
  `${call.path} over ${call.over} ${show(requestJson(call))} (${Buffer.from(call.bytes).toString("hex")})`;

function note({ path, over }: Call, { code }: Reply): void {
  const outcome = `${path} over ${over}: ${code === 0 ? "answered" : "refused"}`;
  seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
}

const nextRevisions = ({ now, compacted }: Revisions, { path, bytes }: Call, reply: Reply): Revisions => {
  const revision = revisionOf(reply);
  if (reply.code !== 0 || !path.endsWith("/Compact")) return { now: revision > now ? revision : now, compacted };
  return { now, compacted: BigInt((requestJson({ path, bytes }) as { revision?: string }).revision ?? 0) };
};

/**
 * Plays a sequence on both servers.
 * @throws Error with all exchanges, if an answer differs in an unknown way
 */
async function play(pair: Pair, steps: readonly Late<Call>[]): Promise<void> {
  await disarm(pair);
  await pair.startAfresh();
  let { at } = pair;
  const said: string[] = [`both empty at revision ${at.now}`];
  for (const step of steps) {
    const call = step(at);
    if (await wouldWait(pair, call)) continue;
    const replies = await Promise.all(callersOf(pair).map((caller) => caller.call(call)));
    const [etcd, ours] = replies.map((reply) => comparableReplyOf(call, reply)) as [Reply, Reply];
    said.push(showCall(call), `  etcd: ${show(etcd)}`, `  ours: ${show(ours)}`);
    const known = callMasks.find(({ hides }) => hides(call, etcd, ours, at));
    if (!isDeepStrictEqual(etcd, ours)) {
      if (known === undefined) throw new Error(said.join("\n"));
      seen.set(`masked: ${known.name}`, (seen.get(`masked: ${known.name}`) ?? 0) + 1);
    }
    note(call, etcd);
    at = nextRevisions(at, call, etcd);
  }
}

const kv = ["Range", "Put", "DeleteRange", "Txn"].map((name) => `/etcdserverpb.KV/${name}`);
const others = [
  ...["LeaseGrant", "LeaseRevoke", "LeaseTimeToLive"].map((name) => `/etcdserverpb.Lease/${name}`),
  ...["Alarm", "HashKV", "Downgrade"].map((name) => `/etcdserverpb.Maintenance/${name}`),
  ...["Campaign", "Proclaim", "Resign", "Leader"].map((name) => `/v3electionpb.Election/${name}`),
  ...["Lock", "Unlock"].map((name) => `/v3lockpb.Lock/${name}`),
];
const expected = [...kv, ...others].flatMap((path) =>
  ["grpc", "gateway"].flatMap((over) => ["answered", "refused"].map((end) => `${path} over ${over}: ${end}`)),
);
/** Refusals that are rarely generated: these methods refuse hardly anything but invalid bytes. */
const rare = new Set(
  ["etcdserverpb.Lease/LeaseTimeToLive", "etcdserverpb.Maintenance/Alarm", "v3lockpb.Lock/Unlock"].map(
    (method) => `/${method} over gateway: refused`,
  ),
);
const expectedMasks = callMasks.map(({ name }) => `masked: ${name}`);

const grpcCall = (path: string, bytes: Uint8Array): Late<Call> => lateOf({ path, bytes, over: "grpc" });
const putOf = (key: string, value: string): Late<Call> =>
  grpcCall(
    "/etcdserverpb.KV/Put",
    PutRequest.encode(PutRequest.create({ key: Buffer.from(key), value: Buffer.from(value) })).finish(),
  );

test("a stream of keys that are sorted by their values differs from etcd only in the documented way", async () => {
  // The generated streams may have too few keys for the difference to show.
  const request = RangeRequest.create({ ...everything, sortTarget: 4 });
  const stream = grpcCall("/etcdserverpb.KV/RangeStream", RangeRequest.encode(request).finish());
  await play(lanes.first, [putOf("a", "2"), putOf("b", "1"), stream]);
  assert(seen.has("masked: chunks that are sorted by something else than the key"));
});

test(`generated sequences have the same outcomes on etcd and on minietcd, SEED=${seed} RUNS=${numRuns}`, async () => {
  await lanes.check({ arbitrary: callSequence, play, seed, numRuns });
  const missing = [...expected, ...expectedMasks].filter((outcome) => !seen.has(outcome) && !rare.has(outcome));
  if (numRuns >= runsThatCover) assert.deepEqual(missing, [], "not brought about");
});
