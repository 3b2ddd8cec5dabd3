import type { Clock } from "../../platform/index.js";
import type { CallRequest, CallResponse } from "../../proto/index.js";
import { noMember, type CoreStatus, type MemberId } from "../../raft/index.js";
import { maxPendingCalls, NumberTable, type ResultHandler, ServerError } from "../base/index.js";
import { Sweeper } from "../replication/index.js";

/** The content of a call to the leader. */
export type LeaderRequest = NonNullable<CallRequest["request"]>;
/** The content of a response to a call. */
export type LeaderResponse = NonNullable<CallResponse["response"]>;
/** The content of the response to a kind of call. */
export type ResponseTo<Request extends LeaderRequest> = Extract<LeaderResponse, { readonly $case: Request["$case"] }>;

interface PendingCall {
  readonly number: number;
  readonly request: LeaderRequest;
  /** The number of the sweep that ends the wait. */
  readonly dueSweep: number;
  /** The number of the sweep that retransmits the call. */
  retransmitSweep: number;
  readonly handler: ResultHandler<LeaderResponse>;
}

/** The options of `LeaderCalls`. */
export interface LeaderCallsOptions {
  /** The deadline of a call, in milliseconds (etcd: 5 s + 2 election timeouts). */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** The first call's number, greater than every number of earlier incarnations. */
  readonly firstNumber: number;
}

/** Sends requests to members; `PeerCalls` implements it. */
export interface RequestSender {
  sendRequest(to: MemberId, number: number, request: LeaderRequest): void;
}

/** The known leader and its term. */
export type LeaderStatus = Pick<CoreStatus, "id" | "leader" | "term">;

/** The retransmit timeout of a call, in milliseconds: it or its answer may be lost, or its receiver may not lead. */
const retransmitMs = 500;

/**
 * The client side of calls to the leader, which may be this member itself. A call is retransmitted until its deadline, so it
 * must be idempotent.
 */
export class LeaderCalls {
  private leader: MemberId = noMember;
  private term = 0;
  /** Whether this member led, stepped down for lack of a quorum, and has known no leader since. */
  private hasLostQuorum = false;
  /** The pending calls by number. */
  private pending = new NumberTable<PendingCall>();
  private next: number;
  private isStopped = false;
  private readonly sweeper: Sweeper;

  constructor(
    private readonly options: LeaderCallsOptions,
    private readonly sender: RequestSender,
  ) {
    this.next = options.firstNumber;
    this.sweeper = new Sweeper(options.clock, () => this.sweep());
  }

  /**
   * Sends a call to the leader; exactly one method of `handler` is called later.
   *
   * @throws ServerError `too-many-requests`, `server-stopped`; `no-leader` while this member has lost its quorum
   */
  ask<Request extends LeaderRequest>(request: Request, handler: ResultHandler<ResponseTo<Request>>): void {
    if (this.isStopped) throw new ServerError("server-stopped", "the member is stopping");
    if (this.hasLostQuorum) throw lostQuorumError();
    if (this.pending.size >= maxPendingCalls)
      throw new ServerError("too-many-requests", `${maxPendingCalls} calls wait for the leader already`);
    const { timeoutMs } = this.options;
    const number = this.next++;
    const dueSweep = this.sweeper.sweepAfter(timeoutMs);
    const call: PendingCall = { number, request, dueSweep, retransmitSweep: dueSweep, handler };
    this.pending.set(number, call);
    this.sweeper.wake();
    this.sendCall(call);
  }

  /** Settles a call with its response; a late response is dropped. */
  onResponse(number: number, response: LeaderResponse): void {
    const call = this.pending.get(number);
    // A response of another kind than the call is not from a member.
    if (call?.request.$case !== response.$case) return;
    this.pending.delete(number);
    call.handler.onResult(response);
  }

  /**
   * Handles a change of leader or term. A member that led and then knows no leader in the same term has stepped down for lack
   * of a quorum: pending calls fail. A greater term means that another member is about to lead: calls wait for it.
   */
  onLeaderChange({ id, leader, term }: LeaderStatus): void {
    this.hasLostQuorum = leader === noMember && this.leader === id && this.term === term;
    this.leader = leader;
    this.term = term;
    if (this.hasLostQuorum) this.failAll(lostQuorumError());
    else this.retransmitAll();
  }

  /** Retransmits the pending calls: earlier ones may be lost with the former link. */
  onLeaderReachable(): void {
    this.retransmitAll();
  }

  /** Fails the pending calls and all later ones. */
  stop(): void {
    this.isStopped = true;
    this.sweeper.stop();
    this.failAll(new ServerError("server-stopped", "the member is stopping"));
  }

  private failAll(error: ServerError): void {
    const left = this.pendingInOrder();
    this.pending = new NumberTable();
    for (const { handler } of left) handler.onError(error);
  }

  private retransmitAll(): void {
    for (const call of this.pendingInOrder()) this.sendCall(call);
  }

  private sendCall(call: PendingCall): void {
    call.retransmitSweep = this.sweeper.sweepAfter(retransmitMs);
    if (this.leader !== noMember) this.sender.sendRequest(this.leader, call.number, call.request);
  }

  /** The current pending calls, oldest first. */
  private pendingInOrder(): PendingCall[] {
    return this.pending.values().sort(byNumber);
  }

  /** @returns whether any call is left */
  private sweep(): boolean {
    const { sweeps } = this.sweeper;
    const due = this.pending.values().filter((call) => Math.min(call.dueSweep, call.retransmitSweep) <= sweeps);
    for (const call of due.sort(byNumber)) {
      if (!this.pending.has(call.number)) continue; // ended by the callback of another one
      if (call.dueSweep <= sweeps) {
        this.pending.delete(call.number);
        call.handler.onError(this.timeoutError());
      } else this.sendCall(call);
    }
    return this.pending.size > 0;
  }

  private timeoutError(): ServerError {
    if (this.leader === noMember) return new ServerError("no-leader", "there is no leader");
    return new ServerError("timed-out", "the leader did not answer in time");
  }
}

/** Orders calls, oldest first. */
const byNumber = (a: PendingCall, b: PendingCall): number => a.number - b.number;

const lostQuorumError = (): ServerError => new ServerError("no-leader", "this leader lost its quorum");
