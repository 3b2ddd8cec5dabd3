import type { Forwarding } from "./forwarding.js";
import { Leadership, type LeadershipParts } from "./leadership.js";
import { noMember, type MemberId, type Term } from "./ids.js";

/** A leadership transfer under way. Raft thesis §3.10. */
interface Transfer {
  readonly to: MemberId;
  ticksLeft: number;
}

/** The role of leader: this member's leadership while it leads, and the transfer of it to another member. */
export class LeaderRole {
  private current: Leadership | undefined;
  /** The leadership transfer under way; ended by a new leader, a closed link or an election timeout. */
  private transfer: Transfer | undefined;

  constructor(
    private readonly parts: LeadershipParts,
    private readonly forwarding: Forwarding,
  ) {}

  /** The state of the leader; undefined while this member does not lead. */
  get leadership(): Leadership | undefined {
    return this.current;
  }

  /** The transferee of the transfer under way; undefined without one. */
  get transferee(): MemberId | undefined {
    return this.transfer?.to;
  }

  /** Begins this member's leadership of `term`. */
  beginLeadership(term: Term): void {
    this.current = new Leadership(this.parts, term);
  }

  /** Ends the leadership, if there is one: this member's unconfirmed reads are refused, forwarded ones are dropped. */
  endLeadership(): void {
    const unanswered = this.current?.pendingReads() ?? [];
    this.current = undefined;
    const { id, answers, notices } = this.parts;
    notices.withdrawSnapshots();
    for (const { from, request } of unanswered) if (from === id) answers.refuse("read", request, "no-leader");
  }

  /** Handles a change of the known leader, perhaps to `noMember`. */
  onLeaderChanged(leader: MemberId): void {
    this.forwarding.onLeaderChanged();
    if (this.transfer !== undefined && leader !== noMember) this.endTransfer(leader === this.transfer.to);
  }

  /** Counts a tick. @returns false if this member leads and no majority is active: it must step down */
  tick(): boolean {
    if (this.transfer !== undefined && --this.transfer.ticksLeft <= 0) this.endTransfer(false);
    return this.current?.tick() ?? true;
  }

  /** Handles a new connection to `peer`. */
  onLinkOpened(peer: MemberId): void {
    this.current?.onLinkOpened(peer);
  }

  /** Handles the end of a connection to `peer`. */
  onLinkClosed(peer: MemberId): void {
    this.current?.onLinkClosed(peer);
    if (peer === this.transfer?.to) this.endTransfer(false);
  }

  /** Records that a write is durable. */
  onSaved(): void {
    this.current?.onSaved();
  }

  /** Adjusts to the new base of the log. */
  onLogCompacted(): void {
    this.current?.onLogCompacted();
  }

  /** Handles the end of the snapshot for `peer`, successful or not. */
  onSnapshotEnded(peer: MemberId): void {
    this.current?.onSnapshotEnded(peer);
  }

  /** Transfers leadership to `wanted`; undefined chooses the follower with the longest log. Raft thesis §3.10. */
  transferLeadership(wanted: MemberId | undefined): void {
    if (this.current === undefined) {
      // This member may have stepped down for the transferee already: that transfer then answers this request, too.
      if (this.transfer === undefined) this.endTransfer(false);
      return;
    }
    const isSelf = wanted === this.parts.id;
    const to = this.current.findTransferee(wanted);
    if (isSelf || to === undefined) {
      this.endTransfer(isSelf);
      return;
    }
    // A second request changes the transferee but not the deadline: proposals wait for one election timeout at most.
    this.transfer = { to, ticksLeft: this.transfer?.ticksLeft ?? this.parts.timing.electionTicks };
    this.current.setTransferee(to);
  }

  /** Ends the transfer; a member that still leads accepts proposals again. Raft thesis §3.10: "after about an election timeout". */
  private endTransfer(ok: boolean): void {
    this.transfer = undefined;
    this.current?.setTransferee(undefined);
    this.parts.notices.addNotice({ kind: "transferEnded", ok });
  }
}
