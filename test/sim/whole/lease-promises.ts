// Promises of leases about their expiry.

import { toLeaseId } from "../../../testing/index.js";
import assert from "node:assert/strict";
import { leaseSweepMs } from "../../../server/lease/lease-keeper.js";
import { expiryRetryMs } from "../../../server/lease/lease-term.js";
import { onCarriedOut } from "./carried-out.js";
import type { Effect } from "./history.js";
import type { Leases, PromisedLease } from "./lease-client.js";
import type { World } from "./world.js";

/** Slack for differences of clocks, and for the time from a leader's decision until a member has applied it. */
const slackMs = 1_000;

export class LeasePromises {
  /** The time, by term, at which the leader learned that it leads. */
  private readonly ledSince = new Map<number, number>();

  constructor(
    private readonly world: World,
    private readonly leases: Leases,
  ) {
    world.history.onEffect((effect) => this.onEffect(effect));
    onCarriedOut(world.history, ({ entry, proposal: { command } }) => {
      if (command?.$case === "leaseCheckpoint" && command.value.term === BigInt(entry.term)) world.counts.checkpoints++;
    });
  }

  /** Notes that a member begins to lead. */
  onLeader(term: number): void {
    if (!this.ledSince.has(term)) this.ledSince.set(term, this.world.scheduler.now);
  }

  private onEffect({ write, refusal, term, at }: Effect): void {
    if (write.kind !== "revokeLease" || refusal !== undefined) return;
    const lease = this.leases.get(write.id);
    if (lease === undefined || lease.isRevoked) return;
    this.world.counts.expiries++;
    this.checkExpiry(lease, term, at);
  }

  /**
   * Checks that a lease does not expire before the time promised to its client. A new leader does not know of keep-alives, so without
   * checkpoints it gives each lease its full TTL again.
   */
  private checkExpiry({ id, ttlMs, grantedAt, livesUntil }: PromisedLease, term: number, at: number): void {
    assert.ok(
      at >= livesUntil,
      `lease ${id} expired ${(livesUntil - at).toFixed(1)} ms before the time that was promised`,
    );
    const leads = this.ledSince.get(term);
    assert.ok(leads !== undefined, `lease ${id} expired in term ${term}, in which nobody led`);
    if (this.world.leaseCheckpointMs !== undefined) return;
    const full = Math.max(leads, grantedAt) + ttlMs / this.world.clockRates.fastest;
    assert.ok(
      at >= full,
      `lease ${id} expired ${(full - at).toFixed(1)} ms early: the leader of term ${term} did not give it its full time`,
    );
  }

  /** Returns the time after the end of all faults within which a lease without keep-alives must have expired. */
  longestLifeMs(): number {
    const longest = Math.max(0, ...[...this.leases.values()].map(({ ttlMs }) => ttlMs));
    const { clockRates, electionMs } = this.world;
    return (longest + electionMs + expiryRetryMs + leaseSweepMs) / clockRates.slowest + slackMs;
  }

  /** Checks that leases with keep-alives exist and all others have expired, on every member. */
  checkAtTheEnd(): void {
    for (const { name, running } of this.world.hosts) {
      const left = new Set([...(running?.replica.store.leases() ?? [])].map(({ id }) => id));
      for (const { id, isKept, isRevoked, livesUntil } of this.leases.values()) {
        const mustLive = !isRevoked && livesUntil > this.world.scheduler.now;
        if (mustLive) assert.ok(left.has(toLeaseId(id)), `lease ${id} is kept alive, and gone at ${name}`);
        else if (!isKept) assert.ok(!left.has(toLeaseId(id)), `lease ${id} has not expired at ${name}`);
      }
    }
  }
}
