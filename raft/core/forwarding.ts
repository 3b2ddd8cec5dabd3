import type { ClientAnswers } from "./client-answers.js";
import { ForwardedReads } from "./forwarded-reads.js";
import type { Outbox } from "./outbox.js";
import { noMember, type MemberId } from "./ids.js";
import type { ForwardedReadReply } from "./types.js";

/** The options of `Forwarding`. */
export interface ForwardingOptions {
  /** The ticks after which a forwarded read without an answer is refused. */
  readonly electionTicks: number;
  /** The bound on forwarded reads without an answer. A further read is refused as `too-many`. */
  readonly maxPendingReads: number;
  /** The number of the first forwarded read: a random one. */
  readonly firstRead: number;
  readonly outbox: Outbox;
  readonly answers: ClientAnswers;
}

/** Forwards the proposals and reads of this member's clients to another member, which leads. */
export class Forwarding {
  private readonly electionTicks: number;
  private readonly maxPendingReads: number;
  private readonly outbox: Outbox;
  private readonly answers: ClientAnswers;
  private readonly forwardedReads: ForwardedReads;
  private now = 0;

  constructor(options: ForwardingOptions) {
    this.electionTicks = options.electionTicks;
    this.maxPendingReads = options.maxPendingReads;
    this.outbox = options.outbox;
    this.answers = options.answers;
    this.forwardedReads = new ForwardedReads(options.firstRead);
  }

  /** Forwards a proposal to `leader`; `noMember` refuses it. */
  propose(leader: MemberId, { proposal, data }: { proposal: number; data: Uint8Array }): void {
    if (leader === noMember) this.answers.refuse("proposal", proposal, "no-leader");
    else this.outbox.sendNow(leader, { kind: "forwardedProposal", data });
  }

  /** Starts a linearizable read at `leader`; `noMember` refuses it. Raft thesis §6.4. */
  readIndex(leader: MemberId, request: number): void {
    if (leader === noMember) this.answers.refuse("read", request, "no-leader");
    else if (this.forwardedReads.size >= this.maxPendingReads) this.answers.refuse("read", request, "too-many");
    else {
      const number = this.forwardedReads.addRead({ request, expiresAt: this.now + this.electionTicks });
      this.outbox.sendNow(leader, { kind: "forwardedRead", request: number });
    }
  }

  /** Records the leader's answer to a forwarded read; one that has expired is ignored. */
  onForwardedReadReply({ request: number, index }: ForwardedReadReply): void {
    const request = this.forwardedReads.takeRead(number);
    if (request !== undefined) this.answers.confirmRead({ request, index });
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

  /** Refuses the forwarded reads that expire by `dueBy`: a read or its answer may be lost while the link stays open. */
  private expireForwardedReads(dueBy: number): void {
    for (;;) {
      const request = this.forwardedReads.takeExpiredRead(dueBy);
      if (request === undefined) return;
      this.answers.refuse("read", request, "no-leader");
    }
  }
}
