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

/** The options of `ClientRequests`. */
export interface ClientRequestsOptions {
  /** The ticks after which a forwarded read without an answer is refused. */
  readonly electionTicks: number;
  /** The bound on forwarded reads without an answer. A further read is refused as `too-many`. */
  readonly maxPendingReads: number;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
  /** Sends a message that needs no durable state. */
  readonly forward: (to: MemberId, message: PeerMessage) => void;
}

/** The destination of a request: this member's own leadership, or the leader that it knows. */
export interface Route {
  readonly leadership: Leadership | undefined;
  /** The known leader; `noMember` if there is none. */
  readonly leader: MemberId;
}

const nothing: readonly never[] = [];

/** Routes the proposals and reads of this member's clients to the leader and collects the answers. */
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

  /** Returns the confirmed reads since the last call. */
  takeReadStates(): readonly ReadState[] {
    if (this.readStates.length === 0) return nothing;
    const readStates = this.readStates;
    this.readStates = [];
    return readStates;
  }

  /** Returns the refused proposals and reads since the last call. */
  takeRefusals(): readonly Refusal[] {
    if (this.refusals.length === 0) return nothing;
    const refusals = this.refusals;
    this.refusals = [];
    return refusals;
  }

  private refuse(what: Refusal["what"], number: number, reason: RefusalReason): void {
    this.refusals.push({ what, number, reason });
  }

  /** Appends a proposal if this member leads, forwards it to the known leader, or refuses it. */
  propose({ proposal, data }: { proposal: number; data: Uint8Array }, { leadership, leader }: Route): void {
    invariant(data.length > 0, "an empty proposal: that is what a leader's no-op looks like");
    if (leadership !== undefined) {
      const reason = leadership.propose(data);
      if (reason !== undefined) this.refuse("proposal", proposal, reason);
    } else if (leader === noMember) this.refuse("proposal", proposal, "no-leader");
    else this.forward(leader, { kind: "forwardedProposal", data });
  }

  /** Starts a linearizable read: here if this member leads, else at the known leader. Raft thesis §6.4. */
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

  /** Records a read that this member's own leadership confirmed. */
  onReadConfirmed(read: ReadState): void {
    this.readStates.push(read);
  }

  /** Refuses a read that this member's leadership could not confirm before it ended. */
  onReadDropped(request: number): void {
    this.refuse("read", request, "no-leader");
  }

  /** Records the leader's answer to a forwarded read; one that has expired is ignored. */
  onForwardedReadReply({ request: number, index }: ForwardedReadReply): void {
    const request = this.forwardedReads.takeRead(number);
    if (request !== undefined) this.readStates.push({ request, index });
  }

  /** Counts a tick and refuses the forwarded reads that have expired. */
  tick(): void {
    this.now++;
    this.expireForwardedReads(this.now);
  }

  /** Refuses all forwarded reads: the former leader does not answer them. */
  onLeaderChanged(): void {
    this.expireForwardedReads(Infinity);
  }

  /** Refuses the forwarded reads that expire by `dueBy`: one may be lost without the link closing, and repeating it is harmless. */
  private expireForwardedReads(dueBy: number): void {
    for (;;) {
      const request = this.forwardedReads.takeExpiredRead(dueBy);
      if (request === undefined) return;
      this.refuse("read", request, "no-leader");
    }
  }
}
