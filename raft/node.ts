import { asError, type Clock } from "../platform/index.js";
import {
  type Configuration,
  type CoreStatus,
  type Entry,
  type HardState,
  type Input,
  type LogBase,
  type LogIndex,
  type LogPosition,
  type MemberId,
  noMember,
  type Notice,
  type Outgoing,
  type PeerMessage,
  type RaftCore,
  type ReadState,
  type ReceivedSnapshot,
  type Refusal,
  type Term,
  type Unsaved,
} from "./core/index.js";

/** The durable log; `Wal` implements it. At most one `append` or `restart` is under way at a time. */
export interface LogStore {
  /** Writes entries and hard state. Calls `done` once both are durable, never synchronously, and never after a failure. */
  append(hardState: HardState | undefined, entries: readonly Entry[], done: () => void): void;
  /** Empties the log and sets its base; a crash leaves the old log or the new one. `done` as with `append`. */
  restart(base: LogBase, hardState: HardState, done: () => void): void;
  /** Allows removing the entries up to `through` from disk: the state machine holds them durably. */
  truncate(through: LogIndex): void;
}

/** Carries messages to other members. May lose messages, and never alters them. */
export interface Transport {
  /** Sends the messages in order. */
  send(messages: readonly Outgoing[]): void;
}

/** The replicated state machine that the log feeds. */
export interface StateMachine {
  /** Applies `entries` in order; calls `done`, perhaps synchronously, when it accepts more. */
  apply(entries: readonly Entry[], done: () => void): void;
  /**
   * Replaces the state by the received snapshot of the log up to `position`; calls `done` once that is durable, with the
   * configuration that the snapshot contains. Never called while `apply` is under way. After a failure `done` is never called
   * and the member must stop.
   */
  install(position: LogPosition, done: (configuration: Configuration) => void): void;
}

/** The snapshots of a node that runs: those that it sends, and the one that it has received. */
export interface SnapshotTransfers {
  /**
   * Sends a snapshot to `peer`; this member leads. `RaftNode.onSnapshotEnded` must follow, however the snapshot ends. May be
   * called again while a snapshot is sent, as in a new term: one `onSnapshotEnded` is enough.
   */
  sendSnapshot(peer: MemberId): void;
  /** Discards the snapshot given to `onSnapshotReceived`, which will not be installed. */
  discardReceived(position: LogPosition): void;
}

/** Receives the events of a node that runs. */
export interface NodeListener {
  /** Reports a confirmed read: it may be answered once its index is applied. */
  onReadState(read: ReadState): void;
  /** Reports a refused proposal or read. */
  onRefusal(refusal: Refusal): void;
  /** Reports a change of term, role or known leader. */
  onStatusChange(status: CoreStatus): void;
  /** Reports the end of all transfers requested by `transferLeadership`: `ok` if the transferee leads. */
  onTransferEnded(ok: boolean): void;
  /** Reports a broken invariant: the node has stopped. */
  onFailure(error: Error): void;
}

/** The parts that a node connects. */
export interface NodeOptions {
  readonly core: RaftCore;
  readonly log: LogStore;
  readonly transport: Transport;
  readonly clock: Clock;
  /** The core's ticks between two heartbeats. */
  readonly heartbeatTicks: number;
}

/** The parts that a running node calls, and the listener that receives its events. */
interface Run {
  readonly machine: StateMachine;
  readonly snapshots: SnapshotTransfers;
  readonly listener: NodeListener;
}

/** The length of one tick of the core, in milliseconds. */
export const tickMs = 10;

/**
 * The most ticks per timer while a leader is known, and at most a third of a heartbeat interval: the member reacts late by two
 * ticks, and an idle member wakes up less often.
 */
const maxTicksWithLeader = 3;

/**
 * The most missed ticks counted after the event loop was blocked. More would start an election in a member that was frozen,
 * before it reads the heartbeats that wait in its sockets.
 */
const maxTicksAtOnce = 5;

/**
 * Drives one core: steps it with events, writes its unsaved state, sends its messages, applies its committed entries. The
 * order of these is crash safety; the node decides nothing itself.
 */
export class RaftNode {
  private readonly core: RaftCore;
  private readonly log: LogStore;
  private readonly transport: Transport;
  private readonly clock: Clock;
  private readonly ticksWithLeader: number;
  private stopTicking: (() => void) | undefined;
  private lastTickAt = 0;
  private lateHeartbeats = 0;
  private readonly heartbeatMs: number;
  private isWriting = false;
  private isApplying = false;
  private isPumpScheduled = false;
  /** The parts of a running node. Undefined before `start` and after `stop`: then the core is not stepped. */
  private run: Run | undefined;
  private isStopped = false;
  private reported: CoreStatus;

  constructor(options: NodeOptions) {
    this.core = options.core;
    this.log = options.log;
    this.transport = options.transport;
    this.clock = options.clock;
    this.ticksWithLeader = Math.max(1, Math.min(maxTicksWithLeader, Math.floor(options.heartbeatTicks / 3)));
    this.heartbeatMs = options.heartbeatTicks * tickMs;
    this.reported = this.core.status();
  }

  /** Starts the node, once: until `stop` it takes part, feeds `machine` and reports to `listener`. Does nothing after `stop`. */
  start(machine: StateMachine, snapshots: SnapshotTransfers, listener: NodeListener): void {
    if (this.isStopped) return;
    this.run = { machine, snapshots, listener };
    this.lastTickAt = this.clock.now();
    this.startTicking();
    this.schedulePump(); // a single voter has begun its candidacy already
  }

  private startTicking(): void {
    this.stopTicking?.();
    const ticks = this.reported.leader === noMember ? 1 : this.ticksWithLeader;
    this.stopTicking = this.clock.every(ticks * tickMs, () => this.tick());
  }

  /** Stops the node. A write under way still ends; nothing is sent or applied afterwards. */
  stop(): void {
    this.isStopped = true;
    this.run = undefined;
    this.stopTicking?.();
    this.stopTicking = undefined;
  }

  /** Proposes `data`; a refusal returns the number `proposal`. Without one, the data may appear among the applied entries. */
  propose(proposal: number, data: Uint8Array): void {
    this.step({ kind: "propose", proposal, data });
  }

  /** Starts a linearizable read; `onReadState` or `onRefusal` returns `request`. Raft thesis §6.4. */
  readIndex(request: number): void {
    this.step({ kind: "readIndex", request });
  }

  /** Handles a peer's message. */
  receiveMessage(from: MemberId, message: PeerMessage): void {
    this.step({ kind: "receive", from, message });
  }

  /** Handles a new connection to `peer`. */
  onLinkOpened(peer: MemberId): void {
    this.step({ kind: "linkOpened", peer });
  }

  /** Handles the end of a connection to or from `peer`. */
  onLinkClosed(peer: MemberId): void {
    this.step({ kind: "linkClosed", peer });
  }

  /**
   * Handles the end of a snapshot for `peer`, successful or not: the leader probes its log. If it still needs a snapshot,
   * `sendSnapshot` follows at once, so a failure should be reported after a delay.
   */
  onSnapshotEnded(peer: MemberId): void {
    this.step({ kind: "snapshotEnded", peer });
  }

  /** Handles a received snapshot, complete and verified: it is installed or discarded. One at a time. */
  onSnapshotReceived(snapshot: ReceivedSnapshot): void {
    this.step({ kind: "snapshotReceived", ...snapshot });
  }

  /** Transfers leadership to `to`, or with undefined to the follower with the longest log; `onTransferEnded` follows. Raft thesis §3.10. */
  transferLeadership(to: MemberId | undefined): void {
    this.step({ kind: "transferLeadership", to });
  }

  /** Compacts the log up to `through`, which the state machine holds durably. Raft paper §7. */
  compact(through: LogIndex): void {
    if (this.run === undefined) return;
    const before = this.core.status().base;
    try {
      const base = this.core.compact(through);
      if (base.index > before.index) this.log.truncate(base.index);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The current term. */
  get term(): Term {
    return this.core.term;
  }

  /** Returns the core's status; a node that does not run is a follower without a leader. */
  status(): CoreStatus {
    const status = this.core.status();
    return this.run === undefined ? { ...status, role: "follower", leader: noMember } : status;
  }

  /** The heartbeats that this member sent late by one interval or more while it led: its process or machine is overloaded. */
  get overdueHeartbeats(): number {
    return this.lateHeartbeats;
  }

  private tick(): void {
    const elapsed = Math.floor((this.clock.now() - this.lastTickAt) / tickMs);
    if (elapsed * tickMs >= 2 * this.heartbeatMs && this.reported.role === "leader") this.lateHeartbeats++;
    const ticks = Math.min(elapsed, maxTicksAtOnce);
    this.lastTickAt += elapsed * tickMs;
    for (let i = 0; i < ticks; i++) this.stepCore({ kind: "tick" });
    if (!this.isPumpScheduled) this.pump(); // at once: no other input comes with a tick
  }

  private step(input: Input): void {
    this.stepCore(input);
    this.schedulePump();
  }

  private stepCore(input: Input): void {
    if (this.run === undefined) return;
    try {
      this.core.step(input);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Schedules one pump for all inputs of a turn of the event loop: they share a batch. */
  private schedulePump(): void {
    if (this.isPumpScheduled || this.run === undefined) return;
    this.isPumpScheduled = true;
    this.clock.soon(this.pumpNow);
  }

  // One function for all turns: an arrow function in `schedulePump` would allocate memory for every input.
  private readonly pumpNow = (): void => {
    this.isPumpScheduled = false;
    this.pump();
  };

  private pump(): void {
    const { run } = this;
    if (run === undefined) return;
    try {
      this.transport.send(this.core.takeMessages()); // a leader whose term is durable may send during its own disk write
      this.writeUnsaved();
      this.applyCommitted(run.machine);
      this.installSnapshot(run.machine);
      this.reportEvents(run);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Starts a write unless one is under way; the next write takes all that is unsaved by then. */
  private writeUnsaved(): void {
    if (this.isWriting) return;
    const unsaved = this.core.takeUnsaved();
    if (unsaved === undefined) return;
    if (unsaved.hardState === undefined && unsaved.entries.length === 0) {
      this.transport.send(unsaved.replies); // these replies depend on durable state only
      this.core.onSaved(unsaved);
      this.schedulePump();
      return;
    }
    this.isWriting = true;
    const done = (): void => this.onWritten(unsaved);
    if (unsaved.restart === undefined) this.log.append(unsaved.hardState, unsaved.entries, done);
    else this.log.restart(unsaved.restart, unsaved.hardState, done);
  }

  private onWritten(unsaved: Unsaved): void {
    this.isWriting = false;
    if (this.run === undefined) return;
    try {
      this.transport.send(unsaved.replies); // votes, vote requests and acknowledgements depend on this write
      this.core.onSaved(unsaved); // the leader's own copy counts from here
    } catch (error) {
      this.fail(error);
      return;
    }
    this.pump();
  }

  private applyCommitted(machine: StateMachine): void {
    if (this.isApplying) return;
    const committed = this.core.takeCommitted(); // committed *and* durable here
    if (committed.length === 0) return;
    this.isApplying = true;
    machine.apply(committed, () => {
      this.isApplying = false;
      if (this.core.hasMoreToApply) this.schedulePump();
    });
  }

  /**
   * Installs a snapshot: the state machine first, then the log. A crash between the two leaves a state machine ahead of its log,
   * which the next start repairs. The other order would lose entries.
   */
  private installSnapshot(machine: StateMachine): void {
    if (this.isApplying) return;
    const position = this.core.takeInstall();
    if (position === undefined) return;
    this.isApplying = true;
    machine.install(position, (configuration) => {
      this.isApplying = false;
      this.step({ kind: "snapshotInstalled", configuration }); // the next write restarts the log
    });
  }

  private reportEvents(run: Run): void {
    const { listener } = run;
    for (const read of this.core.takeReadStates()) listener.onReadState(read);
    for (const refusal of this.core.takeRefusals()) listener.onRefusal(refusal);
    this.reportStatus(listener);
    for (const notice of this.core.takeNotices()) handleNotice(run, notice);
  }

  private reportStatus(listener: NodeListener): void {
    const { term, role, leader } = this.core;
    if (term === this.reported.term && role === this.reported.role && leader === this.reported.leader) return;
    const changesTickRate = (leader === noMember) !== (this.reported.leader === noMember);
    this.reported = this.core.status();
    if (changesTickRate && this.stopTicking !== undefined) this.startTicking();
    listener.onStatusChange(this.reported);
  }

  private fail(error: unknown): void {
    const { run } = this;
    this.stop();
    run?.listener.onFailure(asError(error));
  }
}

const handleNotice = ({ snapshots, listener }: Run, notice: Notice): void => {
  switch (notice.kind) {
    case "snapshotNeeded":
      snapshots.sendSnapshot(notice.peer);
      return;
    case "snapshotRefused":
      snapshots.discardReceived(notice.position);
      return;
    case "transferEnded":
      listener.onTransferEnded(notice.ok);
      return;
  }
};
