/** An item of a queue, with its position in the heap. */
export interface Due {
  /** The due time, in milliseconds. */
  dueAt: number;
  /** The item's position in the heap, -1 outside. Set by the queue only. */
  position: number;
}

/** A priority queue by due time: a binary heap whose items have their positions, so that any can be moved or removed. */
export class LeaseQueue<Item extends Due> {
  private readonly items: Item[] = [];

  /** @param items the first items; building the heap at once costs less than adding them, as a new leader does with all leases */
  constructor(items: readonly Item[]) {
    for (const item of items) item.position = this.items.push(item) - 1;
    const parents = this.items.slice(0, items.length >> 1);
    for (const parent of parents.reverse()) this.sink(parent); // bottom up: most items sink by one position, if at all
  }

  /** The item with the earliest due time. */
  get first(): Item | undefined {
    return this.items[0];
  }

  /** Adds an item. */
  add(item: Item): void {
    item.position = this.items.push(item) - 1;
    this.rise(item);
  }

  /** Removes an item, if it is in the queue. */
  remove(item: Item): void {
    if (item.position < 0) return;
    const last = this.items.pop();
    if (last !== undefined && last !== item) {
      this.placeAt(last, item.position);
      this.onMoved(last);
    }
    item.position = -1;
  }

  /** Restores the order after a change of `dueAt`. */
  onMoved(item: Item): void {
    this.rise(item);
    this.sink(item);
  }

  private rise(item: Item): void {
    while (item.position > 0) {
      const parent = this.items[(item.position - 1) >> 1];
      if (parent === undefined || parent.dueAt <= item.dueAt) return;
      this.swap(item, parent);
    }
  }

  private sink(item: Item): void {
    for (;;) {
      const left = this.items[2 * item.position + 1];
      const right = this.items[2 * item.position + 2];
      const sooner = left !== undefined && right !== undefined && right.dueAt < left.dueAt ? right : left;
      if (sooner === undefined || item.dueAt <= sooner.dueAt) return;
      this.swap(item, sooner);
    }
  }

  private swap(one: Item, other: Item): void {
    const { position } = one;
    this.placeAt(one, other.position);
    this.placeAt(other, position);
  }

  private placeAt(item: Item, position: number): void {
    this.items[position] = item;
    item.position = position;
  }
}
