// Writes that a client asked for, held against what became of them.

import assert from "node:assert/strict";
import type { ResponseHeader } from "../../../proto/index.js";
import { statusCode, type GrpcStatus } from "../../../server/rpc/status.js";
import { printableOf } from "./history.js";
import type { Outcome } from "../../../testing/index.js";
import { assertSame } from "./same.js";
import { noteRevision, type World } from "./world.js";

/** After these it is certain that nothing was done, and nothing will be. */
const certainFailures = new Set([
  "context deadline exceeded",
  "etcdserver: too many requests",
  "etcdserver: mvcc: database space exceeded",
  "etcdserver: no leader",
]);

/** Codes of requests that were refused. */
const refusals: readonly number[] = [
  ...[statusCode.invalidArgument, statusCode.notFound, statusCode.failedPrecondition],
  ...[statusCode.permissionDenied, statusCode.unauthenticated],
];

interface Answered {
  readonly header: ResponseHeader | undefined;
}

export class Writes {
  /** By the write's identity, which no other has. */
  private readonly known = new Map<string, "done" | "unknown" | "not-done">();

  constructor(
    private readonly client: string,
    private readonly world: World,
  ) {}

  /** Has the write done by `call`, and checks the answer. */
  async ask<Response extends Answered>(
    identity: string,
    call: () => Promise<Outcome<Response>>,
  ): Promise<Outcome<Response>> {
    const { world } = this;
    const { floor } = world;
    world.counts.writes++;
    const outcome = await call();
    if (outcome.kind === "ok") {
      this.known.set(identity, "done");
      this.checkAnswer(identity, outcome.response, floor);
    } else {
      const isCertain = outcome.kind === "refused" || (outcome.kind === "error" && isCertainFailure(outcome.status));
      this.known.set(identity, isCertain ? "not-done" : "unknown");
      if (!isCertain) world.counts.unknown++;
    }
    return outcome;
  }

  /** Every write was done once at most; those that were acknowledged once, those that were refused never. */
  checkAtTheEnd(): void {
    for (const [identity, outcome] of this.known) {
      const changes = this.world.history.effectsOf(identity).filter(({ refusal }) => refusal === undefined);
      const what = `${this.client}: ${printableOf(identity)}`;
      assert.ok(changes.length <= 1, `done ${changes.length} times: ${what}`);
      if (outcome === "done") assert.equal(changes.length, 1, `acknowledged, and not done: ${what}`);
      if (outcome === "not-done") assert.equal(changes.length, 0, `refused for certain, and done: ${what}`);
    }
  }

  /** The answer is that of the one time it was done, after everything that was known when it was asked for. */
  private checkAnswer(identity: string, { header, ...response }: Answered, floor: number): void {
    const effects = this.world.history.effectsOf(identity);
    const what = `${this.client}: ${printableOf(identity)}`;
    const [effect] = effects;
    assert.ok(effect !== undefined && effects.length === 1, `acknowledged, and done ${effects.length} times: ${what}`);
    const revision = Number(header?.revision);
    assert.equal(revision, effect.revision, `the revision in the answer: ${what}`);
    if (effect.response !== undefined)
      assertSame({ ...response, header: undefined }, { ...(effect.response as object), header: undefined }, what);
    const least = effect.isChange ? floor + 1 : floor;
    assert.ok(revision >= least, `not linearizable: done at ${revision}, though ${floor} was known before: ${what}`);
    noteRevision(this.world, revision);
  }
}

/** Whether a request that ended so changed nothing, and never will. */
export const isCertainFailure = ({ code, details }: GrpcStatus): boolean =>
  certainFailures.has(details) || refusals.includes(code);
