import type { CallRequest, CallResponse } from "../../proto/index.js";
import type { MemberId } from "../../raft/index.js";
import { maxServedCalls, NumberTable } from "../base/index.js";

/** The content of a call to the leader. */
export type LeaderRequest = NonNullable<CallRequest["request"]>;
/** The content of a response to a call. */
export type LeaderResponse = NonNullable<CallResponse["response"]>;
/** The content of the response to a kind of call. */
export type ResponseTo<Request extends LeaderRequest> = Extract<LeaderResponse, { readonly $case: Request["$case"] }>;

/** Serves the calls of all members; `LeaseCalls` implements it. */
export interface CallServer {
  /** Serves a call and calls back once; with undefined if only another leader can answer. */
  serve(request: LeaderRequest, answer: (response: LeaderResponse | undefined) => void): void;
}

/** Sends responses to members; `PeerCalls` implements it. */
export interface ResponseSender {
  sendResponse(to: MemberId, number: number, response: LeaderResponse): void;
}

/** The server side of calls to the leader. A call that is retransmitted while it is being served is served once. */
export class ServedCalls {
  private readonly underWay = new Map<MemberId, NumberTable<LeaderRequest>>();

  constructor(
    private readonly server: CallServer,
    private readonly sender: ResponseSender,
  ) {}

  /** Serves a call. Beyond `maxServedCalls` per member it is dropped. */
  onRequest(from: MemberId, number: number, request: LeaderRequest): void {
    const calls = this.callsFrom(from);
    if (calls.has(number) || calls.size >= maxServedCalls) return; // it retransmits
    calls.set(number, request);
    this.server.serve(request, (response) => {
      calls.delete(number);
      // After a closed link the member retransmits. Numbers are never reused, so a late response is harmless.
      if (response !== undefined) this.sender.sendResponse(from, number, response);
    });
  }

  /** Forgets the calls of a member whose link closed. */
  onLinkClosed(from: MemberId): void {
    this.underWay.delete(from);
  }

  private callsFrom(from: MemberId): NumberTable<LeaderRequest> {
    let calls = this.underWay.get(from);
    if (calls === undefined) this.underWay.set(from, (calls = new NumberTable()));
    return calls;
  }
}
