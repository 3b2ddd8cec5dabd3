/** A call that has not ended. Only `OpenCalls` changes `before` and `after`. */
export interface OpenCall<Self> {
  before: Self | undefined;
  after: Self | undefined;
}

/**
 * The calls of a connection that have not ended, in their order: a linked list. Removed calls have no links, which the garbage
 * collector would follow.
 */
export class OpenCalls<Call extends OpenCall<Call>> {
  private first: Call | undefined = undefined;
  private last: Call | undefined = undefined;

  add(call: Call): void {
    const { last } = this;
    call.before = last;
    if (last === undefined) this.first = call;
    else last.after = call;
    this.last = call;
  }

  /** Removes a call, which must be in the list. */
  delete(call: Call): void {
    const { before, after } = call;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.last = before;
    else after.before = before;
    call.before = call.after = undefined;
  }

  /** Returns a copy of the list, whose calls may be removed from the list meanwhile. */
  all(): readonly Call[] {
    const calls: Call[] = [];
    for (let call = this.first; call !== undefined; call = call.after) calls.push(call);
    return calls;
  }
}
