import type { CallRequest, CallResponse } from "../../proto/index.js";
import type { MemberId } from "../../raft/index.js";
import { maxServedCalls } from "../base/index.js";

/** What a member asks its leader. */
export type Question = NonNullable<CallRequest["request"]>;
type AnyResponse = NonNullable<CallResponse["response"]>;
/** What is answered to it. */
export type ResponseTo<Asked extends Question> = Extract<AnyResponse, { readonly $case: Asked["$case"] }>;

/** Answers a question; with undefined if this member cannot, and another leader might. Calls back once. */
export type Serve = (question: Question, answer: (response: AnyResponse | undefined) => void) => void;

export interface ServedCallsOptions {
  readonly serve: Serve;
  readonly send: (to: MemberId, number: number, response: AnyResponse) => void;
}

/** What the members ask this one as their leader. A question that is repeated while it is being answered counts once. */
export class ServedCalls {
  private readonly underWay = new Map<MemberId, Set<number>>();

  constructor(private readonly options: ServedCallsOptions) {}

  onRequest(from: MemberId, number: number, question: Question): void {
    const numbers = this.numbersFrom(from);
    if (numbers.has(number) || numbers.size >= maxServedCalls) return; // it asks again
    numbers.add(number);
    this.options.serve(question, (response) => {
      numbers.delete(number);
      // After its link was closed it has asked anew; numbers are not given twice, so late answers do no harm either.
      if (response !== undefined) this.options.send(from, number, response);
    });
  }

  /** Nobody waits there for what is under way. */
  onLinkClosed(from: MemberId): void {
    this.underWay.delete(from);
  }

  private numbersFrom(from: MemberId): Set<number> {
    let numbers = this.underWay.get(from);
    if (numbers === undefined) this.underWay.set(from, (numbers = new Set()));
    return numbers;
  }
}
