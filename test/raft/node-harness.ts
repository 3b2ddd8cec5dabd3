import { votersOnly } from "../../testing/entries.js";
import assert from "node:assert/strict";
import {
  type Configuration,
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
  type NodeListener,
  type Outgoing,
  type PeerMessage,
  type ReadState,
  type Refusal,
  type SnapshotTransfers,
  type StateMachine,
  type Term,
} from "../../raft/index.js";
import { VirtualClock } from "../../testing/virtual-clock.js";
import { toMemberId } from "../../testing/ids.js";

export const electionTicks = 10;
export const heartbeatTicks = 1;

/** A node whose disk, network and state machine act only when the test says; `events` lists what the node did. */
export class Harness {
  readonly clock = new VirtualClock();
  readonly events: string[] = [];
  readonly sent: Outgoing[] = [];
  readonly refusals: Refusal[] = [];
  readonly reads: ReadState[] = [];
  readonly statuses: CoreStatus[] = [];
  readonly failures: Error[] = [];
  readonly node: RaftNode;
  readonly core: RaftCore;
  /** The callback of the write in progress. */
  private written: (() => void) | undefined;
  private applied: ((configuration: Configuration) => void) | undefined;
  /** Whether the state machine applies entries immediately. */
  appliesAtOnce = true;
  onAppend: (hardState: HardState | undefined, entries: readonly Entry[]) => void = () => undefined;

  private readonly machine: StateMachine = {
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
  };

  private readonly snapshots: SnapshotTransfers = {
    sendSnapshot: (peer) => this.events.push(`snapshot needed by ${peer}`),
    discardReceived: ({ index }) => this.events.push(`snapshot refused ${index}`),
  };

  private readonly listener: NodeListener = {
    onReadState: (read) => this.reads.push(read),
    onRefusal: (refusal) => this.refusals.push(refusal),
    onStatusChange: (status) => this.statuses.push(status),
    onTransferEnded: (ok) => this.events.push(`transfer ended ${ok}`),
    onFailure: (error) => this.failures.push(error),
  };

  constructor(voters: readonly MemberId[] = [toMemberId(1n), toMemberId(2n), toMemberId(3n)]) {
    this.core = new RaftCore({
      id: toMemberId(1n),
      recovered: {
        hardState: { term: 1 as Term, vote: noMember, commit: 0 as LogIndex },
        base: { ...logStart, configuration: votersOnly(...voters) },
        entries: [],
      },
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
    });
  }

  get isWriting(): boolean {
    return this.written !== undefined;
  }

  /** Ends the write in progress. */
  finishWrite(): void {
    const done = this.written ?? assert.fail("no write is under way");
    this.written = undefined;
    this.events.push("written");
    done();
    this.clock.runSoon();
  }

  finishApply(): void {
    const done = this.applied ?? assert.fail("nothing is being applied");
    this.applied = undefined;
    done(this.core.status().configuration);
    this.clock.runSoon();
  }

  receive(from: MemberId, message: PeerMessage): void {
    this.node.receiveMessage(from, message);
    this.clock.runSoon();
  }

  start(): void {
    this.node.start(this.machine, this.snapshots, this.listener);
  }

  /** Wins an election on a disk without delay; the no-op becomes durable everywhere. */
  lead(): void {
    this.start();
    for (let tick = 0; !this.sent.some(({ message }) => message.kind === "preVote"); tick++) {
      assert.ok(tick < 100, "no candidacy");
      this.clock.advance(tickMs);
    }
    this.receive(toMemberId(2n), { kind: "preVoteReply", term: 2 as Term, granted: true });
    this.finishWrite();
    this.receive(toMemberId(2n), { kind: "voteReply", term: 2 as Term, granted: true });
    this.finishWrite();
    for (const follower of [toMemberId(2n), toMemberId(3n)]) this.acknowledge(follower, 1);
    assert.equal(this.node.status().role, "leader");
    this.events.length = 0;
    this.sent.length = 0;
  }

  acknowledge(from: MemberId, index: number): void {
    this.receive(from, {
      kind: "appendReply",
      term: this.core.status().term,
      accepted: true,
      index: index as LogIndex,
      hintIndex: 0 as LogIndex,
      hintTerm: 0 as Term,
    });
  }
}

export const bytes = Buffer.from("x");
