import type { Configuration, LogBase } from "./configuration.js";
import type { CurrentTerm } from "./current-term.js";
import type { Elections } from "./elections.js";
import { invariant } from "./invariant.js";
import type { Log } from "./log.js";
import type { Outbox } from "./outbox.js";
import { noMember, type LogPosition } from "./ids.js";
import type { ReceivedSnapshot } from "./types.js";

/** A snapshot before (`received`), during (`handedOut`) and after its installation in the state machine (`installed`: the log must restart). */
type Installation =
  | { readonly stage: "received" | "handedOut"; readonly position: LogPosition }
  | { readonly stage: "installed"; readonly base: LogBase };

/**
 * Replaces a follower's log by a snapshot, Raft paper §7, in this order: the state machine installs the snapshot durably, the log
 * restarts after it, the follower acknowledges it. Until then the log does not change and this member does not campaign.
 */
export class Installer {
  private current: Installation | undefined;

  constructor(
    private readonly log: Log,
    private readonly currentTerm: CurrentTerm,
    private readonly elections: Elections,
    private readonly outbox: Outbox,
  ) {}

  /** Tells whether a snapshot is being installed. */
  get isUnderWay(): boolean {
    return this.current !== undefined;
  }

  /**
   * Decides about a snapshot that was received from another member.
   *
   * @returns whether it will be installed; false if its leader is of an older term, the log already holds as much, or another snapshot
   * is being installed
   */
  acceptSnapshot({ from, leaderTerm, position }: ReceivedSnapshot): boolean {
    if (leaderTerm < this.currentTerm.term || this.current !== undefined) return false;
    invariant(position.term <= leaderTerm, "a snapshot that contains an entry of a later term than its leader's");
    this.elections.learnLeader(from, leaderTerm);
    // A log that holds that entry holds all before it. Later entries stay: they may be acknowledged. Raft paper §7, figure 13.
    if (this.log.termAt(position.index) === position.term) this.log.commitTo(position.index);
    if (position.index <= this.log.commit) {
      this.outbox.acknowledgeAppend(from, this.log.commit); // the leader continues from there
      return false;
    }
    this.current = { position, stage: "received" };
    this.elections.isPaused = true;
    return true;
  }

  /** Returns the position of the snapshot that the state machine must install now, once. */
  takeInstall(): LogPosition | undefined {
    if (this.current?.stage !== "received") return undefined;
    // The term must be durable first: after a crash the state machine must not contain a later term than the hard state.
    if (!this.outbox.isHardStateDurable) return undefined;
    const { position } = this.current;
    this.current = { stage: "handedOut", position };
    return position;
  }

  /** Records that the state machine holds the snapshot durably; `configuration` is in force at its position. */
  onInstalled(configuration: Configuration): void {
    invariant(this.current?.stage === "handedOut", "the end of an installation that did not begin");
    this.current = { stage: "installed", base: { ...this.current.position, configuration } };
  }

  /** The base at which the next write must restart the log; undefined without one. */
  get pendingRestart(): LogBase | undefined {
    return this.current?.stage === "installed" ? this.current.base : undefined;
  }

  /** Restarts the log in memory once the restart on disk is durable, and acknowledges the snapshot. */
  onLogRestarted(base: LogBase): void {
    this.log.restart(base);
    this.current = undefined;
    this.elections.isPaused = false;
    // A leader of the snapshot's term or a later one holds all that it contains. Paper §5.4, leader completeness.
    if (this.elections.leader !== noMember) this.outbox.acknowledgeAppend(this.elections.leader, base.index);
  }
}
