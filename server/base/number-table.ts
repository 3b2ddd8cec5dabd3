const initialCapacity = 16;

/**
 * Values by number, for items that come and go with each request. A `Map` copies itself every few deletions, and its former
 * copies are linked to one another: once the garbage collector has moved one copy to the old generation, each later copy
 * follows, with everything that was ever in it, and a request's short-lived objects are collected as if they were old. The
 * slots of this table are never copied on deletion. Open addressing with linear probing; an example with eight slots:
 *
 *   set 7, 23, 9     [- 7 23 - - 9 - -]     7 and 23 have the same preferred slot, so 23 is one slot further
 *   delete 7         [- 23 - - - 9 - -]     23 moves to its preferred slot: a search would end at the empty slot
 */
export class NumberTable<Value extends object> {
  private keys = new Float64Array(initialCapacity);
  private slots: (Value | undefined)[] = new Array<Value | undefined>(initialCapacity).fill(undefined);
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(key: number): Value | undefined {
    return this.slots[this.slotOf(key)];
  }

  has(key: number): boolean {
    return this.get(key) !== undefined;
  }

  set(key: number, value: Value): void {
    const slot = this.slotOf(key);
    if (this.slots[slot] === undefined) this.count += 1;
    this.keys[slot] = key;
    this.slots[slot] = value;
    if (2 * this.count > this.slots.length) this.grow();
  }

  delete(key: number): void {
    let hole = this.slotOf(key);
    if (this.slots[hole] === undefined) return;
    this.count -= 1;
    const mask = this.slots.length - 1;
    for (let slot = (hole + 1) & mask; this.slots[slot] !== undefined; slot = (slot + 1) & mask) {
      const home = this.preferredSlotOf(Number(this.keys[slot]));
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue; // its preferred slot is behind the hole
      this.keys[hole] = Number(this.keys[slot]);
      this.slots[hole] = this.slots[slot];
      hole = slot;
    }
    this.slots[hole] = undefined;
  }

  /** Returns the current values, in no particular order. */
  values(): Value[] {
    return this.slots.filter((value) => value !== undefined);
  }

  /** Returns the slot of `key`, or the empty slot for it. */
  private slotOf(key: number): number {
    const mask = this.slots.length - 1;
    let slot = this.preferredSlotOf(key);
    while (this.slots[slot] !== undefined && this.keys[slot] !== key) slot = (slot + 1) & mask;
    return slot;
  }

  /** Returns the slot where the search for a key begins. A multiplication spreads consecutive numbers over the slots. */
  private preferredSlotOf(key: number): number {
    return (Math.imul(key, 0x9e3779b1) >>> 8) & (this.slots.length - 1);
  }

  private grow(): void {
    const { keys, slots } = this;
    this.keys = new Float64Array(2 * slots.length);
    this.slots = new Array<Value | undefined>(2 * slots.length).fill(undefined);
    this.count = 0;
    for (const [slot, value] of slots.entries()) if (value !== undefined) this.set(Number(keys[slot]), value);
  }
}
