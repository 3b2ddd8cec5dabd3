// Compares minietcd with etcd 3.7 as several users, who change users, roles and permissions, log in, and read and write, over gRPC and
// the gateway.
// SEED=… plays other sequences, RUNS=… another number of them: 2000 take two cores a minute or two. A failure is repeated with the same
// SEED and RUNS.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { limits } from "../differential/limits.js";
import { Channel } from "../differential/requests.js";
import { type Exchange, play } from "./players.js";
import { type AuthRound, authRound, sequencesPerRound } from "./sequence-steps.js";
import { type Both, Servers } from "./servers.js";

const seed = Number(process.env["SEED"] ?? 1);
const numRuns = Number(process.env["RUNS"] ?? 2_000);

/** Number of concurrent lanes, each with its own servers: etcd mostly waits for its disk. */
const lanes = 3;

interface Lane {
  readonly servers: Servers;
  readonly channels: Both<Channel>;
}

let all: Lane[] = [];

before(async () => {
  all = await Promise.all(
    Array.from({ length: lanes }, async () => {
      const servers = await Servers.start(`--max-txn-ops=${limits.maxTxnOps}`);
      const [etcd, ours] = servers.members;
      return { servers, channels: [new Channel(etcd.endpoint), new Channel(ours.endpoint)] as const };
    }),
  );
});

after(() =>
  Promise.all(
    all.map(({ servers, channels }) => {
      for (const channel of channels) channel.close();
      return servers[Symbol.asyncDispose]();
    }),
  ),
);

/** Outcomes by method and code, to show what the sequences cover. */
const seen = new Map<string, number>();

function note({ step, etcd, difference }: Exchange): void {
  const asked = step.kind === "auth" ? step.call.method : step.kind;
  const what = etcd.http === undefined ? asked : `gateway: ${asked} ${etcd.http.status}`;
  const mask = typeof difference === "string" ? [] : [`masked: ${difference.name}`];
  for (const outcome of [`${what} ${etcd.code} ${etcd.details}`, ...mask])
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
}

/** Plays a lane's part of the rounds. Returns the number of sequences. */
async function check({ servers, channels }: Lane, lane: number): Promise<number> {
  let sequences = 0;
  const property = fc.asyncProperty(authRound, async (round: AuthRound) => {
    await play(servers, channels, round, note);
    sequences += round.sequences.length;
  });
  const rounds = Math.ceil(numRuns / sequencesPerRound / lanes);
  const options = { seed: seed * lanes + lane, numRuns: rounds, unbiased: true };
  const result = await fc.check(property, options);
  if (!result.failed) return sequences;
  const reason = result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance);
  assert.fail(`Round ${result.numRuns} of lane ${lane}, made ${result.numShrinks} times shorter:\n${reason}`);
}

test(`generated sequences of auth calls have the same outcomes on etcd and on minietcd, SEED=${seed} RUNS=${numRuns}`, async (t) => {
  const counts = await Promise.all(all.map(check));
  t.diagnostic(`${counts.reduce((sum, count) => sum + count, 0)} sequences`);
  t.diagnostic(
    [...seen]
      .sort()
      .map(([outcome, count]) => `${outcome}: ${count}`)
      .join("\n"),
  );
});
