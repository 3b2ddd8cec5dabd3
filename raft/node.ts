import type { Clock } from "../platform/index.js";
import {
  type CoreStatus,
  type Entry,
  type HardState,
  type Input,
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
  type Unsaved,
} from "./core/index.js";

/** Where entries become durable; `Wal` is the real one. At most one `append` or `restart` is under way at a time. */
export interface LogStore {
  /** Calls `done` once everything is on disk, never synchronously; never calls it if that failed. */
  append(hardState: HardState | undefined, entries: readonly Entry[], done: () => void): void;
  /** The log begins anew after `base`, empty: a crash leaves either that or the old one. `done` as with `append`. */
  restart(base: LogPosition, hardState: HardState, done: () => void): void;
  /** Everything up to `through` may go from the disk, some time: it is in the state machine durably. */
  truncate(through: LogIndex): void;
}

/** Carries messages to other members. May lose them, never alters them. */
export interface Transport {
  send(messages: readonly Outgoing[]): void;
}

/** What the log is for. */
export interface StateMachine {
  /** Applies `entries` in order; calls `done` (perhaps at once) when it can take more. */
  apply(entries: readonly Entry[], done: () => void): void;
  /**
   * Takes over the snapshot that was received, which contains the log up to `position`; calls `done` once that is durable.
   * Never called while `apply` is under way. If it fails, the member must stop: `done` is never called.
   */
  install(position: LogPosition, done: () => void): void;
}

/** What the node tells the member it belongs to. */
export interface NodeListener {
  /** A read asked for with `readIndex` may be answered once `index` is applied. */
  onReadState(read: ReadState): void;
  onRefusal(refusal: Refusal): void;
  /** Term, role or known leader changed. */
  onStatusChange(status: CoreStatus): void;
  /**
   * `peer` lacks what is not in the log any more: it needs a snapshot of this member, which leads its term. However that ends,
   * `onSnapshotEnded` must follow. It may come again while one is sent, as in a new term: one end is enough then.
   */
  onSnapshotNeeded(peer: MemberId): void;
  /** The snapshot that `onSnapshotReceived` told of is of no use: it was not, and will not be, installed. */
  onSnapshotRefused(position: LogPosition): void;
  /** What `transferLeadership` asked for ended: `ok` if the member that was to lead does. One end for all requests under way. */
  onTransferEnded(ok: boolean): void;
  /** A broken invariant: this member has stopped; the others make up for it. */
  onFailure(error: Error): void;
}

export interface NodeOptions {
  readonly core: RaftCore;
  readonly log: LogStore;
  readonly transport: Transport;
  readonly machine: StateMachine;
  readonly listener: NodeListener;
  readonly clock: Clock;
  /** The core's. */
  readonly heartbeatTicks: number;
}

/** One tick of the core, in milliseconds. */
export const tickMs = 10;

/**
 * While a leader is known nothing depends on single ticks: so many are counted at once, or a third of a heartbeat's,
 * so that an idle member sleeps.
 */
const maxTicksWithLeader = 3;

/**
 * How many missed ticks are made up for when the event loop was held up. More would let a member that was
 * frozen count itself into an election before it reads the heartbeats that wait in its sockets.
 */
const maxTicksAtOnce = 5;

/**
 * Drives one core: feeds it what happens, writes what it wants durable, sends what it says, applies what it
 * commits. The order of those four is the whole of crash safety. One loop, no decision of its own.
 */
export class RaftNode {
  private readonly core: RaftCore;
  private readonly log: LogStore;
  private readonly transport: Transport;
  private readonly machine: StateMachine;
  private readonly listener: NodeListener;
  private readonly clock: Clock;
  private readonly ticksWithLeader: number;
  private stopTicking: (() => void) | undefined;
  private lastTickAt = 0;
  private isWriting = false;
  private isApplying = false;
  private isPumpScheduled = false;
  private isStopped = false;
  private reported: CoreStatus;

  constructor(options: NodeOptions) {
    this.core = options.core;
    this.log = options.log;
    this.transport = options.transport;
    this.machine = options.machine;
    this.listener = options.listener;
    this.clock = options.clock;
    this.ticksWithLeader = Math.max(1, Math.min(maxTicksWithLeader, Math.floor(options.heartbeatTicks / 3)));
    this.reported = this.core.status();
  }

  /** Starts the clock of this member. */
  start(): void {
    this.lastTickAt = this.clock.now();
    this.startTicking();
  }

  private startTicking(): void {
    this.stopTicking?.();
    const ticks = this.reported.leader === noMember ? 1 : this.ticksWithLeader;
    this.stopTicking = this.clock.every(ticks * tickMs, () => this.tick());
  }

  /** Stops taking part. A write under way still ends; nothing is sent or applied afterwards. */
  stop(): void {
    this.isStopped = true;
    this.stopTicking?.();
    this.stopTicking = undefined;
  }

  /** Proposes `data`; `proposal` comes back if it is refused, otherwise it may appear among the applied entries. */
  propose(proposal: number, data: Uint8Array): void {
    this.step({ kind: "propose", proposal, data });
  }

  /** Asks up to where the log must be applied for a read to be linearizable. Raft thesis §6.4. */
  readIndex(request: number): void {
    this.step({ kind: "readIndex", request });
  }

  receiveMessage(from: MemberId, message: PeerMessage): void {
    this.step({ kind: "receive", from, message });
  }

  onLinkClosed(peer: MemberId): void {
    this.step({ kind: "linkClosed", peer });
  }

  /**
   * The snapshot that `peer` needed was sent, or could not be: it is asked what it holds now, and if it still lacks too much,
   * `onSnapshotNeeded` comes again, at once. So a failure is better reported after a while.
   */
  onSnapshotEnded(peer: MemberId): void {
    this.step({ kind: "snapshotEnded", peer });
  }

  /** A snapshot was received, whole and verified: it will be installed, or `onSnapshotRefused` comes. One at a time. */
  onSnapshotReceived(snapshot: ReceivedSnapshot): void {
    this.step({ kind: "snapshotReceived", ...snapshot });
  }

  /** Hands leadership over to `to`, or if that is undefined to whoever holds most; `onTransferEnded` tells. Raft thesis §3.10. */
  transferLeadership(to: MemberId | undefined): void {
    this.step({ kind: "transferLeadership", to });
  }

  /** The log up to `through`, which the state machine holds durably, is not needed any more. Raft paper §7. */
  compact(through: LogIndex): void {
    if (this.isStopped) return;
    const before = this.core.status().base;
    try {
      const base = this.core.compact(through);
      if (base.index > before.index) this.log.truncate(base.index);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Once stopped it leads nobody, and knows of nobody who leads. */
  status(): CoreStatus {
    const status = this.core.status();
    return this.isStopped ? { ...status, role: "follower", leader: noMember } : status;
  }

  private tick(): void {
    const elapsed = Math.floor((this.clock.now() - this.lastTickAt) / tickMs);
    const ticks = Math.min(elapsed, maxTicksAtOnce);
    this.lastTickAt += elapsed * tickMs;
    for (let i = 0; i < ticks; i++) this.stepCore({ kind: "tick" });
    if (!this.isPumpScheduled) this.pump(); // at once: nothing comes together with a tick
  }

  private step(input: Input): void {
    this.stepCore(input);
    this.schedulePump();
  }

  private stepCore(input: Input): void {
    if (this.isStopped) return;
    try {
      this.core.step(input);
    } catch (error) {
      this.fail(error);
    }
  }

  /** One pump serves all inputs of a turn of the event loop: that is what makes batches. */
  private schedulePump(): void {
    if (this.isPumpScheduled || this.isStopped) return;
    this.isPumpScheduled = true;
    this.clock.soon(() => {
      this.isPumpScheduled = false;
      this.pump();
    });
  }

  private pump(): void {
    if (this.isStopped) return;
    try {
      this.transport.send(this.core.takeMessages()); // a leader whose term is durable may send beside its own disk write
      this.writeUnsaved();
      this.applyCommitted();
      this.installSnapshot();
      this.reportEvents();
    } catch (error) {
      this.fail(error);
    }
  }

  /** At most one write is under way; the next one takes all that gathers meanwhile. */
  private writeUnsaved(): void {
    if (this.isWriting) return;
    const unsaved = this.core.takeUnsaved();
    if (unsaved === undefined) return;
    if (unsaved.hardState === undefined && unsaved.entries.length === 0) {
      this.transport.send(unsaved.replies); // they speak of nothing that is not durable already
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
    if (this.isStopped) return;
    try {
      this.transport.send(unsaved.replies); // votes, vote requests, acknowledgements speak of what is durable
      this.core.onSaved(unsaved); // the leader's own copy counts from here
    } catch (error) {
      this.fail(error);
      return;
    }
    this.pump();
  }

  private applyCommitted(): void {
    if (this.isApplying) return;
    const committed = this.core.takeCommitted(); // committed *and* durable here
    if (committed.length === 0) return;
    this.isApplying = true;
    this.machine.apply(committed, () => {
      this.isApplying = false;
      this.schedulePump();
    });
  }

  /**
   * The state machine first, then the log: a crash between the two leaves a state machine that is ahead of its log, which
   * can be mended at the next start. The other way round entries would be lost.
   */
  private installSnapshot(): void {
    if (this.isApplying) return;
    const position = this.core.takeInstall();
    if (position === undefined) return;
    this.isApplying = true;
    this.machine.install(position, () => {
      this.isApplying = false;
      this.step({ kind: "snapshotInstalled" }); // the next write begins the log anew
    });
  }

  private reportEvents(): void {
    for (const read of this.core.takeReadStates()) this.listener.onReadState(read);
    for (const refusal of this.core.takeRefusals()) this.listener.onRefusal(refusal);
    this.reportStatus();
    for (const notice of this.core.takeNotices()) this.reportNotice(notice);
  }

  private reportStatus(): void {
    const { term, role, leader } = this.core.status();
    if (term === this.reported.term && role === this.reported.role && leader === this.reported.leader) return;
    const changesTickRate = (leader === noMember) !== (this.reported.leader === noMember);
    this.reported = this.core.status();
    if (changesTickRate && this.stopTicking !== undefined) this.startTicking();
    this.listener.onStatusChange(this.reported);
  }

  private reportNotice(notice: Notice): void {
    switch (notice.kind) {
      case "snapshotNeeded":
        this.listener.onSnapshotNeeded(notice.peer);
        return;
      case "snapshotRefused":
        this.listener.onSnapshotRefused(notice.position);
        return;
      case "transferEnded":
        this.listener.onTransferEnded(notice.ok);
        return;
    }
  }

  private fail(error: unknown): void {
    this.stop();
    this.listener.onFailure(error instanceof Error ? error : new Error(String(error)));
  }
}
