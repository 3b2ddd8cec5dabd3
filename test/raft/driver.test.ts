import { commandEntry } from "../../testing/entries.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { noMember, tickMs, type LogIndex, type PeerMessage, type Term } from "../../raft/index.js";
import { bytes, electionTicks, Harness, heartbeatTicks } from "./node-harness.js";
import { toMemberId } from "../../testing/ids.js";

test("a candidate sends its vote requests only once term and vote are durable", () => {
  const harness = new Harness();
  harness.start();
  while (!harness.isWriting) {
    harness.clock.advance(tickMs);
    if (harness.sent.some(({ message }) => message.kind === "preVote"))
      harness.receive(toMemberId(2n), { kind: "preVoteReply", term: 2 as Term, granted: true });
  }
  harness.clock.advance(5 * tickMs);
  assert.ok(!harness.sent.some(({ message }) => message.kind === "vote"));
  harness.finishWrite();
  assert.equal(harness.sent.filter(({ message }) => message.kind === "vote").length, 2);
});

test("a single voter writes its candidacy before the first tick", () => {
  const harness = new Harness([toMemberId(1n)]);
  harness.start();
  harness.clock.runSoon();
  assert.ok(harness.isWriting);
});

test("a follower acknowledges entries only once they are durable", () => {
  const harness = new Harness();
  harness.start();
  const entries = [commandEntry(1, 2, bytes)];
  harness.receive(toMemberId(2n), {
    kind: "append",
    term: 2 as Term,
    prevIndex: 0 as LogIndex,
    prevTerm: 0 as Term,
    commit: 1 as LogIndex,
    entries,
  });
  assert.deepEqual(harness.events, ["write 1"]);
  harness.finishWrite();
  // The entry was committed long ago, and is applied only now: entries are applied once they are durable on this member.
  assert.deepEqual(harness.events, ["write 1", "written", "send appendReply to 2", "apply 1"]);
});

test("a leader sends appends beside its own write and counts its copy only after it", () => {
  const harness = new Harness();
  harness.lead();
  harness.node.propose(1, bytes);
  harness.clock.runSoon();
  assert.deepEqual(harness.events, ["send append to 2", "send append to 3", "write 2"]);
  harness.acknowledge(toMemberId(2n), 2);
  assert.ok(!harness.events.some((event) => event.startsWith("apply")), "one durable copy of three is no majority");
  harness.finishWrite();
  assert.equal(harness.events.filter((event) => event === "apply 2").length, 1);
});

test("proposals of one turn of the event loop share a write, and those made during it share the next one", () => {
  const harness = new Harness();
  harness.lead();
  for (let n = 1; n <= 3; n++) harness.node.propose(n, bytes);
  harness.clock.runSoon();
  for (let n = 4; n <= 6; n++) {
    harness.node.propose(n, bytes);
    harness.clock.runSoon();
  }
  assert.deepEqual(
    harness.events.filter((event) => event.startsWith("write ")),
    ["write 2,3,4"],
  );
  harness.finishWrite();
  assert.deepEqual(
    harness.events.filter((event) => event.startsWith("write ")),
    ["write 2,3,4", "write 5,6,7"],
  );
});

test("during a slow write heartbeats are sent and reads are confirmed", () => {
  const harness = new Harness();
  harness.lead();
  harness.node.propose(1, bytes);
  harness.clock.runSoon();
  assert.ok(harness.isWriting);
  harness.node.readIndex(7);
  harness.clock.advance(3 * heartbeatTicks * tickMs);
  const beats = harness.sent.flatMap(({ message }) => (message.kind === "heartbeat" ? [message.round] : []));
  assert.ok(beats.length >= 6);
  harness.receive(toMemberId(2n), { kind: "heartbeatReply", term: 2 as Term, round: Math.max(...beats) });
  assert.deepEqual(harness.reads, [{ request: 7, index: 1 }]);
  assert.ok(harness.isWriting);
});

test("the state machine gets more entries only after it is done, while the node writes and commits others", () => {
  const harness = new Harness();
  harness.lead();
  harness.appliesAtOnce = false;
  for (let n = 1; n <= 2; n++) {
    harness.node.propose(n, bytes);
    harness.clock.runSoon();
    harness.finishWrite();
    harness.acknowledge(toMemberId(2n), n + 1);
  }
  const applyEvents = (): string[] => harness.events.filter((event) => event.startsWith("apply"));
  assert.deepEqual(applyEvents(), ["apply 2"]);
  harness.finishApply();
  assert.deepEqual(applyEvents(), ["apply 2", "apply 3"]);
});

test("refusals and leader changes are reported once each", () => {
  const harness = new Harness();
  harness.start();
  harness.node.propose(5, bytes);
  harness.node.readIndex(6);
  harness.clock.runSoon();
  assert.deepEqual(harness.refusals, [
    { kind: "proposal", number: 5, reason: "no-leader" },
    { kind: "read", number: 6, reason: "no-leader" },
  ]);
  const heartbeat: PeerMessage = { kind: "heartbeat", term: 2 as Term, commit: 0 as LogIndex, round: 1 };
  harness.receive(toMemberId(2n), heartbeat);
  harness.receive(toMemberId(2n), heartbeat);
  assert.deepEqual(
    harness.statuses.map(({ leader, term }) => [leader, term]),
    [[2n, 2]],
  );
});

test("a broken invariant stops the node and is reported once", () => {
  const harness = new Harness();
  harness.start();
  const heartbeat: PeerMessage = { kind: "heartbeat", term: 2 as Term, commit: 0 as LogIndex, round: 1 };
  harness.receive(toMemberId(2n), heartbeat);
  harness.receive(toMemberId(3n), heartbeat); // a second leader in one term
  assert.match(harness.failures[0]?.message ?? "", /two leaders in one term/);
  const before = harness.events.length;
  harness.receive(toMemberId(3n), heartbeat);
  harness.node.propose(1, bytes);
  harness.clock.advance(1_000);
  assert.equal(harness.failures.length, 1);
  assert.equal(harness.events.length, before);
  assert.equal(harness.clock.pendingTimers, 0);
});

test("an exception of the log or the state machine stops the node and is reported once", () => {
  const harness = new Harness();
  harness.lead();
  harness.onAppend = () => {
    throw new Error("the log has failed");
  };
  harness.node.propose(1, bytes);
  harness.clock.advance(1_000);
  assert.deepEqual(
    harness.failures.map(({ message }) => message),
    ["the log has failed"],
  );
});

test("after a stop the end of a write sends and applies nothing", () => {
  const harness = new Harness();
  harness.lead();
  harness.node.propose(1, bytes);
  harness.clock.runSoon();
  harness.acknowledge(toMemberId(2n), 2);
  harness.node.stop();
  harness.events.length = 0;
  harness.finishWrite();
  assert.deepEqual(harness.events, ["written"]);
  assert.equal(harness.clock.pendingTimers, 0);
  const { role, leader, term } = harness.node.status();
  assert.deepEqual([role, leader, term], ["follower", noMember, 2]); // the member has stepped down
});

test("after a stop the end of a write acknowledges nothing", () => {
  const harness = new Harness();
  harness.start();
  const entries = [commandEntry(1, 2, bytes)];
  const at = { prevIndex: 0 as LogIndex, prevTerm: 0 as Term, commit: 0 as LogIndex };
  harness.receive(toMemberId(2n), { kind: "append", term: 2 as Term, ...at, entries });
  harness.node.stop();
  harness.finishWrite();
  assert.deepEqual(harness.events, ["write 1", "written"]);
});

test("a frozen process counts only a few missed ticks, so it reads its heartbeats before it campaigns", () => {
  const harness = new Harness();
  harness.start();
  harness.receive(toMemberId(2n), { kind: "heartbeat", term: 2 as Term, commit: 0 as LogIndex, round: 1 });
  harness.finishWrite();
  harness.events.length = 0;
  harness.clock.freeze(100 * electionTicks * tickMs);
  harness.clock.advance(0); // the late timer fires
  assert.deepEqual(harness.events, []);
  assert.equal(harness.node.status().leader, 2n);
});

test("a single voter commits with its own durable copy", () => {
  const harness = new Harness([toMemberId(1n)]);
  harness.start();
  harness.clock.advance(tickMs);
  harness.finishWrite(); // term and vote
  harness.finishWrite(); // the no-op
  harness.node.propose(1, bytes);
  harness.clock.runSoon();
  harness.finishWrite();
  assert.deepEqual(
    harness.events.filter((event) => event.startsWith("apply")),
    ["apply 1", "apply 2"],
  );
});

test("a node that was stopped before its start never takes part", () => {
  const harness = new Harness();
  harness.node.stop();
  harness.start();
  harness.clock.advance(100 * electionTicks * tickMs);
  assert.deepEqual([harness.sent, harness.events, harness.clock.pendingTimers], [[], [], 0]);
});

test("a leadership transfer reports the new leader first, then its success", () => {
  const harness = new Harness();
  harness.lead();
  harness.node.transferLeadership(undefined);
  harness.node.propose(7, bytes);
  harness.clock.runSoon();
  assert.deepEqual(harness.refusals, [{ kind: "proposal", number: 7, reason: "transferring" }]);
  assert.deepEqual(harness.events.splice(0), ["send timeoutNow to 2"]);
  const statuses = harness.statuses.length;
  harness.receive(toMemberId(2n), { kind: "heartbeat", term: 3 as Term, commit: 1 as LogIndex, round: 1 });
  assert.equal(harness.statuses.length, statuses + 1);
  assert.ok(harness.events.includes("transfer ended true"));
});

test("a leadership transfer without an answer ends after an election timeout, and proposals are accepted again", () => {
  const harness = new Harness();
  harness.lead();
  harness.node.transferLeadership(toMemberId(3n));
  harness.clock.runSoon();
  harness.events.length = 0;
  for (let tick = 0; tick < electionTicks; tick++) {
    harness.receive(toMemberId(2n), { kind: "heartbeatReply", term: 2 as Term, round: 1 }); // the leader keeps its majority
    harness.clock.advance(tickMs);
  }
  assert.ok(harness.events.includes("transfer ended false"));
  harness.node.propose(8, bytes);
  harness.clock.runSoon();
  assert.deepEqual(harness.refusals, []);
  assert.equal(harness.node.status().role, "leader");
});
