import assert from "node:assert/strict";
import { test } from "node:test";
import { Proposal } from "../../proto/index.js";
import { ServerError } from "../../server/errors.js";
import { maxPendingProposalBytes, maxPendingProposals } from "../../server/limits.js";
import { Proposals, type Command } from "../../server/proposals.js";
import { SeenProposals } from "../../server/seen-proposals.js";
import { VirtualClock } from "./virtual-clock.js";

const timeoutMs = 7_000;
const member = 0x8e9e_05c5_2164_694dn;

const setUp = (maxRequestBytes = 1_000_000) => {
  const clock = new VirtualClock();
  const sent: Proposal[] = [];
  const world = { full: false, refuse: undefined as "no-leader" | "too-many" | undefined };
  const proposals = new Proposals<string>({
    member,
    incarnation: 3,
    timeoutMs,
    maxRequestBytes,
    clock,
    isFull: () => world.full,
    propose: (sequence, data) => {
      sent.push(Proposal.decode(data));
      if (world.refuse !== undefined) proposals.refused({ what: "proposal", number: sequence, reason: world.refuse });
    },
  });
  /** Proposes; what it ends in appears in `ends`, by the order of proposing. */
  const ends: string[][] = [];
  const propose = (command: Command = put("k", 1)): void => {
    const mine: string[] = [];
    proposals.propose(command, {
      applied: (result) => mine.push(result),
      failed: (error) => mine.push(error instanceof ServerError ? error.code : String(error)),
    });
    ends.push(mine);
  };
  return { clock, sent, world, proposals, propose, ends };
};

const put = (key: string, bytes: number): Command => ({
  $case: "put",
  value: {
    key: Buffer.from(key),
    value: new Uint8Array(bytes),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  },
});

const code = (expected: string) => (error: unknown) => error instanceof ServerError && error.code === expected;

test("each proposal has its number, and the lowest one that is still unanswered", () => {
  const { proposals, propose, sent } = setUp();
  proposals.leaderChanged(true);
  propose();
  propose();
  proposals.applied(1, "done");
  propose();
  assert.deepEqual(
    sent.map(({ member, incarnation, sequence, floor }) => [member, incarnation, sequence, floor]),
    [
      [member, 3n, 1n, 1n],
      [member, 3n, 2n, 1n],
      [member, 3n, 3n, 2n],
    ],
  );
});

test("a proposal ends once, in whatever comes first", () => {
  const { clock, proposals, propose, ends } = setUp();
  proposals.leaderChanged(true);
  propose();
  proposals.applied(1, "first copy");
  proposals.applied(1, "second copy");
  proposals.failed(1, new Error("late"));
  clock.advance(2 * timeoutMs);
  proposals.stop();
  assert.deepEqual(ends, [["first copy"]]);
});

test("what a deadline means depends on whether a leader had it", () => {
  const { clock, proposals, propose, ends } = setUp();
  propose(); // no leader in all its time
  clock.advance(timeoutMs);
  proposals.leaderChanged(true);
  propose(); // one leader all the time
  clock.advance(timeoutMs);
  propose(); // its leader is lost
  proposals.leaderChanged(false);
  proposals.leaderChanged(true);
  clock.advance(timeoutMs - 1);
  assert.deepEqual(ends[2], []);
  clock.advance(50);
  assert.deepEqual(ends, [["not-proposed"], ["timed-out"], ["leader-lost"]]);
  assert.equal(proposals.size, 0);
});

test("a proposal without a leader waits for one; what a leader had is not sent again", () => {
  const { proposals, propose, sent } = setUp();
  propose();
  assert.equal(sent.length, 0);
  proposals.leaderChanged(true);
  assert.equal(sent.length, 1);
  proposals.leaderChanged(false);
  proposals.leaderChanged(true);
  assert.equal(sent.length, 1);
});

test("a refusal for lack of a leader is made good by the next one", () => {
  const { proposals, propose, sent, world, ends } = setUp();
  proposals.leaderChanged(true);
  world.refuse = "no-leader";
  propose();
  world.refuse = undefined;
  proposals.leaderChanged(false);
  proposals.leaderChanged(true);
  assert.deepEqual(
    sent.map(({ sequence }) => sequence),
    [1n, 1n],
  );
  proposals.applied(1, "done");
  assert.deepEqual(ends, [["done"]]);
});

test("a leader lost and found within one turn of the loop, which nobody reports, takes the refused proposal", () => {
  const { clock, proposals, propose, sent, world } = setUp();
  proposals.leaderChanged(true);
  world.refuse = "no-leader";
  propose();
  world.refuse = undefined;
  clock.advance(50);
  assert.equal(sent.length, 2);
  clock.advance(1_000);
  assert.equal(sent.length, 2);
});

test("a refusal because too much is uncommitted ends the proposal: certainly not done", () => {
  const { proposals, propose, world, ends } = setUp();
  proposals.leaderChanged(true);
  world.refuse = "too-many";
  propose();
  assert.deepEqual(ends, [["too-many-requests"]]);
});

test("there are bounds on how many wait, and on their bytes", () => {
  const many = setUp();
  for (let n = 0; n < maxPendingProposals; n++) many.propose();
  assert.throws(() => many.propose(), code("too-many-requests"));
  many.proposals.leaderChanged(true);
  many.proposals.applied(1, "done");
  many.propose();

  const large = setUp(2 * maxPendingProposalBytes);
  large.propose(put("k", maxPendingProposalBytes));
  assert.throws(() => large.propose(), code("too-many-requests"));
  large.clock.advance(timeoutMs); // what ended for lack of time takes no room
  large.propose();
});

test("one proposal that was lost does not hold up those after it", () => {
  const { proposals, propose, sent, ends } = setUp();
  const seen = new SeenProposals(); // what every member makes of what arrives
  proposals.leaderChanged(true);
  propose(); // lost on its way
  for (let n = 2; n <= 2 * maxPendingProposals; n++) {
    propose();
    const { incarnation, sequence, floor } = sent.at(-1) ?? assert.fail();
    const envelope = { member, incarnation: Number(incarnation), sequence: Number(sequence), floor: Number(floor) };
    assert.equal(seen.admit(envelope), true, `proposal ${n}`);
    proposals.applied(n, "done");
  }
  assert.deepEqual(ends[0], ["timed-out"]);
  assert.ok(ends.slice(1).every(([end]) => end === "done"));
  assert.equal(seen.admit({ member, incarnation: 3, sequence: 1, floor: 1 }), false); // found again, too late
});

test("the size limit counts what etcd's own envelope would take, whatever ours does", () => {
  const limit = 1_000;
  const { proposals, propose } = setUp(limit);
  proposals.leaderChanged(true);
  // A put with a key of 2 bytes and a value of n < 16384: 2 + 2 for the key, 1 + 2 + n for the value; then the
  // command's own tag and length, 3; then etcd's 14.
  const overhead = 4 + 3 + 3 + 14;
  propose(put("kk", limit - overhead));
  assert.throws(() => propose(put("kk", limit - overhead + 1)), code("request-too-large"));
});

test("a refused request takes no number", () => {
  const { proposals, propose, sent } = setUp(100);
  proposals.leaderChanged(true);
  assert.throws(() => propose(put("k", 200)), code("request-too-large"));
  propose();
  assert.deepEqual([sent[0]?.sequence, sent[0]?.floor], [1n, 1n]);
});

test("with no space for the log nothing new is proposed; what is under way still ends", () => {
  const { proposals, propose, world, ends } = setUp();
  proposals.leaderChanged(true);
  propose();
  world.full = true;
  assert.throws(() => propose(), code("no-space"));
  proposals.applied(1, "done");
  assert.deepEqual(ends, [["done"]]);
  world.full = false;
  propose();
});

test("stopping ends all with an unknown outcome, takes no more and leaves no timer", () => {
  const { clock, proposals, propose, ends } = setUp();
  propose();
  proposals.leaderChanged(true);
  propose();
  proposals.stop();
  assert.deepEqual(ends, [["server-stopped"], ["server-stopped"]]);
  assert.throws(() => propose(), code("server-stopped"));
  assert.equal(clock.pendingTimers, 0);
});
