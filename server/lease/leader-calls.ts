import type { Clock } from "../../platform/index.js";
import { noMember, type CoreStatus, type MemberId } from "../../raft/index.js";
import { maxPendingCalls, ServerError } from "../base/index.js";
import type { Question, ResponseTo } from "./served-calls.js";

interface PendingCall {
  readonly question: Question;
  readonly deadline: number;
  sentAt: number;
  readonly answered: (response: never) => void;
  readonly failed: (error: unknown) => void;
}

export interface LeaderCallsOptions {
  /** Longest wait, in milliseconds (etcd: 5 s + 2 election timeouts). */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Above every number that earlier lives of this member gave. */
  readonly firstNumber: number;
  /** May be lost, or not be answered: it is asked again. */
  readonly send: (to: MemberId, number: number, question: Question) => void;
}

/** The leader, as far as this member knows. */
export type LeaderStatus = Pick<CoreStatus, "id" | "leader" | "term">;

/** A call or its answer may be lost, or meet a member that does not lead: it is made again after this long. */
const retransmitMs = 500;
const sweepMs = 50;

/**
 * What only the leader can answer, asked of whoever leads: this member itself or another one. Asked again until the
 * deadline, so it must do no harm twice.
 */
export class LeaderCalls {
  private leader: MemberId = noMember;
  private term = 0;
  /** This member led, heard no majority for an election timeout, and knows of no leader since. */
  private hasLostQuorum = false;
  /** In the order in which they were asked first: the first has the nearest deadline. */
  private readonly pending = new Map<number, PendingCall>();
  private next: number;
  private stopped = false;
  private readonly stopSweep: () => void;

  constructor(private readonly options: LeaderCallsOptions) {
    this.next = options.firstNumber;
    this.stopSweep = options.clock.every(sweepMs, () => this.sweep());
  }

  /**
   * Asks the leader.
   *
   * @throws ServerError `too-many-requests`, `server-stopped`; `no-leader` while this member has lost its quorum
   */
  ask<Asked extends Question>(
    question: Asked,
    settle: { readonly answered: (response: ResponseTo<Asked>) => void; readonly failed: (error: unknown) => void },
  ): void {
    if (this.stopped) throw new ServerError("server-stopped", "the member is stopping");
    if (this.hasLostQuorum) throw lostQuorumError();
    if (this.pending.size >= maxPendingCalls)
      throw new ServerError("too-many-requests", `${maxPendingCalls} calls wait for the leader`);
    const { clock, timeoutMs } = this.options;
    const number = this.next++;
    const call: PendingCall = { question, deadline: clock.now() + timeoutMs, sentAt: 0, ...settle };
    this.pending.set(number, call);
    this.sendCall(number, call);
  }

  /** The answer to a call; one that is not waited for any more is dropped. */
  onResponse(number: number, response: ResponseTo<Question>): void {
    const call = this.pending.get(number);
    // Of another kind than what was asked: no member sends that.
    if (call?.question.$case !== response.$case) return;
    this.pending.delete(number);
    call.answered(response as never);
  }

  /**
   * Another leader, another term of the same, or none. A member that leads and then knows of no leader in the same term has
   * stepped down because it heard no majority: no quorum will confirm an answer. After a higher term was seen, another
   * member is about to lead, and calls wait for it.
   */
  onLeaderChanged({ id, leader, term }: LeaderStatus): void {
    this.hasLostQuorum = leader === noMember && this.leader === id && this.term === term;
    this.leader = leader;
    this.term = term;
    if (this.hasLostQuorum) this.failAll(lostQuorumError());
    else this.retransmitAll();
  }

  /** A connection to the leader opened: calls before may have been lost. */
  onLeaderReachable(): void {
    this.retransmitAll();
  }

  stop(): void {
    this.stopped = true;
    this.stopSweep();
    this.failAll(new ServerError("server-stopped", "the member is stopping"));
  }

  private failAll(error: ServerError): void {
    const left = [...this.pending.values()];
    this.pending.clear();
    for (const { failed } of left) failed(error);
  }

  private retransmitAll(): void {
    for (const [number, call] of this.pending) this.sendCall(number, call);
  }

  private sendCall(number: number, call: PendingCall): void {
    call.sentAt = this.options.clock.now();
    if (this.leader !== noMember) this.options.send(this.leader, number, call.question);
  }

  private sweep(): void {
    const now = this.options.clock.now();
    for (const [number, call] of this.pending) {
      if (call.deadline <= now) {
        this.pending.delete(number);
        call.failed(this.timeoutError());
      } else if (now - call.sentAt >= retransmitMs) this.sendCall(number, call);
    }
  }

  private timeoutError(): ServerError {
    if (this.leader === noMember) return new ServerError("no-leader", "there was no leader to ask");
    return new ServerError("timed-out", "the leader did not answer in time");
  }
}

const lostQuorumError = (): ServerError => new ServerError("no-leader", "this member led and heard no majority");
