// A lease over many changes of leader: with checkpoints it keeps its remaining time, and so expires.

import assert from "node:assert/strict";
import { LeaseGrantRequest, LeaseGrantResponse, MoveLeaderRequest, MoveLeaderResponse } from "../../../proto/index.js";
import { leaseSweepMs } from "../../../server/lease/lease-keeper.js";
import { expiryRetryMs } from "../../../server/lease/lease-term.js";
import type { Host, SeededRandom } from "../../../testing/index.js";
import { identityOf } from "./history.js";
import type { World } from "./world.js";

const grant = { path: "/etcdserverpb.Lease/LeaseGrant", request: LeaseGrantRequest, response: LeaseGrantResponse };
const moveLeader = {
  path: "/etcdserverpb.Maintenance/MoveLeader",
  request: MoveLeaderRequest,
  response: MoveLeaderResponse,
};

/** An id that no client uses. */
const id = 999_999n;
/** Time for the elections, and until a checkpoint is in the log. */
const slackMs = 500;
/** Checkpoints are in whole seconds. */
const secondMs = 1_000;

/** Returns the bounds of the time until the lease expires, from those of a change of leader. */
const boundsOf = ({ electionMs, clockRates: { slowest } }: World, checkpointMs: number) => {
  // Each change loses the time since the last checkpoint, which was rounded up; clients also need time to find the new leader.
  const lostMs = (checkpointMs + leaseSweepMs + secondMs + electionMs) / slowest + slackMs;
  const leadershipMs = 2 * lostMs;
  const ttlSeconds = Math.ceil((2 * leadershipMs) / 1_000); // the lease would never expire without checkpoints
  return {
    reignMs: leadershipMs,
    ttlSeconds,
    longestMs: (2 * ttlSeconds * 1_000 + expiryRetryMs) / slowest + leadershipMs,
  };
};

/** Grants a lease, changes the leader until the lease expires, and checks the time of that. There must be no other faults. */
export const checkLastingLease = async (world: World, random: SeededRandom, checkpointMs: number): Promise<void> => {
  const { scheduler, rpc, hosts, history, timeoutMs, clockRates, eventLog } = world;
  const { reignMs, ttlSeconds, longestMs } = boundsOf(world, checkpointMs);
  const grantedAt = scheduler.now;
  const granted = await rpc.call(random.pick(hosts), grant, { ID: id, TTL: BigInt(ttlSeconds) }, timeoutMs);
  assert.equal(granted.kind, "ok", "a lease is granted in quiet");
  const findEnd = (): number | undefined => history.effectsOf(identityOf({ kind: "revokeLease", id }))[0]?.at;
  while (findEnd() === undefined) {
    assert.ok(scheduler.now <= grantedAt + longestMs, `a lease of ${ttlSeconds} s is there after ${longestMs} ms`);
    await scheduler.sleep(reignMs);
    const leader = hosts.find(isLeader);
    const other = random.pick(hosts.filter((host) => host !== leader)).running?.replica.id;
    if (leader === undefined || other === undefined) continue;
    eventLog.addLine(`${leader.name} is asked to have another lead, for a lease of ${ttlSeconds} s`);
    await rpc.call(leader, moveLeader, { targetID: other }, timeoutMs);
  }
  const livedMs = Number(findEnd()) - grantedAt;
  assert.ok(
    livedMs >= (ttlSeconds * 1_000) / clockRates.fastest,
    `a lease of ${ttlSeconds} s ended after ${livedMs} ms`,
  );
  world.counts.lastingLeases++;
};

const isLeader = ({ running }: Host): boolean => running?.replica.node.status().role === "leader";
