import type { CallRequest, CallResponse } from "../../proto/index.js";
import type { MemberId } from "../../raft/index.js";
import { maxServedCalls } from "../base/index.js";

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
  private readonly underWay = new Map<MemberId, Set<number>>();

  constructor(
    private readonly server: CallServer,
    private readonly sender: ResponseSender,
  ) {}

  /** Serves a call. Beyond `maxServedCalls` per member it is dropped. */
  onRequest(from: MemberId, number: number, request: LeaderRequest): void {
    const numbers = this.numbersFrom(from);
    if (numbers.has(number) || numbers.size >= maxServedCalls) return; // it retransmits
    numbers.add(number);
    this.server.serve(request, (response) => {
      numbers.delete(number);
      // After a closed link the member retransmits. Numbers are never reused, so a late response is harmless.
      if (response !== undefined) this.sender.sendResponse(from, number, response);
    });
  }

  /** Forgets the calls of a member whose link closed. */
  onLinkClosed(from: MemberId): void {
    this.underWay.delete(from);
  }

  private numbersFrom(from: MemberId): Set<number> {
    let numbers = this.underWay.get(from);
    if (numbers === undefined) this.underWay.set(from, (numbers = new Set()));
    return numbers;
  }
}
