import type { CallRequest, CallResponse } from "../../proto/index.js";
import type { MemberId } from "../../raft/index.js";
import { maxServedCalls } from "../base/index.js";

/** The content of a call to the leader. */
export type Question = NonNullable<CallRequest["request"]>;
type AnyResponse = NonNullable<CallResponse["response"]>;
/** The content of the response to a call. */
export type ResponseTo<Asked extends Question> = Extract<AnyResponse, { readonly $case: Asked["$case"] }>;

/** Serves a call and calls back once; with undefined if only another leader can answer. */
export type Serve = (question: Question, answer: (response: AnyResponse | undefined) => void) => void;

/** The options of `ServedCalls`. */
export interface ServedCallsOptions {
  readonly serve: Serve;
  readonly send: (to: MemberId, number: number, response: AnyResponse) => void;
}

/** The server side of calls to the leader. A call that is retransmitted while it is being served is served once. */
export class ServedCalls {
  private readonly underWay = new Map<MemberId, Set<number>>();

  constructor(private readonly options: ServedCallsOptions) {}

  /** Serves a call. Beyond `maxServedCalls` per member it is dropped. */
  onRequest(from: MemberId, number: number, question: Question): void {
    const numbers = this.numbersFrom(from);
    if (numbers.has(number) || numbers.size >= maxServedCalls) return; // it retransmits
    numbers.add(number);
    this.options.serve(question, (response) => {
      numbers.delete(number);
      // After a closed link the member retransmits. Numbers are never reused, so a late response is harmless.
      if (response !== undefined) this.options.send(from, number, response);
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
