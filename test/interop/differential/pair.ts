// Two servers with the same state: etcd, and the one to compare with it. Every request goes to both.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest } from "../../../proto/index.js";
import { everything, zero } from "./keys.js";
import { type Mask, masks } from "./masks.js";
import { comparableLeaseOf } from "./leases.js";
import type { Answer, Channel, Request } from "./requests.js";
import type { Revisions } from "./revisions.js";
import { showAnswer } from "./show.js";

export interface Exchange {
  readonly request: Request;
  readonly etcd: Answer;
  readonly ours: Answer;
  /** The difference of the answers; "unknown": it has no explanation. */
  readonly difference: Mask | "none" | "unknown";
}

/** Returns the comparable part of an answer. */
function comparableOf(request: Request, answer: Answer): Answer {
  return answer.kind === "ok" ? { kind: "ok", message: comparableLeaseOf(request, answer.message) } : answer;
}

const headerRevision = (answer: Answer): bigint => {
  assert(answer.kind === "ok", `A step between sequences failed: ${showAnswer(answer)}`);
  return (answer.message["header"] as { revision: bigint }).revision;
};

export class Pair {
  private revisions: Revisions = { now: 1n, compacted: 0n };

  constructor(
    private readonly etcd: Channel,
    private readonly ours: Channel,
  ) {}

  /** The revisions of both stores. */
  get at(): Revisions {
    return this.revisions;
  }

  async ask(request: Request): Promise<Exchange> {
    const { at } = this;
    const [etcd, ours] = (await this.askBoth(request)).map((answer) => comparableOf(request, answer)) as [
      Answer,
      Answer,
    ];
    this.note(request, etcd);
    const difference = isDeepStrictEqual(etcd, ours)
      ? "none"
      : (masks.find(({ hides }) => hides(request, etcd, ours, at)) ?? "unknown");
    return { request, etcd, ours, difference };
  }

  /**
   * Empties both stores, and compacts their history at the same revision: even after a difference, the next sequence begins with the same
   * state.
   * | @param physical whether to wait for the end of the compaction, which takes etcd a fifth of a second
   */
  async startAfresh(physical = true): Promise<void> {
    await Promise.all([revokeAll(this.etcd), revokeAll(this.ours)]);
    const read = RangeRequest.create({ key: zero });
    const [etcd, ours] = await this.revisionsAfter({ method: "range", message: read });
    const target = (etcd > ours ? etcd : ours) + 1n;
    await Promise.all([advance(this.etcd, target - etcd), advance(this.ours, target - ours)]);
    // The deletion finds a key, so it takes the revision after `target`.
    const deletion = DeleteRangeRequest.create(everything);
    const [now, ourNow] = await this.revisionsAfter({ method: "deleteRange", message: deletion });
    assert.deepEqual([now, ourNow], [target + 1n, target + 1n]);
    const compaction = CompactionRequest.create({ revision: now, physical });
    await this.revisionsAfter({ method: "compact", message: compaction });
    this.revisions = { now, compacted: now };
  }

  /** The connections to both. */
  get channels(): readonly [etcd: Channel, ours: Channel] {
    return [this.etcd, this.ours];
  }

  private askBoth(request: Request): Promise<[Answer, Answer]> {
    return Promise.all([this.etcd.send(request), this.ours.send(request)]);
  }

  /**
   * Sends a request.
   * @returns the revisions of both stores
   * @throws AssertionError if one of them refuses
   */
  private async revisionsAfter(request: Request): Promise<[bigint, bigint]> {
    const [etcd, ours] = await this.askBoth(request);
    return [headerRevision(etcd), headerRevision(ours)];
  }

  private note(request: Request, answer: Answer): void {
    if (answer.kind === "error") return;
    const { now, compacted } = this.revisions;
    // A keep-alive stream has no header, and changes nothing.
    const next = request.method === "leaseKeepAlive" ? now : headerRevision(answer);
    this.revisions = {
      now: next > now ? next : now,
      compacted: request.method === "compact" ? request.message.revision : compacted,
    };
  }
}

async function advance(channel: Channel, steps: bigint): Promise<void> {
  const put: Request = { method: "put", message: PutRequest.create({ key: zero }) };
  for (let step = 0n; step < steps; step++) headerRevision(await channel.send(put));
}

/** The gRPC code NOT_FOUND. */
const notFound = 5;

async function revokeAll(channel: Channel): Promise<void> {
  const answer = await channel.send({ method: "leaseLeases", message: {} });
  assert(answer.kind === "ok", `Leases cannot be listed: ${showAnswer(answer)}`);
  for (const { ID } of answer.message["leases"] as readonly { ID: bigint }[]) {
    const answer = await channel.send({ method: "leaseRevoke", message: { ID } });
    // A short lease may have expired since it was listed.
    if (answer.kind === "ok" || answer.code !== notFound) headerRevision(answer);
  }
}
