// The driver's order when a snapshot replaces the log: each step waits until the previous one is durable.
import { commandEntry } from "../../testing/entries.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogIndex, LogPosition, Term } from "../../raft/index.js";
import { bytes, Harness } from "./node-harness.js";
import { toMemberId } from "../../testing/ids.js";

/** Returns a follower of member 2 that has entry 1. */
function follower(): Harness {
  const harness = new Harness();
  harness.start();
  append(harness, 1, 0);
  harness.finishWrite();
  harness.events.length = 0;
  return harness;
}

/** Receives one entry from member 2, the leader of term 2. */
const append = (harness: Harness, index: number, commit: number): void => {
  const previous = { index: index - 1, term: index === 1 ? 0 : 2 } as LogPosition;
  harness.receive(toMemberId(2n), {
    kind: "append",
    term: 2 as Term,
    prevIndex: previous.index,
    prevTerm: previous.term,
    commit: commit as LogIndex,
    entries: [commandEntry(index, 2, bytes)],
  });
};

const receiveSnapshot = (harness: Harness, index: number): void => {
  const position = { index: index as LogIndex, term: 2 as Term };
  harness.node.onSnapshotReceived({ from: toMemberId(2n), leaderTerm: 2 as Term, position });
  harness.clock.runSoon();
};

test("a snapshot is installed after the apply under way, then the log restarts, then the leader gets the acknowledgement", () => {
  const harness = follower();
  harness.appliesAtOnce = false;
  append(harness, 2, 2); // commits entry 2, which is not durable yet
  assert.deepEqual(harness.events.splice(0), ["write 2", "apply 1"]);
  receiveSnapshot(harness, 9);
  assert.deepEqual(harness.events, [], "installed while entries are applied");
  harness.finishApply();
  assert.deepEqual(harness.events.splice(0), ["install 9"]);
  harness.finishApply(); // the state machine has applied the entry
  assert.deepEqual(harness.events.splice(0), [], "the log begins anew while a write is under way");
  harness.finishWrite();
  const afterWrite = ["written", "send appendReply to 2", "restart after 9/2, term 2"];
  assert.deepEqual(harness.events.splice(0), afterWrite, "and entry 2 is not applied: the snapshot contains it");
  harness.finishWrite();
  assert.deepEqual(harness.events.splice(0), ["written", "send appendReply to 2"]);
  assert.deepEqual(harness.sent.at(-1)?.message, {
    kind: "appendReply",
    term: 2,
    accepted: true,
    index: 9,
    hintIndex: 0,
    hintTerm: 0,
  });
  append(harness, 10, 10);
  harness.finishWrite();
  assert.deepEqual(harness.events, ["write 10", "written", "send appendReply to 2", "apply 10"]);
});

test("while a snapshot is installed the node writes hard state, votes, and applies nothing", () => {
  const harness = follower();
  receiveSnapshot(harness, 9);
  harness.events.length = 0;
  harness.receive(toMemberId(2n), { kind: "heartbeat", term: 2 as Term, commit: 1 as LogIndex, round: 1 });
  harness.node.onLinkClosed(toMemberId(2n));
  harness.receive(toMemberId(3n), {
    kind: "vote",
    term: 3 as Term,
    lastIndex: 9 as LogIndex,
    lastTerm: 2 as Term,
    transfer: false,
  });
  harness.finishWrite();
  assert.deepEqual(harness.events.splice(0), ["send heartbeatReply to 2", "write ", "written", "send voteReply to 3"]);
  harness.finishApply();
  assert.deepEqual(harness.events, ["restart after 9/2, term 3"]);
});

test("a new term of a snapshot is durable before the snapshot is installed", () => {
  const harness = follower();
  const position = { index: 9 as LogIndex, term: 5 as Term };
  harness.node.onSnapshotReceived({ from: toMemberId(3n), leaderTerm: 6 as Term, position });
  harness.clock.runSoon();
  assert.deepEqual(harness.events, ["write "]);
  harness.finishWrite();
  assert.deepEqual(harness.events, ["write ", "written", "install 9"]);
});

test("a node that stops during an installation does not restart its log", () => {
  for (const isInstalled of [false, true]) {
    const harness = follower();
    receiveSnapshot(harness, 9);
    if (isInstalled) harness.finishApply();
    harness.node.stop();
    harness.events.length = 0;
    if (isInstalled) harness.finishWrite();
    else harness.finishApply();
    assert.deepEqual(harness.events, isInstalled ? ["written"] : []);
  }
});

test("an obsolete snapshot is refused once, and the leader gets this member's commit index", () => {
  const harness = follower();
  append(harness, 2, 2);
  harness.finishWrite();
  harness.events.length = 0;
  receiveSnapshot(harness, 2);
  assert.deepEqual(harness.events, ["send appendReply to 2", "snapshot refused 2"]);
});

test("compact removes applied entries only and truncates the log on disk up to the new base", () => {
  const harness = follower();
  append(harness, 2, 1);
  harness.finishWrite();
  harness.events.length = 0;
  harness.node.compact(2 as LogIndex);
  assert.deepEqual(harness.events, ["truncate 1"]);
  const { index, term } = harness.node.status().base;
  assert.deepEqual([index, term], [1, 2]);
  harness.node.compact(1 as LogIndex);
  harness.node.stop();
  harness.node.compact(2 as LogIndex);
  assert.deepEqual(harness.events, ["truncate 1"], "there is nothing more to cut, or nobody");
});

test("a follower that needs compacted entries is reported once, and probed after its snapshot has ended", () => {
  const harness = new Harness();
  harness.lead();
  harness.node.onLinkClosed(toMemberId(3n));
  harness.node.propose(1, bytes);
  harness.clock.runSoon();
  harness.finishWrite();
  harness.acknowledge(toMemberId(2n), 2);
  harness.node.compact(2 as LogIndex);
  harness.node.propose(2, bytes);
  harness.clock.runSoon();
  harness.events.length = 0;
  const refuseAppend = (): void =>
    harness.receive(toMemberId(3n), {
      kind: "appendReply",
      term: 2 as Term,
      accepted: false,
      index: 2 as LogIndex,
      hintIndex: 0 as LogIndex,
      hintTerm: 0 as Term,
    });
  refuseAppend();
  refuseAppend();
  assert.deepEqual(harness.events.splice(0), ["snapshot needed by 3"]);
  harness.node.onSnapshotEnded(toMemberId(3n));
  harness.clock.runSoon();
  assert.deepEqual(harness.events, ["send append to 3"]);
  refuseAppend();
  assert.equal(harness.events.at(-1), "snapshot needed by 3");
});
