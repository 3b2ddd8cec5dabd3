import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeProposal, Proposal } from "../../../proto/index.js";
import { noMember, type Refusal, type Shortage } from "../../../raft/index.js";
import { ServerError } from "../../../server/base/errors.js";
import {
  maxPendingProposalBytes,
  maxPendingProposals,
  maxRepeatBytes,
  maxRepeats,
} from "../../../server/base/limits.js";
import type { Command, CommandKind } from "../../../server/replication/command.js";
import { Proposals } from "../../../server/replication/proposals.js";
import { SeenProposals } from "../../../server/replication/apply/seen-proposals.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { toMemberId } from "../../../testing/ids.js";

const timeoutMs = 7_000;
const member = toMemberId(0x8e9e_05c5_2164_694dn);
const [other, third] = [toMemberId(2n), toMemberId(3n)];

const setUp = (maxRequestBytes = 1_000_000) => {
  const clock = new VirtualClock();
  const sent: Proposal[] = [];
  const bytes: Uint8Array[] = [];
  const world = {
    full: undefined as Shortage | undefined,
    refuse: undefined as Refusal["reason"] | undefined,
  };
  const proposals = new Proposals<Record<CommandKind, string>>(
    { member, incarnation: 3, timeoutMs, maxRequestBytes, clock },
    {
      propose: (sequence, data) => {
        sent.push(Proposal.decode(data));
        bytes.push(data);
        if (world.refuse !== undefined)
          proposals.onRefusal({ kind: "proposal", number: sequence, reason: world.refuse });
      },
    },
    {
      get shortage() {
        return world.full;
      },
    },
  );
  /** Proposes. `ends` gets the results of each proposal, in the order of the calls. */
  const ends: string[][] = [];
  const propose = (command: Command = put("k", 1)): void => {
    const mine: string[] = [];
    proposals.propose(command, {
      onResult: (result) => mine.push(result),
      onError: (error) => mine.push(error instanceof ServerError ? error.code : String(error)),
    });
    ends.push(mine);
  };
  /** Returns the numbers of the proposals sent since the last call. */
  const takeSent = (): number[] => sent.splice(0).map(({ sequence }) => Number(sequence));
  return { clock, sent, bytes, takeSent, world, proposals, propose, ends };
};

const put = (key: string, bytes: number): Command => ({
  $case: "put",
  value: {
    key: Uint8Array.from(Buffer.from(key)),
    value: new Uint8Array(bytes),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  },
});

const numbersBetween = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

const code = (expected: string) => (error: unknown) => error instanceof ServerError && error.code === expected;

test("the next applied proposal is not decoded again, and no other proposal is mistaken for it", () => {
  const { proposals, propose, bytes } = setUp();
  proposals.onLeaderChange(other);
  propose(put("a", 1));
  propose(put("b", 1));
  const [first, second] = bytes;
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual(proposals.findKept(first), decodeProposal(first));
  assert.equal(proposals.findKept(Uint8Array.from(first)), undefined, "the same bytes elsewhere");
  assert.equal(proposals.findKept(second), undefined, "not the next");
  proposals.settleProposal(1, "done");
  assert.deepEqual(proposals.findKept(second), decodeProposal(second));
});

test("large puts and other commands are decoded from the proposed bytes", () => {
  const { proposals, propose, bytes } = setUp();
  proposals.onLeaderChange(other);
  propose(put("large", 2_000));
  propose({ $case: "leaseRevoke", value: { ID: 7n } });
  for (const [n, data] of bytes.entries()) {
    assert.equal(proposals.findKept(data), undefined);
    proposals.settleProposal(n + 1, "done");
  }
});

test("each proposal carries its number, and the lowest unanswered number", () => {
  const { proposals, propose, sent } = setUp();
  proposals.onLeaderChange(other);
  propose();
  propose();
  proposals.settleProposal(1, "done");
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

test("a proposal ends once, with its first outcome", () => {
  const { clock, proposals, propose, ends } = setUp();
  proposals.onLeaderChange(other);
  propose();
  proposals.settleProposal(1, "first copy");
  proposals.settleProposal(1, "second copy");
  proposals.fail(1, new Error("late"));
  clock.advance(2 * timeoutMs);
  proposals.stop();
  assert.deepEqual(ends, [["first copy"]]);
});

test("the outcome at a deadline depends on the leaders since the proposal", () => {
  const { clock, proposals, propose, ends } = setUp();
  propose(); // no leader until its timeout
  clock.advance(timeoutMs);
  proposals.onLeaderChange(other);
  propose(); // the same leader until its timeout
  clock.advance(timeoutMs);
  propose(); // the leader is lost, and another one elected
  proposals.onLeaderChange(noMember);
  proposals.onLeaderChange(third);
  clock.advance(timeoutMs - 1);
  assert.deepEqual(ends[2], []);
  clock.advance(50);
  propose(); // the leader is lost, and no other one elected
  proposals.onLeaderChange(noMember);
  clock.advance(timeoutMs);
  assert.deepEqual(ends, [["not-proposed"], ["timed-out"], ["leader-lost"], ["timed-out"]]);
  assert.equal(proposals.size, 0);
});

test("each new leader is sent all pending proposals, in order, with the same bytes", () => {
  const { proposals, propose, sent, takeSent, ends } = setUp();
  propose(); // begun without a leader
  assert.equal(sent.length, 0);
  proposals.onLeaderChange(other);
  propose();
  propose();
  const first = sent.splice(0);
  assert.deepEqual(
    first.map(({ sequence }) => sequence),
    [1n, 2n, 3n],
  );
  proposals.settleProposal(2, "done");
  proposals.onLeaderChange(noMember);
  propose();
  assert.equal(sent.length, 0);
  proposals.onLeaderChange(third);
  assert.deepEqual(sent.slice(0, 2), [first[0], first[2]]); // both with their original floors
  assert.deepEqual(takeSent(), [1, 3, 4]);
  proposals.onLeaderChange(member); // the member itself leads, without a report of the loss
  assert.deepEqual(takeSent(), [1, 3, 4]);
  for (const sequence of [1, 3, 4]) proposals.settleProposal(sequence, "done");
  assert.deepEqual(ends, [["done"], ["done"], ["done"], ["done"]]);
  proposals.onLeaderChange(other);
  assert.deepEqual(takeSent(), []);
});

test("a new connection to the leader causes a retransmission of proposals that the former one may have lost", () => {
  const { proposals, propose, takeSent } = setUp();
  proposals.onLeaderChange(other);
  propose();
  takeSent();
  proposals.onLeaderReachable();
  assert.deepEqual(takeSent(), [1]);
});

test("a proposal that is retransmitted many times is applied once", () => {
  const { proposals, propose, sent } = setUp();
  const seen = new SeenProposals();
  proposals.onLeaderChange(other);
  for (let n = 0; n < 10; n++) propose();
  for (const leader of [third, member, other]) proposals.onLeaderChange(leader);
  const applied = sent.filter(({ incarnation, sequence, floor }) =>
    seen.admit({ member, incarnation: Number(incarnation), sequence: Number(sequence), floor: Number(floor) }),
  );
  assert.equal(sent.length, 40);
  assert.deepEqual(
    applied.map(({ sequence }) => sequence),
    [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n],
  );
});

test("a new leader is sent a bounded number at a time; new proposals come after them", () => {
  const { proposals, propose, takeSent } = setUp();
  const count = 2 * maxRepeats + 10;
  for (let n = 1; n <= count; n++) propose();
  proposals.onLeaderChange(other);
  propose();
  assert.deepEqual(takeSent(), numbersBetween(1, maxRepeats));
  for (let n = 1; n < maxRepeats / 2; n++) proposals.settleProposal(n, "done");
  assert.deepEqual(takeSent(), []); // smaller groups would make small batches
  proposals.settleProposal(maxRepeats / 2, "done");
  assert.deepEqual(takeSent(), numbersBetween(maxRepeats + 1, maxRepeats * 1.5));
  for (let n = maxRepeats / 2 + 1; n <= maxRepeats * 1.5; n++) proposals.settleProposal(n, "done");
  assert.deepEqual(takeSent(), numbersBetween(maxRepeats * 1.5 + 1, count + 1));
  propose();
  assert.deepEqual(takeSent(), [count + 2]); // no earlier proposal is left to wait for
});

test("large proposals are retransmitted few at a time", () => {
  const { proposals, propose, takeSent } = setUp(2 * maxRepeatBytes);
  const [half, small] = [put("k", maxRepeatBytes / 2), put("k", 1)];
  for (const command of [half, half, half, small]) propose(command);
  proposals.onLeaderChange(other);
  assert.deepEqual(takeSent(), [1, 2]);
  proposals.settleProposal(1, "done");
  proposals.settleProposal(2, "done");
  assert.deepEqual(takeSent(), [3, 4]);
});

test("unacknowledged forwarded proposals are retransmitted at growing intervals, a bounded part at a time", () => {
  const { clock, proposals, propose, takeSent, ends } = setUp();
  proposals.onLeaderChange(other);
  for (let n = 0; n < maxRepeats + 10; n++) propose();
  takeSent();
  clock.advance(450);
  assert.deepEqual(takeSent(), []);
  clock.advance(50);
  assert.deepEqual(takeSent(), numbersBetween(1, maxRepeats));
  clock.advance(950);
  assert.deepEqual(takeSent(), []);
  clock.advance(50);
  assert.deepEqual(takeSent(), numbersBetween(1, maxRepeats));
  clock.advance(timeoutMs);
  assert.deepEqual(takeSent(), numbersBetween(1, maxRepeats)); // 2 s have passed; the timeout comes after 4 s more
  assert.ok(ends.every(([end]) => end === "timed-out"));
});

test("queued proposals are not retransmitted while the oldest ones are being applied", () => {
  const { clock, proposals, propose, takeSent } = setUp();
  proposals.onLeaderChange(other);
  for (let n = 1; n <= 10; n++) propose();
  takeSent();
  for (let n = 1; n <= 5; n++) {
    clock.advance(450);
    proposals.settleProposal(n, "done");
  }
  assert.deepEqual(takeSent(), []);
  for (let n = 7; n <= 10; n++) {
    clock.advance(100); // proposal 6 is lost: later results say nothing about that
    proposals.settleProposal(n, "done");
  }
  assert.deepEqual(takeSent(), []);
  clock.advance(100);
  assert.deepEqual(takeSent(), [6]);
});

test("a leader does not retransmit proposals to itself", () => {
  const { clock, proposals, propose, takeSent } = setUp();
  proposals.onLeaderChange(member);
  propose();
  takeSent();
  clock.advance(timeoutMs);
  assert.deepEqual(takeSent(), []);
});

test("the expiry of a lease is not sent to another leader", () => {
  const { clock, proposals, propose, takeSent, ends, world } = setUp();
  const expiry: Command = { $case: "leaseExpiry", value: { term: 5n, leases: [] } };
  proposals.onLeaderChange(member);
  propose(expiry);
  takeSent();
  clock.advance(1_000);
  proposals.onLeaderChange(noMember);
  assert.deepEqual(ends, [["timed-out"]]); // whether it is in the log or not, no caller waits
  proposals.onLeaderChange(member);
  world.refuse = "no-leader";
  propose(expiry);
  assert.deepEqual(ends[1], ["not-proposed"]);
  world.refuse = undefined;
  proposals.onLeaderChange(other);
  clock.advance(timeoutMs);
  assert.deepEqual(takeSent(), [2]);
});

test("proposals applied within a snapshot end with an unknown outcome; the others stay pending", () => {
  const { proposals, propose, ends } = setUp();
  proposals.onLeaderChange(other);
  for (let n = 0; n < 3; n++) propose();
  proposals.onSnapshotInstalled((sequence) => sequence <= 2);
  proposals.settleProposal(3, "done");
  assert.deepEqual(ends, [["connection-lost"], ["connection-lost"], ["done"]]);
});

test("a proposal refused for lack of a leader is sent to the next leader", () => {
  const { proposals, propose, sent, world, ends } = setUp();
  proposals.onLeaderChange(other);
  world.refuse = "no-leader";
  propose();
  world.refuse = undefined;
  proposals.onLeaderChange(noMember);
  proposals.onLeaderChange(other);
  assert.deepEqual(
    sent.map(({ sequence }) => sequence),
    [1n, 1n],
  );
  proposals.settleProposal(1, "done");
  assert.deepEqual(ends, [["done"]]);
});

test("a refused proposal is sent again if the leader was lost and found within one turn", () => {
  const { clock, proposals, propose, sent, world } = setUp();
  proposals.onLeaderChange(other);
  world.refuse = "no-leader";
  propose();
  world.refuse = undefined;
  clock.advance(50);
  assert.equal(sent.length, 2);
  clock.advance(400);
  assert.equal(sent.length, 2);
});

test("a refusal because too much is uncommitted ends the proposal with a certain failure", () => {
  const { proposals, propose, world, ends } = setUp();
  proposals.onLeaderChange(other);
  world.refuse = "too-many";
  propose();
  assert.deepEqual(ends, [["too-many-requests"]]);
});

test("a refusal because too much is uncommitted does not end a proposal that an earlier leader may have", () => {
  const { clock, proposals, propose, takeSent, world, ends } = setUp();
  proposals.onLeaderChange(other);
  propose();
  world.refuse = "too-many";
  proposals.onLeaderChange(member);
  assert.deepEqual(ends, [[]]);
  takeSent();
  world.refuse = undefined;
  clock.advance(50);
  assert.deepEqual(takeSent(), [1]);
});

test("waiting proposals are bounded in number and bytes", () => {
  const many = setUp();
  for (let n = 0; n < maxPendingProposals; n++) many.propose();
  assert.throws(() => many.propose(), code("too-many-requests"));
  many.proposals.onLeaderChange(other);
  many.proposals.settleProposal(1, "done");
  many.propose();

  const large = setUp(2 * maxPendingProposalBytes);
  large.propose(put("k", maxPendingProposalBytes));
  assert.throws(() => large.propose(), code("too-many-requests"));
  large.clock.advance(timeoutMs); // timed-out proposals take no room
  large.propose();
});

test("a lost proposal does not delay later ones", () => {
  const { proposals, propose, sent, ends } = setUp();
  const seen = new SeenProposals(); // the applier's record of received proposals
  proposals.onLeaderChange(other);
  propose(); // lost in transit
  for (let n = 2; n <= 2 * maxPendingProposals; n++) {
    propose();
    const { incarnation, sequence, floor } = sent.at(-1) ?? assert.fail();
    const envelope = { member, incarnation: Number(incarnation), sequence: Number(sequence), floor: Number(floor) };
    assert.equal(seen.admit(envelope), true, `proposal ${n}`);
    proposals.settleProposal(n, "done");
  }
  assert.deepEqual(ends[0], ["timed-out"]);
  assert.ok(ends.slice(1).every(([end]) => end === "done"));
  assert.equal(seen.admit({ member, incarnation: 3, sequence: 1, floor: 1 }), false); // arrives too late
});

test("the size limit counts the bytes of etcd's envelope, not of ours", () => {
  const limit = 1_000;
  const { proposals, propose } = setUp(limit);
  proposals.onLeaderChange(other);
  // A put with a key of 2 bytes and a value of n < 16384: 2 + 2 for the key, 1 + 2 + n for the value; then the
  // command's own tag and length, 3; then etcd's 14.
  const overhead = 4 + 3 + 3 + 14;
  propose(put("kk", limit - overhead));
  assert.throws(() => propose(put("kk", limit - overhead + 1)), code("request-too-large"));
});

test("the size limit of clients does not apply to the member's own proposals", () => {
  const { proposals, propose, sent } = setUp(1);
  proposals.onLeaderChange(other);
  assert.throws(() => propose(put("k", 1)), code("request-too-large"));
  const publish: Command = { $case: "publish", value: { member, name: "m", clientUrls: ["http://localhost:2379"] } };
  proposals.proposeOwn(publish, { onResult: () => undefined, onError: () => undefined });
  assert.deepEqual(sent[0]?.command, publish);
});

test("a refused request takes no number", () => {
  const { proposals, propose, sent } = setUp(100);
  proposals.onLeaderChange(other);
  assert.throws(() => propose(put("k", 200)), code("request-too-large"));
  propose();
  assert.deepEqual([sent[0]?.sequence, sent[0]?.floor], [1n, 1n]);
});

test("new proposals are refused without space or a file descriptor for the log; pending ones still end", () => {
  const { proposals, propose, world, ends } = setUp();
  proposals.onLeaderChange(other);
  propose();
  world.full = "space";
  assert.throws(() => propose(), code("no-space"));
  world.full = "descriptors";
  assert.throws(() => propose(), code("too-many-requests"));
  proposals.settleProposal(1, "done");
  assert.deepEqual(ends, [["done"]]);
  world.full = undefined;
  propose();
});

test("stopping ends all proposals with an unknown outcome, refuses new ones and leaves no timer", () => {
  const { clock, proposals, propose, ends } = setUp();
  propose();
  proposals.onLeaderChange(other);
  propose();
  proposals.stop();
  assert.deepEqual(ends, [["server-stopped"], ["server-stopped"]]);
  assert.throws(() => propose(), code("server-stopped"));
  assert.equal(clock.pendingTimers, 0);
});
