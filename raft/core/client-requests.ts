import { ForwardedReads } from "./forwarded-reads.js";
import { invariant } from "./invariant.js";
import type { Leadership } from "./leadership.js";
import {
  noMember,
  type ForwardedReadReply,
  type MemberId,
  type PeerMessage,
  type ReadState,
  type Refusal,
  type RefusalReason,
} from "./types.js";

export interface ClientRequestsOptions {
  /** How long an answer to a forwarded read is waited for. */
  readonly electionTicks: number;
  readonly maxPendingReads: number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly forward: (to: MemberId, message: PeerMessage) => void;
}

/** Where a request goes: to this member's own leadership, or to the leader it knows. */
export interface Route {
  readonly leadership: Leadership | undefined;
  /** `noMember`: nobody is known to lead. */
  readonly leader: MemberId;
}

const nothing: readonly never[] = [];

/** What this member's clients want of consensus: passed on to whoever leads, and answered. */
export class ClientRequests {
  private readonly electionTicks: number;
  private readonly maxPendingReads: number;
  private readonly forward: ClientRequestsOptions["forward"];
  private readonly forwardedReads: ForwardedReads;
  private readStates: ReadState[] = [];
  private refusals: Refusal[] = [];
  private now = 0;

  constructor(options: ClientRequestsOptions) {
    this.electionTicks = options.electionTicks;
    this.maxPendingReads = options.maxPendingReads;
    this.forward = options.forward;
    this.forwardedReads = new ForwardedReads(Math.floor(options.random() * 2 ** 48));
  }

  takeReadStates(): readonly ReadState[] {
    if (this.readStates.length === 0) return nothing;
    const readStates = this.readStates;
    this.readStates = [];
    return readStates;
  }

  takeRefusals(): readonly Refusal[] {
    if (this.refusals.length === 0) return nothing;
    const refusals = this.refusals;
    this.refusals = [];
    return refusals;
  }

  private refuse(what: Refusal["what"], number: number, reason: RefusalReason): void {
    this.refusals.push({ what, number, reason });
  }

  propose({ proposal, data }: { proposal: number; data: Uint8Array }, { leadership, leader }: Route): void {
    invariant(data.length > 0, "an empty proposal: that is what a leader's no-op looks like");
    if (leadership !== undefined) {
      const reason = leadership.propose(data);
      if (reason !== undefined) this.refuse("proposal", proposal, reason);
    } else if (leader === noMember) this.refuse("proposal", proposal, "no-leader");
    else this.forward(leader, { kind: "forwardedProposal", data });
  }

  readIndex(request: number, { leadership, leader }: Route): void {
    if (leadership !== undefined) {
      const reason = leadership.readIndex({ from: leader, request });
      if (reason !== undefined) this.refuse("read", request, reason);
    } else if (leader === noMember) this.refuse("read", request, "no-leader");
    else if (this.forwardedReads.size >= this.maxPendingReads) this.refuse("read", request, "too-many");
    else {
      const number = this.forwardedReads.addRead({ request, expiresAt: this.now + this.electionTicks });
      this.forward(leader, { kind: "forwardedRead", request: number });
    }
  }

  /** This member's own leadership confirmed a read. */
  onReadConfirmed(read: ReadState): void {
    this.readStates.push(read);
  }

  /** This member's own leadership ended before it could confirm a read. */
  onReadDropped(request: number): void {
    this.refuse("read", request, "no-leader");
  }

  /** The leader answers a read that was forwarded to it. */
  onForwardedReadReply({ request: number, index }: ForwardedReadReply): void {
    const request = this.forwardedReads.takeRead(number);
    if (request !== undefined) this.readStates.push({ request, index });
  }

  tick(): void {
    this.now++;
    this.expireForwardedReads(this.now);
  }

  /** Reads that were asked of the leader before are lost with it. */
  onLeaderChanged(): void {
    this.expireForwardedReads(Infinity);
  }

  /** A forwarded read or its answer can be lost without the link closing; asking again does no harm. */
  private expireForwardedReads(dueBy: number): void {
    for (;;) {
      const request = this.forwardedReads.takeExpiredRead(dueBy);
      if (request === undefined) return;
      this.refuse("read", request, "no-leader");
    }
  }
}
