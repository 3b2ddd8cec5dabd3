import type { Elections } from "./elections.js";
import { invariant } from "./invariant.js";
import type { Log } from "./log.js";
import type { Outbox } from "./outbox.js";
import { noMember, type LogPosition, type ReceivedSnapshot } from "./types.js";

export interface InstallerOptions {
  readonly log: Log;
  readonly elections: Elections;
  readonly outbox: Outbox;
}

/** `received`; `handedOut` to the state machine; `installed` there, so the log is to begin anew. */
interface Installation {
  readonly position: LogPosition;
  readonly stage: "received" | "handedOut" | "installed";
}

/**
 * A snapshot takes the place of a follower's log, raft paper §7, in this order: the state machine holds it durably, the log
 * begins anew behind it, the leader is told. Until then the log stands still, and this member starts no candidacy.
 */
export class Installer {
  private readonly log: Log;
  private readonly elections: Elections;
  private readonly outbox: Outbox;
  private current: Installation | undefined;

  constructor({ log, elections, outbox }: InstallerOptions) {
    this.log = log;
    this.elections = elections;
    this.outbox = outbox;
  }

  get isUnderWay(): boolean {
    return this.current !== undefined;
  }

  /**
   * A snapshot was received from another voter.
   *
   * @returns whether it will be installed; otherwise it is an old leader's, or this member holds as much
   */
  acceptSnapshot({ from, leaderTerm, position }: ReceivedSnapshot): boolean {
    if (leaderTerm < this.elections.term || this.current !== undefined) return false;
    invariant(position.term <= leaderTerm, "a snapshot that contains an entry of a later term than its leader's");
    this.elections.learnLeader(from, leaderTerm);
    // With that entry our log holds all before it, too; what follows stays, as it may have been acknowledged. Paper §7.
    if (this.log.termAt(position.index) === position.term) this.log.commitTo(position.index);
    if (position.index <= this.log.commit) {
      this.outbox.acknowledgeAppend(from, this.log.commit); // so that the leader goes on from there
      return false;
    }
    this.current = { position, stage: "received" };
    this.elections.isPaused = true;
    return true;
  }

  /** What the state machine is to take over now, once. */
  takeInstall(): LogPosition | undefined {
    if (this.current?.stage !== "received") return undefined;
    // A crash must not leave a state machine that holds an entry of a term which the member has forgotten.
    if (!this.outbox.isHardStateDurable) return undefined;
    this.current = { ...this.current, stage: "handedOut" };
    return this.current.position;
  }

  /** The state machine holds it. */
  onInstalled(): void {
    invariant(this.current?.stage === "handedOut", "the end of an installation that did not begin");
    this.current = { ...this.current, stage: "installed" };
  }

  /** Where the next write lets the log begin anew; undefined: nowhere. */
  get pendingRestart(): LogPosition | undefined {
    return this.current?.stage === "installed" ? this.current.position : undefined;
  }

  /** The log that begins behind the snapshot is durable. */
  onLogRestarted(position: LogPosition): void {
    this.log.restart(position);
    this.current = undefined;
    this.elections.isPaused = false;
    // Whoever leads this term or a later one than the snapshot's holds all that it contains. Paper §5.4, leader completeness.
    if (this.elections.leader !== noMember) this.outbox.acknowledgeAppend(this.elections.leader, position.index);
  }
}
