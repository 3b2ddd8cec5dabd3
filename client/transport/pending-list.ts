// The calls and streams of a connection that have not ended.

/** A call or a stream that has not ended. `PendingList` alone changes `isListed`, `before` and `after`. */
export interface Pending {
  isListed: boolean;
  before: Pending | undefined;
  after: Pending | undefined;
  /** The time at which `expire` is called; Infinity: never. */
  readonly deadline: number;
  cancel(): void;
  /** Ends a call at its deadline. */
  expire(): void;
  /** The endpoint is given up: goes elsewhere if it can, or ends soon. */
  retire(): void;
  /** Goes elsewhere if it is time. Called once per period. */
  check(isSilent: boolean, hasAlternative: () => boolean): void;
}

/** The fields of something that lasts until it is cancelled, and is in no list yet. */
export const unlisted = {
  isListed: false,
  before: undefined,
  after: undefined,
  deadline: Infinity,
  expire: (): void => undefined,
};

/**
 * Calls and streams in the order in which they began. A `Set` copies itself every few deletions, and once one of its former copies is
 * in the old generation of V8's heap, the collector moves all later ones there with everything that was in them. What was removed
 * from this list has no links.
 */
export class PendingList {
  private first: Pending | undefined = undefined;
  private last: Pending | undefined = undefined;

  get isEmpty(): boolean {
    return this.first === undefined;
  }

  add(item: Pending): void {
    const { last } = this;
    item.isListed = true;
    item.before = last;
    if (last === undefined) this.first = item;
    else last.after = item;
    this.last = item;
  }

  /** @returns whether it was in the list */
  delete(item: Pending): boolean {
    if (!item.isListed) return false;
    const { before, after } = item;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.last = before;
    else after.before = before;
    item.isListed = false;
    item.before = item.after = undefined;
    return true;
  }

  /** Lists the items of now: they may be removed meanwhile. */
  all(): readonly Pending[] {
    const items: Pending[] = [];
    for (let item = this.first; item !== undefined; item = item.after) items.push(item);
    return items;
  }
}
