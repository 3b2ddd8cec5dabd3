// The leader's decision that a lease has expired: in virtual time, with a log that accepts proposals or refuses them.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CoreStatus, Term } from "../../../raft/index.js";
import { type Lease, runAtOnce } from "../../../store/index.js";
import { ServerError } from "../../../server/base/errors.js";
import { LeaseKeeper } from "../../../server/lease/lease-keeper.js";
import type { ResultHandler } from "../../../server/base/result-handler.js";
import type { Command } from "../../../server/replication/command.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { toLeaseId } from "../../../testing/ids.js";

const electionMs = 1_000;

interface Proposed {
  readonly at: number;
  readonly term: bigint;
  readonly ids: readonly bigint[];
  readonly handler: ResultHandler<unknown>;
}

/** A member's leases, and the log that they know. */
class Fixture {
  readonly clock = new VirtualClock();
  readonly leases = new Map<bigint, Lease>();
  readonly proposed: Proposed[] = [];
  /** Whether proposals are applied immediately. */
  commits = true;
  refusal: ServerError | undefined = undefined;
  keysOfEach = 1;
  readonly keeper = new LeaseKeeper(
    { clock: this.clock, electionMs },
    { lease: (id) => this.leases.get(id), leases: () => this.leases.values(), leaseKeyCount: () => this.keysOfEach },
    { proposeOwn: (command: Command, handler: ResultHandler<unknown>) => this.propose(command, handler) },
  );

  /** Changes the member's term and role. */
  lead(term: number, role: CoreStatus["role"] = "leader"): void {
    this.keeper.onStatusChange({ role, term: term as Term });
    this.keeper.onTermApplied(term as Term);
  }

  grant(id: number, ttlSeconds: number): void {
    const lease = { id: toLeaseId(BigInt(id)), ttlSeconds, generation: id };
    this.leases.set(lease.id, lease);
    this.keeper.onGranted(lease);
  }

  revoke(id: bigint): void {
    this.leases.delete(id);
    this.keeper.onRevoked(toLeaseId(id));
  }

  /** Renews a lease. Returns the answer of the keep-alive; "waits": none yet. */
  renew(id: number): { answer: number | undefined | "waits" } {
    const renewal: { answer: number | undefined | "waits" } = { answer: "waits" };
    this.keeper.renewLease(toLeaseId(BigInt(id)), (seconds) => (renewal.answer = seconds));
    return renewal;
  }

  get ended(): bigint[] {
    return this.proposed.flatMap(({ ids }) => ids);
  }

  private propose(command: Command, handler: ResultHandler<unknown>): void {
    assert.ok(command.$case === "leaseExpiry");
    for (const { id, generation } of command.value.leases) assert.equal(generation, id); // the same generation as in the grant
    const ids = command.value.leases.map(({ id }) => id);
    this.proposed.push({ at: this.clock.now(), term: command.value.term, ids, handler });
    if (this.refusal !== undefined) throw this.refusal;
    if (!this.commits) return;
    for (const id of ids) this.revoke(id);
    handler.onResult(undefined);
  }
}

test("a lease expires after its time, never before, and is proposed once", () => {
  const fixture = new Fixture();
  fixture.lead(2);
  fixture.grant(7, 5);
  fixture.commits = false;
  fixture.clock.advance(4_999);
  assert.deepEqual(fixture.ended, []);
  fixture.clock.advance(60);
  assert.deepEqual(
    fixture.proposed.map(({ term, ids }) => ({ term, ids })),
    [{ term: 2n, ids: [7n] }],
  );
  fixture.clock.advance(60_000);
  assert.equal(fixture.proposed.length, 1);
});

test("a renewed lease does not expire, also if renewed at the last moment", () => {
  const fixture = new Fixture();
  fixture.lead(2);
  fixture.grant(7, 5);
  for (let n = 0; n < 10; n++) {
    fixture.clock.advance(4_999);
    assert.equal(fixture.renew(7).answer, 5);
  }
  fixture.clock.advance(4_999);
  assert.deepEqual(fixture.ended, []);
  fixture.clock.advance(60);
  assert.deepEqual(fixture.ended, [7n]);
});

test("a late keep-alive is answered after the revocation; one for an unknown lease at once", () => {
  const fixture = new Fixture();
  fixture.lead(2);
  fixture.commits = false;
  fixture.grant(7, 5);
  fixture.clock.advance(4_980);
  fixture.clock.freeze(30); // expired, but the keeper has not checked yet
  const late = fixture.renew(7);
  assert.equal(late.answer, "waits");
  assert.deepEqual(fixture.keeper.findLease(toLeaseId(7n)), { grantedSeconds: 5, remainingSeconds: 0 });
  fixture.clock.advance(100);
  assert.deepEqual(fixture.ended, [7n]);
  const later = fixture.renew(7);
  fixture.revoke(7n);
  assert.deepEqual([late.answer, later.answer, fixture.renew(8).answer], [0, 0, 0]);
});

test("a member that does not lead expires nothing, and waiting keep-alives are sent elsewhere", () => {
  const fixture = new Fixture();
  fixture.grant(7, 5);
  assert.equal(fixture.renew(7).answer, undefined);
  fixture.lead(2);
  fixture.commits = false;
  fixture.clock.advance(6_100);
  assert.deepEqual(fixture.ended, [7n]);
  const waiting = fixture.renew(7);
  fixture.lead(3, "follower");
  assert.deepEqual(
    [waiting.answer, fixture.renew(7).answer, fixture.keeper.findLease(toLeaseId(7n))],
    [undefined, undefined, undefined],
  );
  fixture.clock.advance(60_000);
  assert.equal(fixture.proposed.length, 1);
});

test("a new term restarts every lease with its TTL plus an election timeout", () => {
  const fixture = new Fixture();
  fixture.lead(2);
  fixture.grant(7, 5);
  fixture.clock.advance(4_500);
  fixture.lead(4); // led by the same member
  fixture.clock.advance(5_999);
  assert.deepEqual(fixture.ended, []);
  fixture.clock.advance(60);
  assert.deepEqual(
    fixture.proposed.map(({ term, ids }) => ({ term, ids })),
    [{ term: 4n, ids: [7n] }],
  );
});

test("a lost expiry is proposed again after 3 s, by the same leader only", () => {
  const fixture = new Fixture();
  fixture.lead(2);
  fixture.grant(7, 5);
  fixture.refusal = new ServerError("no-space", "no space left for the log");
  fixture.clock.advance(5_050);
  assert.equal(fixture.proposed.length, 1);
  assert.equal(fixture.renew(7).answer, "waits"); // an expired lease cannot be renewed
  fixture.clock.advance(2_900);
  assert.equal(fixture.proposed.length, 1);
  fixture.refusal = undefined;
  fixture.commits = false;
  fixture.clock.advance(200);
  assert.equal(fixture.proposed.length, 2);
  fixture.proposed[1]?.handler.onError(new ServerError("timed-out", "not committed in time"));
  fixture.lead(3, "follower");
  fixture.proposed[1]?.handler.onError(new ServerError("timed-out", "late"));
  fixture.clock.advance(60_000);
  assert.equal(fixture.proposed.length, 2);
});

test("10 000 leases that expire at once are proposed 50 per entry and 1000 per second", () => {
  const fixture = new Fixture();
  fixture.lead(2);
  for (let id = 1; id <= 10_000; id++) fixture.grant(id, 5);
  fixture.clock.advance(5_000 + 10_000 + 100);
  assert.equal(new Set(fixture.ended).size, 10_000);
  assert.equal(fixture.ended.length, 10_000);
  assert.ok(fixture.proposed.every(({ ids }) => ids.length <= 50));
  for (let second = 5_000; second < 15_000; second += 1_000) {
    const within = fixture.proposed.filter(({ at }) => at >= second && at < second + 1_000);
    assert.ok(within.flatMap(({ ids }) => ids).length <= 1_000);
  }
});

test("uncommitted expiry entries are bounded", () => {
  const fixture = new Fixture();
  fixture.lead(2);
  fixture.commits = false;
  for (let id = 1; id <= 10_000; id++) fixture.grant(id, 5);
  fixture.clock.advance(20_000);
  assert.equal(fixture.proposed.length, 20);
  fixture.commits = true;
  for (const id of fixture.proposed[0]?.ids ?? []) fixture.revoke(id);
  fixture.proposed[0]?.handler.onResult(undefined);
  fixture.clock.advance(50);
  assert.equal(fixture.proposed.length, 21);
});

test("an expiry entry has few leases if they have many keys", () => {
  const fixture = new Fixture();
  fixture.keysOfEach = 200;
  fixture.lead(2);
  for (let id = 1; id <= 7; id++) fixture.grant(id, 5);
  fixture.clock.advance(5_500);
  assert.deepEqual(
    fixture.proposed.map(({ ids }) => ids.length),
    [3, 3, 1],
  );
});

test("time in which the member was frozen does not count", () => {
  const fixture = new Fixture();
  fixture.lead(2);
  fixture.grant(7, 5);
  fixture.clock.advance(1_000);
  fixture.clock.freeze(60_000);
  assert.equal(fixture.keeper.findLease(toLeaseId(7n))?.remainingSeconds, 3); // half a second of the frozen time counts
  assert.equal(fixture.renew(7).answer, 5);
  fixture.clock.advance(4_900);
  assert.deepEqual(fixture.ended, []);
  fixture.clock.advance(200);
  assert.deepEqual(fixture.ended, [7n]);
});

const idsOf = ({ keeper }: Fixture): bigint[] => runAtOnce(keeper.listLeases(() => false)).map(({ id }) => id);

test("leases are listed in the order of expiry", () => {
  const fixture = new Fixture();
  fixture.grant(1, 30);
  fixture.lead(2);
  fixture.grant(2, 10);
  fixture.grant(3, 15);
  assert.deepEqual(idsOf(fixture), [2n, 3n, 1n]);
  fixture.clock.advance(9_000);
  assert.equal(fixture.renew(2).answer, 10);
  assert.deepEqual(idsOf(fixture), [3n, 2n, 1n]);
  assert.deepEqual(fixture.keeper.findLease(toLeaseId(2n)), { grantedSeconds: 10, remainingSeconds: 10 });
  fixture.clock.advance(1);
  assert.deepEqual(fixture.keeper.findLease(toLeaseId(2n)), { grantedSeconds: 10, remainingSeconds: 9 });
});

test("stop leaves no timer and no waiting keep-alive", () => {
  const fixture = new Fixture();
  fixture.lead(2);
  fixture.commits = false;
  fixture.grant(7, 5);
  fixture.clock.advance(5_100);
  const waiting = fixture.renew(7);
  fixture.keeper.stop();
  assert.deepEqual([waiting.answer, fixture.clock.pendingTimers], [undefined, 0]);
});
