import type { CallRequest, CallResponse } from "../../proto/index.js";
import type { MemberId } from "../../raft/index.js";
import { maxServedCalls, NumberTable } from "../base/index.js";

/** The content of a call to the leader. */
export type LeaderRequest = NonNullable<CallRequest["request"]>;
/** The content of a response to a call. */
export type LeaderResponse = NonNullable<CallResponse["response"]>;
/** The content of the response to a kind of call. */
export type ResponseTo<Request extends LeaderRequest> = Extract<LeaderResponse, { readonly $case: Request["$case"] }>;

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

/** Sends responses to members; `PeerCalls` implements it. */
export interface LeaderResponseSender {
  sendResponse(to: MemberId, number: number, response: LeaderResponse): void;
}

/** The server side of calls to the leader. A call that is retransmitted while it is being served is served once. */
export class ServedCalls {
  private readonly underWay = new Map<MemberId, NumberTable<ServedCall>>();

  constructor(
    private readonly server: CallServer,
    private readonly sender: LeaderResponseSender,
  ) {}

  /** Serves a call. Beyond `maxServedCalls` per member it is dropped. */
  onRequest(from: MemberId, number: number, request: LeaderRequest): void {
    const call = this.begin(from, number, request);
    if (call !== undefined) this.server.serve([call]);
  }

  /** Serves the calls of a frame together. */
  onRequests(from: MemberId, requests: readonly CallRequest[]): void {
    const calls: ServedCall[] = [];
    for (const { number, request } of requests) {
      const call = request === undefined ? undefined : this.begin(from, Number(number), request);
      if (call !== undefined) calls.push(call);
    }
    if (calls.length > 0) this.server.serve(calls);
  }

  /** Drops the calls of a member whose link closed. */
  onLinkClosed(from: MemberId): void {
    this.underWay.delete(from);
  }

  /** Registers a call; returns undefined if it is dropped: it is being served, or the member will retransmit it. */
  private begin(from: MemberId, number: number, request: LeaderRequest): ServedCall | undefined {
    const underWay = this.callsFrom(from);
    if (underWay.has(number) || underWay.size >= maxServedCalls) return undefined;
    const call = new CallUnderWay(this.sender, underWay, from, number, request);
    underWay.set(number, call);
    return call;
  }

  private callsFrom(from: MemberId): NumberTable<ServedCall> {
    let calls = this.underWay.get(from);
    if (calls === undefined) this.underWay.set(from, (calls = new NumberTable()));
    return calls;
  }
}

/** A call of a member from its arrival to its answer. */
class CallUnderWay implements ServedCall {
  constructor(
    private readonly sender: LeaderResponseSender,
    private readonly underWay: NumberTable<ServedCall>,
    private readonly from: MemberId,
    private readonly number: number,
    readonly request: LeaderRequest,
  ) {}

  answer(response: LeaderResponse | undefined): void {
    this.underWay.delete(this.number);
    // After a closed link the member retransmits the call. Numbers are never reused, so a late response is harmless.
    if (response !== undefined) this.sender.sendResponse(this.from, this.number, response);
  }
}
