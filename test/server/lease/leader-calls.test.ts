// Calls of members to their leader, over links that lose frames.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Calls } from "../../../proto/index.js";
import {
  encodePeerMessage,
  noMember,
  type LogIndex,
  type MemberId,
  type PeerMessage,
  type Term,
} from "../../../raft/index.js";
import { ServerError } from "../../../server/base/errors.js";
import { maxPendingCalls } from "../../../server/base/limits.js";
import { type CallServer, PeerCalls } from "../../../server/lease/calls.js";
import { decodeCalls, encodeCalls, isCallsFrame } from "../../../server/peers/calls-frame.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { toMemberId } from "../../../testing/ids.js";

interface Served {
  readonly lease: bigint;
  readonly answer: (seconds: number | undefined) => void;
}

/** Members, and the links between them. */
class Fixture {
  readonly clock = new VirtualClock();
  readonly members = new Map<MemberId, PeerCalls>();
  /** Calls that each member was asked to serve. */
  readonly served = new Map<MemberId, Served[]>();
  /** Number of calls in each batch to be served. */
  readonly together: number[] = [];
  readonly frames: { readonly from: MemberId; readonly to: MemberId; readonly calls: Calls }[] = [];
  isLost: (from: MemberId, to: MemberId) => boolean = () => false;

  add(self: MemberId, incarnation = 1): PeerCalls {
    const served: Served[] = [];
    this.served.set(self, served);
    const server: CallServer = {
      serve: (calls) => {
        this.together.push(calls.length);
        for (const call of calls) {
          assert.ok(call.request.$case === "renewLease");
          const settle = (seconds: number | undefined): void =>
            call.answer(seconds === undefined ? undefined : { $case: "renewLease", value: BigInt(seconds) });
          served.push({ lease: call.request.value, answer: settle });
        }
      },
    };
    const member = new PeerCalls({ self, incarnation, timeoutMs: 7_000, clock: this.clock }, server, {
      sendCalls: (to, calls) => {
        this.frames.push({ from: self, to, calls });
        if (!this.isLost(self, to)) this.members.get(to)?.onCalls(self, decodeCalls(encodeCalls(calls)));
      },
    });
    this.members.set(self, member);
    return member;
  }

  callsServedBy(id: MemberId): Served[] {
    return this.served.get(id) ?? [];
  }
}

/** Asks to renew a lease. Returns its result. */
const renew = (member: PeerCalls, lease: bigint): { result: number | string } => {
  const outcome: { result: number | string } = { result: "waits" };
  member.leader.ask(
    { $case: "renewLease", value: lease },
    {
      onResult: ({ value }) => (outcome.result = Number(value)),
      onError: (error) => (outcome.result = error instanceof ServerError ? error.code : "unforeseen"),
    },
  );
  return outcome;
};

const someTerm = 2 as Term;

/** Tells a member who leads, in an arbitrary term. */
const follow = (member: PeerCalls, leader: MemberId): void =>
  member.onLeaderChange({ id: toMemberId(9n), leader, term: someTerm });

test("calls go to the leader, this member or another; calls of one turn share a frame and are served together", () => {
  const fixture = new Fixture();
  const [one, two] = [fixture.add(toMemberId(1n)), fixture.add(toMemberId(2n))];
  for (const member of [one, two]) follow(member, toMemberId(1n));
  const outcomes = [renew(one, 10n), renew(two, 20n), renew(two, 30n)];
  fixture.clock.runSoon();
  for (const { lease, answer } of fixture.callsServedBy(toMemberId(1n))) answer(Number(lease));
  fixture.clock.runSoon();
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    [10, 20, 30],
  );
  assert.equal(fixture.callsServedBy(toMemberId(2n)).length, 0);
  assert.deepEqual(fixture.together, [1, 2]);
  assert.deepEqual(
    fixture.frames.map(({ from, calls }) => [from, calls.requests.length, calls.responses.length]),
    [
      [2n, 2, 0],
      [1n, 0, 2],
    ],
  );
});

test("a lost call or response is retransmitted; a call being served is served once", () => {
  const fixture = new Fixture();
  const [one, two] = [fixture.add(toMemberId(1n)), fixture.add(toMemberId(2n))];
  for (const member of [one, two]) follow(member, toMemberId(1n));
  fixture.isLost = (from) => from === 2n;
  const outcome = renew(two, 20n);
  fixture.clock.advance(400);
  assert.equal(fixture.callsServedBy(toMemberId(1n)).length, 0);
  fixture.isLost = () => false;
  fixture.clock.advance(200);
  assert.equal(fixture.callsServedBy(toMemberId(1n)).length, 1);
  fixture.clock.advance(2_000);
  assert.equal(fixture.callsServedBy(toMemberId(1n)).length, 1);
  fixture.isLost = (from) => from === 1n;
  fixture.callsServedBy(toMemberId(1n))[0]?.answer(5);
  fixture.clock.runSoon();
  fixture.isLost = () => false;
  fixture.clock.advance(600);
  assert.equal(outcome.result, "waits");
  fixture.callsServedBy(toMemberId(1n))[1]?.answer(5);
  fixture.clock.runSoon();
  assert.equal(outcome.result, 5);
});

test("there is a timer only while a call waits", () => {
  const fixture = new Fixture();
  const member = fixture.add(toMemberId(1n));
  follow(member, toMemberId(1n));
  assert.equal(fixture.clock.pendingTimers, 0);
  for (let round = 0; round < 2; round++) {
    const outcome = renew(member, 10n);
    fixture.clock.runSoon();
    assert.equal(fixture.clock.pendingTimers, 1);
    fixture.callsServedBy(toMemberId(1n)).at(-1)?.answer(10);
    fixture.clock.runSoon();
    assert.equal(outcome.result, 10);
    fixture.clock.advance(100);
    assert.equal(fixture.clock.pendingTimers, 0);
  }
});

test("after a closed link the leader serves the retransmitted call again", () => {
  const fixture = new Fixture();
  const [one, two] = [fixture.add(toMemberId(1n)), fixture.add(toMemberId(2n))];
  for (const member of [one, two]) follow(member, toMemberId(1n));
  renew(two, 20n);
  fixture.clock.runSoon();
  one.onLinkClosed(toMemberId(2n));
  fixture.clock.advance(600);
  assert.equal(fixture.callsServedBy(toMemberId(1n)).length, 2);
});

test("pending calls go to a new leader at once; one that does not lead yet gets a retransmission", () => {
  const fixture = new Fixture();
  for (const id of [1n, 2n, 3n].map(toMemberId)) follow(fixture.add(id), toMemberId(1n));
  const two = fixture.members.get(toMemberId(2n))!;
  const outcome = renew(two, 20n);
  fixture.clock.runSoon();
  follow(two, noMember);
  follow(two, toMemberId(3n));
  fixture.clock.runSoon();
  assert.equal(fixture.callsServedBy(toMemberId(3n)).length, 1);
  fixture.callsServedBy(toMemberId(3n))[0]?.answer(undefined);
  fixture.clock.advance(600);
  fixture.callsServedBy(toMemberId(3n))[1]?.answer(9);
  fixture.clock.runSoon();
  assert.equal(outcome.result, 9);
  fixture.callsServedBy(toMemberId(1n))[0]?.answer(4); // the former leader's answer is late
  fixture.clock.runSoon();
  assert.equal(outcome.result, 9);
});

test("a call fails at its deadline, without a leader or with a silent one", () => {
  const fixture = new Fixture();
  const two = fixture.add(toMemberId(2n));
  const leaderless = renew(two, 20n);
  fixture.clock.advance(6_900);
  assert.equal(leaderless.result, "waits");
  fixture.clock.advance(200);
  assert.equal(leaderless.result, "no-leader");
  follow(two, toMemberId(1n));
  const silent = renew(two, 20n);
  fixture.clock.advance(7_100);
  assert.equal(silent.result, "timed-out");
});

test("calls at a leader that lost its quorum fail at once, also later ones until a leader is known", () => {
  const fixture = new Fixture();
  const one = fixture.add(toMemberId(1n));
  one.onLeaderChange({ id: toMemberId(1n), leader: toMemberId(1n), term: someTerm });
  const waiting = renew(one, 10n);
  fixture.clock.advance(1_000);
  assert.equal(waiting.result, "waits");
  one.onLeaderChange({ id: toMemberId(1n), leader: noMember, term: someTerm });
  assert.equal(waiting.result, "no-leader");
  assert.throws(() => renew(one, 20n), { code: "no-leader" });
  fixture.callsServedBy(toMemberId(1n))[0]?.answer(10); // too late
  one.onLeaderChange({ id: toMemberId(1n), leader: toMemberId(2n), term: (someTerm + 1) as Term });
  const outcome = renew(one, 30n);
  fixture.clock.runSoon();
  assert.deepEqual([waiting.result, outcome.result], ["no-leader", "waits"]);
  assert.equal(fixture.frames.at(-1)?.to, 2n);
});

test("calls at a leader deposed by a newer term wait for the next leader", () => {
  const fixture = new Fixture();
  const [one, two] = [fixture.add(toMemberId(1n)), fixture.add(toMemberId(2n))];
  one.onLeaderChange({ id: toMemberId(1n), leader: toMemberId(1n), term: someTerm });
  const outcome = renew(one, 10n);
  const nextTerm = (someTerm + 1) as Term;
  one.onLeaderChange({ id: toMemberId(1n), leader: noMember, term: nextTerm });
  assert.equal(outcome.result, "waits");
  for (const [id, member] of [[toMemberId(1n), one] as const, [toMemberId(2n), two] as const])
    member.onLeaderChange({ id, leader: toMemberId(2n), term: nextTerm });
  fixture.clock.runSoon();
  fixture.callsServedBy(toMemberId(2n))[0]?.answer(10);
  fixture.clock.runSoon();
  assert.equal(outcome.result, 10);
});

test("calls at a follower without a leader wait for the next one", () => {
  const fixture = new Fixture();
  const two = fixture.add(toMemberId(2n));
  two.onLeaderChange({ id: toMemberId(2n), leader: toMemberId(1n), term: someTerm });
  const outcome = renew(two, 10n);
  two.onLeaderChange({ id: toMemberId(2n), leader: noMember, term: someTerm });
  fixture.clock.runSoon();
  assert.equal(outcome.result, "waits");
});

test("a response to a call of a former incarnation is ignored", () => {
  const fixture = new Fixture();
  const one = fixture.add(toMemberId(1n));
  const former = fixture.add(toMemberId(2n), 1);
  for (const member of [one, former]) follow(member, toMemberId(1n));
  renew(former, 20n);
  fixture.clock.runSoon();
  former.stop();
  const present = fixture.add(toMemberId(2n), 2);
  follow(present, toMemberId(1n));
  const outcome = renew(present, 30n);
  fixture.clock.runSoon();
  fixture.callsServedBy(toMemberId(1n))[0]?.answer(99);
  fixture.clock.runSoon();
  assert.equal(outcome.result, "waits");
  fixture.callsServedBy(toMemberId(1n))[1]?.answer(30);
  fixture.clock.runSoon();
  assert.equal(outcome.result, 30);
});

test("pending calls are bounded, and stop fails them", () => {
  const fixture = new Fixture();
  const two = fixture.add(toMemberId(2n));
  const outcomes = Array.from({ length: maxPendingCalls }, (_, n) => renew(two, BigInt(n)));
  assert.throws(() => renew(two, 1n), { code: "too-many-requests" });
  two.stop();
  assert.deepEqual(new Set(outcomes.map(({ result }) => result)), new Set(["server-stopped"]));
  assert.throws(() => renew(two, 1n), { code: "server-stopped" });
  assert.equal(fixture.clock.pendingTimers, 0);
});

test("calls frames and consensus frames are distinguished", () => {
  const calls = {
    requests: [{ number: 2n ** 33n, request: { $case: "renewLease" as const, value: -1n } }],
    responses: [],
  };
  const frame = encodeCalls(calls);
  assert.ok(isCallsFrame(frame));
  assert.deepEqual(decodeCalls(frame), calls);
  assert.throws(() => decodeCalls(frame.subarray(0, frame.length - 1)));
  const term = 1 as Term;
  const messages: PeerMessage[] = [
    { kind: "preVote", term, lastIndex: 1 as LogIndex, lastTerm: term, transfer: false },
    { kind: "forwardedProposal", data: Buffer.of(255) },
    { kind: "heartbeatReply", term, round: 255 },
  ];
  for (const message of messages) assert.ok(!isCallsFrame(encodePeerMessage(message)), message.kind);
  assert.ok(!isCallsFrame(Buffer.alloc(0)));
});
