import type { CallRequest, CallResponse, Calls } from "../../proto/index.js";
import type { Clock } from "../../platform/index.js";
import type { MemberId } from "../../raft/index.js";
import { maxServedCalls, NumberTable } from "../base/index.js";
import {
  LeaderCalls,
  type LeaderRequest,
  type LeaderResponse,
  type LeaderStatus,
  type RequestSender,
} from "./leader-calls.js";

/** The options of `PeerCalls`. */
export interface PeerCallsOptions {
  readonly self: MemberId;
  /** The number of this incarnation, greater than every earlier one. */
  readonly incarnation: number;
  /** The deadline of a call, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Sends frames of calls to members, which may be lost; `Peers` implements it. */
export interface CallsSender {
  sendCalls(to: MemberId, calls: Calls): void;
}

/** A call that is being served. */
export interface ServedCall {
  readonly request: LeaderRequest;
  /** Answers the call; to be called once. @param response undefined: only another leader can answer */
  answer(response: LeaderResponse | undefined): void;
}

/** Serves the calls of all members; `LeaseCalls` implements it. */
export interface CallServer {
  /** Serves calls that arrived together; each is answered once. */
  serve(calls: readonly ServedCall[]): void;
}

/** The numbers reserved for the calls of one incarnation; the next incarnation starts behind them. */
const callsPerIncarnation = 2 ** 32;

/** The calls and responses to one member that wait for the end of the turn. */
interface UnsentCalls {
  requests: CallRequest[];
  responses: CallResponse[];
}

/**
 * Calls between members, both sides: all calls and responses to a member in one turn of the event loop share a frame. A call
 * that is retransmitted while it is being served is served once.
 */
export class PeerCalls implements RequestSender {
  /** The client side: calls of this member to its leader. */
  readonly leader: LeaderCalls;
  /** The calls that are being served, by member and number. */
  private readonly served = new Map<MemberId, NumberTable<ServedCall>>();
  private readonly unsent = new Map<MemberId, UnsentCalls>();

  /** @param server serves the calls of members while this member leads */
  constructor(
    private readonly options: PeerCallsOptions,
    private readonly server: CallServer,
    private readonly peers: CallsSender,
  ) {
    const { incarnation, timeoutMs, clock } = options;
    this.leader = new LeaderCalls({ timeoutMs, clock, firstNumber: incarnation * callsPerIncarnation }, this);
  }

  /** Sends a request with the other calls of this turn; serves it at once if this member leads. */
  sendRequest(to: MemberId, number: number, request: LeaderRequest): void {
    if (to !== this.options.self) this.unsentCallsOf(to).requests.push({ number: BigInt(number), request });
    else {
      const call = this.beginCall(to, number, request);
      if (call !== undefined) this.server.serve([call]);
    }
  }

  /** Sends a response with the other calls of this turn. */
  sendResponse(to: MemberId, number: number, response: LeaderResponse): void {
    if (to === this.options.self) this.leader.onResponse(number, response);
    else this.unsentCallsOf(to).responses.push({ number: BigInt(number), response });
  }

  /** Handles calls and responses of a peer. */
  onCalls(from: MemberId, { requests, responses }: Calls): void {
    this.serveTogether(from, requests);
    for (const { number, response } of responses)
      if (response !== undefined) this.leader.onResponse(Number(number), response);
  }

  /** Handles a change of leader or term. */
  onLeaderChange(status: LeaderStatus): void {
    this.leader.onLeaderChange(status);
  }

  /** Retransmits the pending calls: there is a new link to the leader. */
  onLeaderReachable(): void {
    this.leader.onLeaderReachable();
  }

  /** Drops the calls of a peer whose link closed: the peer retransmits them. */
  onLinkClosed(peer: MemberId): void {
    this.served.delete(peer);
  }

  /** Fails the pending calls. */
  stop(): void {
    this.leader.stop();
  }

  private serveTogether(from: MemberId, requests: readonly CallRequest[]): void {
    const calls: ServedCall[] = [];
    for (const { number, request } of requests) {
      const call = request === undefined ? undefined : this.beginCall(from, Number(number), request);
      if (call !== undefined) calls.push(call);
    }
    if (calls.length > 0) this.server.serve(calls);
  }

  /**
   * Registers a call. Returns undefined if it is dropped: it is being served, or there are `maxServedCalls` of the member, which
   * will retransmit it.
   */
  private beginCall(from: MemberId, number: number, request: LeaderRequest): ServedCall | undefined {
    const underWay = this.callsFrom(from);
    if (underWay.has(number) || underWay.size >= maxServedCalls) return undefined;
    const call = new CallUnderWay(this, underWay, from, number, request);
    underWay.set(number, call);
    return call;
  }

  private callsFrom(from: MemberId): NumberTable<ServedCall> {
    let calls = this.served.get(from);
    if (calls === undefined) this.served.set(from, (calls = new NumberTable()));
    return calls;
  }

  private unsentCallsOf(to: MemberId): UnsentCalls {
    let calls = this.unsent.get(to);
    if (calls === undefined) {
      calls = { requests: [], responses: [] };
      this.unsent.set(to, calls);
      this.options.clock.soon(() => this.flush(to));
    }
    return calls;
  }

  private flush(to: MemberId): void {
    const calls = this.unsent.get(to);
    this.unsent.delete(to);
    if (calls !== undefined) this.peers.sendCalls(to, calls);
  }
}

/** A call of a member from its arrival to its answer. */
class CallUnderWay implements ServedCall {
  constructor(
    private readonly calls: PeerCalls,
    private readonly underWay: NumberTable<ServedCall>,
    private readonly from: MemberId,
    private readonly number: number,
    readonly request: LeaderRequest,
  ) {}

  answer(response: LeaderResponse | undefined): void {
    this.underWay.delete(this.number);
    // After a closed link the member retransmits the call. Numbers are never reused, so a late response is harmless.
    if (response !== undefined) this.calls.sendResponse(this.from, this.number, response);
  }
}
