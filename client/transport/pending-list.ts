// The calls and streams of a connection that have not ended.

/** A call or a stream that has not ended. Only `PendingList` changes `isListed`, `before` and `after`. */
export interface PendingItem {
  isListed: boolean;
  before: PendingItem | undefined;
  after: PendingItem | undefined;
  /** The time at which `expire` is called; Infinity: never. */
  readonly deadline: number;
  cancel(): void;
  /** Ends a call at its deadline. */
  expire(): void;
  /** The endpoint was removed: a stream moves to another connection, a call may end here. */
  retire(): void;
  /** Moves to another connection if the server is silent or slow for too long. Called once per period. */
  check(isSilent: boolean, hasAlternative: () => boolean): void;
}

/** Initial fields of an item that is in no list yet, and has no deadline. */
export const unlisted = {
  isListed: false,
  before: undefined,
  after: undefined,
  deadline: Infinity,
  expire: (): void => undefined,
};

/**
 * A linked list of calls and streams in the order in which they began. A `Set` would copy its table every few deletions, and once
 * a former table is in the old generation of V8's heap, the collector moves all later tables there, with all items that were in
 * them. Items that are removed from this list have no links.
 */
export class PendingList {
  private first: PendingItem | undefined = undefined;
  private last: PendingItem | undefined = undefined;

  get isEmpty(): boolean {
    return this.first === undefined;
  }

  add(item: PendingItem): void {
    const { last } = this;
    item.isListed = true;
    item.before = last;
    if (last === undefined) this.first = item;
    else last.after = item;
    this.last = item;
  }

  /** Removes an item. @returns whether it was in the list */
  delete(item: PendingItem): boolean {
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

  /** Returns a copy of the list, whose items may be removed from the list meanwhile. */
  all(): readonly PendingItem[] {
    const items: PendingItem[] = [];
    for (let item = this.first; item !== undefined; item = item.after) items.push(item);
    return items;
  }
}
