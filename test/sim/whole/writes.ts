// Writes of clients, compared with their effects in the history.

import assert from "node:assert/strict";
import type { ResponseHeader } from "../../../proto/index.js";
import { statusCode, type GrpcStatus } from "../../../server/rpc/status.js";
import { printableOf } from "./history.js";
import type { CallOutcome } from "../../../testing/index.js";
import { assertSame } from "./same.js";
import { noteRevision, type World } from "./world.js";

/** Errors after which it is certain that the write has no effect, now or later. */
const certainFailures = new Set([
  "context deadline exceeded",
  "etcdserver: too many requests",
  "etcdserver: mvcc: database space exceeded",
  "etcdserver: no leader",
]);

/** Codes of refused requests. */
const refusals: readonly number[] = [
  ...[statusCode.invalidArgument, statusCode.notFound, statusCode.failedPrecondition],
  ...[statusCode.permissionDenied, statusCode.unauthenticated],
];

interface Answered {
  readonly header: ResponseHeader | undefined;
}

export class Writes {
  /** Outcomes by the write's identity, which is unique. */
  private readonly known = new Map<string, "done" | "unknown" | "not-done">();

  constructor(
    private readonly client: string,
    private readonly world: World,
  ) {}

  /** Sends the write with `call`, and checks the answer. */
  async ask<Response extends Answered>(
    identity: string,
    call: () => Promise<CallOutcome<Response>>,
  ): Promise<CallOutcome<Response>> {
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

  /** Checks that every write was applied at most once: acknowledged ones once, refused ones never. */
  checkAtTheEnd(): void {
    for (const [identity, outcome] of this.known) {
      const changes = this.world.history.effectsOf(identity).filter(({ refusal }) => refusal === undefined);
      const what = `${this.client}: ${printableOf(identity)}`;
      assert.ok(changes.length <= 1, `done ${changes.length} times: ${what}`);
      if (outcome === "done") assert.equal(changes.length, 1, `acknowledged, and not done: ${what}`);
      if (outcome === "not-done") assert.equal(changes.length, 0, `refused for certain, and done: ${what}`);
    }
  }

  /** Checks that the answer is that of the write's one effect, at a revision after all that were known when it was sent. */
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

/** Tells whether a request with this error has no effect, now or later. */
export const isCertainFailure = ({ code, details }: GrpcStatus): boolean =>
  certainFailures.has(details) || refusals.includes(code);
