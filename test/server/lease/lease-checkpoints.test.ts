// Leases keep their remaining time across changes of leader, over the same replicated leases, in virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Term } from "../../../raft/index.js";
import type { Lease } from "../../../store/index.js";
import { ServerError } from "../../../server/base/errors.js";
import type { ResultHandler } from "../../../server/base/result-handler.js";
import { LeaseKeeper } from "../../../server/lease/index.js";
import type { Command, CommandValues } from "../../../server/replication/command.js";
import { startTestCluster } from "../../../testing/kit/index.js";
import { toLeaseId } from "../../../testing/ids.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

const electionMs = 1_000;
const checkpointMs = 5 * 60_000;
const id = toLeaseId(7n);

/** The replicated leases, and the leading member. */
class Fixture {
  readonly clock = new VirtualClock();
  readonly leases = new Map<bigint, Lease>();
  readonly checkpoints: CommandValues["leaseCheckpoint"][] = [];
  endedAt: number | undefined;
  /** Handlers of proposals that are not committed yet; undefined: proposals are committed immediately. */
  held: ResultHandler<unknown>[] | undefined;
  keeper: LeaseKeeper;
  private term = 1;

  constructor(private readonly interval: number | undefined) {
    this.keeper = this.newKeeper();
    this.change();
  }

  /** Makes another member the leader. */
  change(): void {
    this.replace();
    this.win();
    this.applyTerm();
  }

  /** Adds another member, which does not lead. */
  replace(): void {
    this.keeper.stop();
    this.keeper = this.newKeeper();
  }

  /** Makes the keeper's member the leader, in a term of which no entry has been applied. */
  win(): void {
    this.keeper.onStatusChange({ role: "leader", term: ++this.term as Term });
  }

  applyTerm(): void {
    this.keeper.onTermApplied(this.term as Term);
  }

  grant(ttlSeconds: number): void {
    const lease = { id, ttlSeconds, generation: 1 };
    this.leases.set(id, lease);
    this.keeper.onGranted(lease);
  }

  renew(): { answer: number | undefined | "waits" } {
    const renewal: { answer: number | undefined | "waits" } = { answer: "waits" };
    this.keeper.renewLease(id, (seconds) => (renewal.answer = seconds));
    this.clock.runSoon();
    return renewal;
  }

  private newKeeper(): LeaseKeeper {
    const store = {
      lease: (lease: bigint) => this.leases.get(lease),
      leases: () => this.leases.values(),
      leaseKeyCount: () => 1,
    };
    const proposals = {
      proposeOwn: (command: Command, handler: ResultHandler<unknown>): void => {
        if (command.$case === "leaseCheckpoint") this.checkpoint(command.value);
        else this.end();
        if (this.held === undefined) handler.onResult(undefined);
        else this.held.push(handler);
      },
    };
    return new LeaseKeeper({ clock: this.clock, electionMs, checkpointMs: this.interval }, store, proposals);
  }

  private checkpoint(value: CommandValues["leaseCheckpoint"]): void {
    this.checkpoints.push(value);
    for (const { id: lease, seconds } of value.leases) {
      const known = this.leases.get(lease);
      if (known !== undefined)
        this.leases.set(lease, { ...known, remainingSeconds: seconds === 0n ? undefined : Number(seconds) });
    }
  }

  private end(): void {
    this.endedAt = this.clock.now();
    this.leases.clear();
    this.keeper.onRevoked(id);
  }
}

const minutes = (count: number): number => count * 60_000;

/** Grants a lease of an hour, changes the leader after 22 and 44 minutes. Returns the time at which the lease expires. */
const endOver = (fixture: Fixture): number => {
  const begun = fixture.clock.now();
  fixture.grant(3_600);
  for (let change = 0; change < 2; change++) {
    fixture.clock.advance(minutes(22));
    fixture.change();
  }
  fixture.clock.advance(minutes(120));
  assert.ok(fixture.endedAt !== undefined);
  return fixture.endedAt - begun;
};

test("two changes of leader extend a lease only by the time since the last checkpoint before each", () => {
  const livedMs = endOver(new Fixture(checkpointMs));
  assert.ok(livedMs >= minutes(60) && livedMs < minutes(65), `${livedMs / 60_000} min`);
});

test("a new leader counts a renewal in an entry that it has not applied yet", () => {
  const fixture = new Fixture(checkpointMs);
  fixture.leases.set(id, { id, ttlSeconds: 1_500, generation: 1, remainingSeconds: 1_198 });
  fixture.replace();
  fixture.win();
  assert.equal(fixture.keeper.isLeader, false);
  fixture.leases.set(id, { id, ttlSeconds: 1_500, generation: 1, remainingSeconds: undefined }); // the state that the log contains
  fixture.applyTerm();
  assert.equal(fixture.keeper.findLease(id)?.remainingSeconds, 1_501);
});

test("without checkpoints each change of leader gives a lease its full time", () => {
  const fixture = new Fixture(undefined);
  const livedMs = endOver(fixture);
  assert.ok(livedMs >= minutes(104), `${livedMs / 60_000} min`);
  assert.equal(fixture.checkpoints.length, 0);
});

test("a checkpoint before a new leader's extension has passed states the TTL as the remaining time", () => {
  const fixture = new Fixture(electionMs / 2);
  fixture.grant(60);
  fixture.change();
  fixture.clock.advance(electionMs / 2 + 100);
  assert.deepEqual(
    fixture.checkpoints.map(({ leases }) => leases),
    [[{ id, generation: 1n, seconds: 60n }]],
  );
});

test("a lease of five minutes or less has no checkpoints, nor has one that is renewed often enough", () => {
  const fixture = new Fixture(checkpointMs);
  fixture.grant(300);
  fixture.clock.advance(299_000);
  assert.equal(fixture.renew().answer, 300);
  fixture.clock.advance(200_000);
  assert.equal(fixture.checkpoints.length, 0);
  const other = new Fixture(checkpointMs);
  other.grant(600);
  for (let n = 0; n < 10; n++) {
    other.clock.advance(200_000);
    assert.equal(other.renew().answer, 600);
  }
  assert.equal(other.checkpoints.length, 0);
});

test("a checkpoint that fails is followed by the next one after the interval, not sooner", () => {
  const fixture = new Fixture(checkpointMs);
  fixture.held = [];
  fixture.grant(3_600);
  fixture.clock.advance(minutes(5) + 500);
  fixture.held.pop()!.onError(new ServerError("timed-out", "no quorum"));
  fixture.clock.advance(minutes(5) - 1_000);
  const seconds = () => fixture.checkpoints.map(({ leases }) => leases[0]?.seconds);
  assert.deepEqual(seconds(), [3_300n]);
  fixture.clock.advance(1_000);
  assert.deepEqual(seconds(), [3_300n, 3_000n]);
});

test("a renewal after a checkpoint is answered once all members give the lease its full time again", () => {
  const fixture = new Fixture(checkpointMs);
  fixture.grant(3_600);
  fixture.clock.advance(minutes(5) + 100);
  assert.deepEqual(fixture.checkpoints.at(-1)?.leases, [{ id, generation: 1n, seconds: 3_300n }]);
  fixture.held = [];
  const renewal = fixture.renew();
  assert.deepEqual(fixture.checkpoints.at(-1)?.leases, [{ id, generation: 1n, seconds: 0n }]);
  assert.equal(renewal.answer, "waits");
  fixture.held.pop()!.onResult(undefined);
  assert.equal(renewal.answer, 3_600);
  assert.equal(fixture.renew().answer, 3_600);
  assert.equal(fixture.checkpoints.length, 2, "there is nothing more to take back");
});

test("a renewal whose checkpoint cannot be withdrawn is not acknowledged", () => {
  const fixture = new Fixture(checkpointMs);
  fixture.grant(3_600);
  fixture.clock.advance(minutes(6));
  fixture.held = [];
  const renewal = fixture.renew();
  fixture.held.pop()!.onError(new ServerError("timed-out", "no quorum"));
  assert.equal(renewal.answer, undefined);
  assert.equal(fixture.renew().answer, "waits", "the next one tries again");
});

test("a renewal during the replication of a checkpoint withdraws it", () => {
  const fixture = new Fixture(checkpointMs);
  fixture.held = [];
  fixture.grant(3_600);
  fixture.clock.advance(minutes(5) + 100);
  fixture.leases.set(id, { id, ttlSeconds: 3_600, generation: 1 }); // not applied yet
  assert.equal(fixture.renew().answer, "waits");
  assert.deepEqual(fixture.checkpoints.at(-1)?.leases, [{ id, generation: 1n, seconds: 0n }]);
});

test("a lease of a cluster whose leader is killed twice ends on time, and its keys with it", async () => {
  await using cluster = await startTestCluster({
    clock: "virtual",
    listen: false,
    flags: { heartbeatInterval: "1000", electionTimeout: "5000" },
  });
  const client = cluster.client();
  const { id: lease } = await client.lease.grant({ ttlSeconds: 660 });
  await client.kv.put("k", "v", { lease });
  for (const upTo of ["330s", "312s"] as const) {
    await cluster.clock.advance(upTo);
    const leader = cluster.members.find(({ isLeader }) => isLeader);
    assert.ok(leader);
    await leader.kill();
    await cluster.clock.advance("15s");
    await leader.restart();
  }
  assert.equal(await client.kv.getText("k"), "v");
  await cluster.clock.advance("180s"); // 642 s would remain from the last change on without checkpoints
  assert.equal(await client.kv.getText("k"), undefined);
});
