// Compares minietcd's answers with those of etcd 3.7: every field, and the code and text of every error.
// SEED=… plays other sequences, RUNS=… another number of them. A failure is repeated with the same SEED and RUNS.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { expectedOutcomes, outcomes } from "./coverage.js";
import { Lanes } from "./lanes.js";
import { limits } from "./limits.js";
import type { Exchange, Pair } from "./pair.js";
import type { Request } from "./requests.js";
import type { Late } from "./revisions.js";
import { firstOfAll, sequence } from "./sequences.js";
import { showExchange } from "./show.js";

const seed = Number(process.env["SEED"] ?? 1);
const numRuns = Number(process.env["RUNS"] ?? 1_500);

/** The number of sequences that have all expected outcomes; fewer may lack some. */
const runsThatCover = 1_000;

let lanes: Lanes;
const seen = new Map<string, number>();

before(async () => {
  lanes = await Lanes.start(2, [`--max-txn-ops=${limits.maxTxnOps}`, `--max-request-bytes=${limits.maxRequestBytes}`]);
});

after(() => lanes[Symbol.asyncDispose]());

function note({ request, etcd, difference }: Exchange): void {
  const known = typeof difference === "string" ? [] : [`masked: ${difference.name}`];
  for (const outcome of [...outcomes(request, etcd), ...known]) seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
}

const missingOutcomes = () => expectedOutcomes.filter((outcome) => !seen.has(outcome));

/**
 * Plays a sequence on both servers.
 * @throws Error with all exchanges, if an answer differs in an unknown way
 */
async function play(pair: Pair, steps: readonly Late<Request>[]): Promise<void> {
  const { now } = pair.at;
  const said: Exchange[] = [];
  for (const step of steps) {
    const exchange = await pair.ask(step(pair.at));
    said.push(exchange);
    if (exchange.difference === "unknown")
      throw new Error([`both empty at revision ${now}`, ...said.map(showExchange)].join("\n"));
    note(exchange);
  }
}

test("calls on a store that was never compacted have the same outcomes on etcd and on minietcd", () =>
  play(lanes.first, firstOfAll));

test(`generated sequences have the same outcomes on etcd and on minietcd, SEED=${seed} RUNS=${numRuns}`, async () => {
  await lanes.check({
    arbitrary: sequence,
    seed,
    numRuns,
    play: async (pair, steps) => {
      await pair.startAfresh();
      await play(pair, steps);
    },
  });
  if (numRuns >= runsThatCover) assert.deepEqual(missingOutcomes(), [], "not brought about");
});
