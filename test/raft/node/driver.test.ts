import assert from "node:assert/strict";
import { test } from "node:test";
import {
  logStart,
  noMember,
  RaftCore,
  RaftNode,
  tickMs,
  type CoreStatus,
  type Entry,
  type HardState,
  type LogIndex,
  type MemberId,
  type Outgoing,
  type PeerMessage,
  type ReadState,
  type Refusal,
  type Term,
} from "../../../raft/index.js";
import { VirtualClock } from "../../server/virtual-clock.js";

const electionTicks = 10;
const heartbeatTicks = 1;

/** A node over a disk, a network and a machine that do only what the test tells them; `events` is what happened. */
class Harness {
  readonly clock = new VirtualClock();
  readonly events: string[] = [];
  readonly sent: Outgoing[] = [];
  readonly refusals: Refusal[] = [];
  readonly reads: ReadState[] = [];
  readonly statuses: CoreStatus[] = [];
  readonly failures: Error[] = [];
  readonly node: RaftNode;
  readonly core: RaftCore;
  /** The write under way. */
  private written: (() => void) | undefined;
  private applied: (() => void) | undefined;
  /** The machine takes what it is given at once. */
  appliesAtOnce = true;
  onAppend: (hardState: HardState | undefined, entries: readonly Entry[]) => void = () => undefined;

  constructor(voters: readonly MemberId[] = [1n, 2n, 3n]) {
    this.core = new RaftCore({
      id: 1n,
      voters,
      hardState: { term: 1 as Term, vote: noMember, commit: 0 as LogIndex },
      base: logStart,
      entries: [],
      applied: 0 as LogIndex,
      heartbeatTicks,
      electionTicks,
      random: () => 0,
    });
    this.node = new RaftNode({
      core: this.core,
      heartbeatTicks,
      clock: this.clock,
      log: {
        append: (hardState, entries, done) => {
          assert.equal(this.written, undefined, "a second write while one is under way");
          this.onAppend(hardState, entries);
          this.events.push(`write ${entries.map(({ index }) => index).join(",")}`);
          this.written = done;
        },
        restart: ({ index, term }, hardState, done) => {
          assert.equal(this.written, undefined, "the log begins anew while a write is under way");
          this.events.push(`restart after ${index}/${term}, term ${hardState.term}`);
          this.written = done;
        },
        truncate: (through) => this.events.push(`truncate ${through}`),
      },
      transport: {
        send: (messages) => {
          this.sent.push(...messages);
          this.events.push(...messages.map(({ to, message }) => `send ${message.kind} to ${to}`));
        },
      },
      machine: {
        apply: (entries, done) => {
          assert.equal(this.applied, undefined, "a second apply while one is under way");
          this.events.push(`apply ${entries.map(({ index }) => index).join(",")}`);
          if (this.appliesAtOnce) done();
          else this.applied = done;
        },
        install: ({ index }, done) => {
          assert.equal(this.applied, undefined, "a snapshot is installed while entries are applied");
          this.events.push(`install ${index}`);
          this.applied = done;
        },
      },
      listener: {
        onReadState: (read) => this.reads.push(read),
        onRefusal: (refusal) => this.refusals.push(refusal),
        onStatusChange: (status) => this.statuses.push(status),
        onSnapshotNeeded: (peer) => this.events.push(`snapshot needed by ${peer}`),
        onSnapshotRefused: ({ index }) => this.events.push(`snapshot refused ${index}`),
        onTransferEnded: (ok) => this.events.push(`transfer ended ${ok}`),
        onFailure: (error) => this.failures.push(error),
      },
    });
  }

  get isWriting(): boolean {
    return this.written !== undefined;
  }

  /** The disk has done what it was asked to. */
  finishWrite(): void {
    const done = this.written ?? assert.fail("no write is under way");
    this.written = undefined;
    this.events.push("written");
    done();
    this.clock.settle();
  }

  finishApply(): void {
    const done = this.applied ?? assert.fail("nothing is being applied");
    this.applied = undefined;
    done();
    this.clock.settle();
  }

  hears(from: MemberId, message: PeerMessage): void {
    this.node.receive(from, message);
    this.clock.settle();
  }

  /** Wins an election, with the disk as fast as can be; its no-op is durable everywhere. */
  lead(): void {
    this.node.start();
    for (let tick = 0; !this.sent.some(({ message }) => message.kind === "preVote"); tick++) {
      assert.ok(tick < 100, "no candidacy");
      this.clock.advance(tickMs);
    }
    this.hears(2n, { kind: "preVoteReply", term: 2 as Term, granted: true });
    this.finishWrite();
    this.hears(2n, { kind: "voteReply", term: 2 as Term, granted: true });
    this.finishWrite();
    for (const follower of [2n, 3n]) this.acknowledge(follower, 1);
    assert.equal(this.node.status().role, "leader");
    this.events.length = 0;
    this.sent.length = 0;
  }

  acknowledge(from: MemberId, index: number): void {
    this.hears(from, {
      kind: "appendReply",
      term: this.core.status().term,
      accepted: true,
      index: index as LogIndex,
      hintIndex: 0 as LogIndex,
      hintTerm: 0 as Term,
    });
  }
}

const bytes = Buffer.from("x");

test("a candidacy speaks only once its term and vote are durable", () => {
  const harness = new Harness();
  harness.node.start();
  while (!harness.isWriting) {
    harness.clock.advance(tickMs);
    if (harness.sent.some(({ message }) => message.kind === "preVote"))
      harness.hears(2n, { kind: "preVoteReply", term: 2 as Term, granted: true });
  }
  harness.clock.advance(5 * tickMs);
  assert.ok(!harness.sent.some(({ message }) => message.kind === "vote"));
  harness.finishWrite();
  assert.equal(harness.sent.filter(({ message }) => message.kind === "vote").length, 2);
});

test("a follower acknowledges what is durable, and no sooner", () => {
  const harness = new Harness();
  harness.node.start();
  const entries = [{ index: 1 as LogIndex, term: 2 as Term, data: bytes }];
  harness.hears(2n, {
    kind: "append",
    term: 2 as Term,
    prevIndex: 0 as LogIndex,
    prevTerm: 0 as Term,
    commit: 1 as LogIndex,
    entries,
  });
  assert.deepEqual(harness.events, ["write 1"]);
  harness.finishWrite();
  // Committed long ago, but applied only now: nothing is applied that is not durable here.
  assert.deepEqual(harness.events, ["write 1", "written", "send appendReply to 2", "apply 1"]);
});

test("a leader's appends leave beside its own write, and its copy counts only after it", () => {
  const harness = new Harness();
  harness.lead();
  harness.node.propose(1, bytes);
  harness.clock.settle();
  assert.deepEqual(harness.events, ["send append to 2", "send append to 3", "write 2"]);
  harness.acknowledge(2n, 2);
  assert.ok(!harness.events.some((event) => event.startsWith("apply")), "one durable copy of three is no majority");
  harness.finishWrite();
  assert.equal(harness.events.filter((event) => event === "apply 2").length, 1);
});

test("proposals of one turn of the loop share a write, and those that come during it share the next", () => {
  const harness = new Harness();
  harness.lead();
  for (let n = 1; n <= 3; n++) harness.node.propose(n, bytes);
  harness.clock.settle();
  for (let n = 4; n <= 6; n++) {
    harness.node.propose(n, bytes);
    harness.clock.settle();
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

test("while the disk is slow heartbeats leave and reads are confirmed", () => {
  const harness = new Harness();
  harness.lead();
  harness.node.propose(1, bytes);
  harness.clock.settle();
  assert.ok(harness.isWriting);
  harness.node.readIndex(7);
  harness.clock.advance(3 * heartbeatTicks * tickMs);
  const beats = harness.sent.flatMap(({ message }) => (message.kind === "heartbeat" ? [message.round] : []));
  assert.ok(beats.length >= 6);
  harness.hears(2n, { kind: "heartbeatReply", term: 2 as Term, round: Math.max(...beats) });
  assert.deepEqual(harness.reads, [{ request: 7, index: 1 }]);
  assert.ok(harness.isWriting);
});

test("the machine is given more when it can take more, and nothing else waits for it", () => {
  const harness = new Harness();
  harness.lead();
  harness.appliesAtOnce = false;
  for (let n = 1; n <= 2; n++) {
    harness.node.propose(n, bytes);
    harness.clock.settle();
    harness.finishWrite();
    harness.acknowledge(2n, n + 1);
  }
  const applies = (): string[] => harness.events.filter((event) => event.startsWith("apply"));
  assert.deepEqual(applies(), ["apply 2"]);
  harness.finishApply();
  assert.deepEqual(applies(), ["apply 2", "apply 3"]);
});

test("refusals and changes of the leader are reported, once each", () => {
  const harness = new Harness();
  harness.node.start();
  harness.node.propose(5, bytes);
  harness.node.readIndex(6);
  harness.clock.settle();
  assert.deepEqual(harness.refusals, [
    { what: "proposal", number: 5, reason: "no-leader" },
    { what: "read", number: 6, reason: "no-leader" },
  ]);
  const heartbeat: PeerMessage = { kind: "heartbeat", term: 2 as Term, commit: 0 as LogIndex, round: 1 };
  harness.hears(2n, heartbeat);
  harness.hears(2n, heartbeat);
  assert.deepEqual(
    harness.statuses.map(({ leader, term }) => [leader, term]),
    [[2n, 2]],
  );
});

test("a broken invariant stops the node and is reported once", () => {
  const harness = new Harness();
  harness.node.start();
  const heartbeat: PeerMessage = { kind: "heartbeat", term: 2 as Term, commit: 0 as LogIndex, round: 1 };
  harness.hears(2n, heartbeat);
  harness.hears(3n, heartbeat); // a second leader in one term
  assert.match(harness.failures[0]?.message ?? "", /two leaders in one term/);
  const before = harness.events.length;
  harness.hears(3n, heartbeat);
  harness.node.propose(1, bytes);
  harness.clock.advance(1_000);
  assert.equal(harness.failures.length, 1);
  assert.equal(harness.events.length, before);
  assert.equal(harness.clock.pendingTimers, 0);
});

test("a log or a machine that throws stops the node and is reported once", () => {
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

test("a write that ends after the node stopped says and applies nothing", () => {
  const harness = new Harness();
  harness.lead();
  harness.node.propose(1, bytes);
  harness.clock.settle();
  harness.acknowledge(2n, 2);
  harness.node.stop();
  harness.events.length = 0;
  harness.finishWrite();
  assert.deepEqual(harness.events, ["written"]);
  assert.equal(harness.clock.pendingTimers, 0);
  const { role, leader, term } = harness.node.status();
  assert.deepEqual([role, leader, term], ["follower", noMember, 2]); // it leads nobody any more
});

test("a write that ends after the node stopped acknowledges nothing", () => {
  const harness = new Harness();
  harness.node.start();
  const entries = [{ index: 1 as LogIndex, term: 2 as Term, data: bytes }];
  const at = { prevIndex: 0 as LogIndex, prevTerm: 0 as Term, commit: 0 as LogIndex };
  harness.hears(2n, { kind: "append", term: 2 as Term, ...at, entries });
  harness.node.stop();
  harness.finishWrite();
  assert.deepEqual(harness.events, ["write 1", "written"]);
});

test("a process that stood still makes up for a few ticks only: it reads its heartbeats before it campaigns", () => {
  const harness = new Harness();
  harness.node.start();
  harness.hears(2n, { kind: "heartbeat", term: 2 as Term, commit: 0 as LogIndex, round: 1 });
  harness.finishWrite();
  harness.events.length = 0;
  harness.clock.freeze(100 * electionTicks * tickMs);
  harness.clock.advance(0); // the late timer fires
  assert.deepEqual(harness.events, []);
  assert.equal(harness.node.status().leader, 2n);
});

test("a single member needs nobody: its own durable copy commits", () => {
  const harness = new Harness([1n]);
  harness.node.start();
  harness.clock.advance(tickMs);
  harness.finishWrite(); // term and vote
  harness.finishWrite(); // the no-op
  harness.node.propose(1, bytes);
  harness.clock.settle();
  harness.finishWrite();
  assert.deepEqual(
    harness.events.filter((event) => event.startsWith("apply")),
    ["apply 1", "apply 2"],
  );
});
