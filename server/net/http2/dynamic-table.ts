import type { HeaderField } from "./header-field.js";

/**
 * HPACK's dynamic table (RFC 7541 §2.3.2): a ring in which the newest field has index 0 and the oldest are evicted.
 *
 * With room for 100 bytes: after adding `a: 1` and `b: 2` (34 bytes each), index 0 is `b: 2` and index 1 is `a: 1`, 68 bytes;
 * with `c: 3`, 102 bytes would be too many, so `a: 1` is evicted and index 1 is `b: 2`.
 */
export class DynamicTable {
  private readonly ring: (HeaderField | undefined)[];
  private newest = 0;
  private count = 0;
  private bytes = 0;
  private maxBytes: number;

  /** @param mostBytes the upper bound of `resize` */
  constructor(readonly mostBytes: number) {
    this.maxBytes = mostBytes;
    this.ring = new Array<HeaderField | undefined>(Math.max(1, Math.floor(mostBytes / 32))).fill(undefined); // a field counts as 32 bytes at least
  }

  get length(): number {
    return this.count;
  }

  get size(): number {
    return this.bytes;
  }

  get(index: number): HeaderField | undefined {
    if (index >= this.count) return undefined;
    const at = this.newest - index;
    return this.ring[at < 0 ? at + this.ring.length : at];
  }

  /** Adds the newest field. A field larger than the whole table empties it (§4.4). */
  add(field: HeaderField): void {
    this.evictTo(this.maxBytes - field.size);
    if (field.size > this.maxBytes) return;
    this.newest = this.newest + 1 === this.ring.length ? 0 : this.newest + 1;
    this.ring[this.newest] = field;
    this.count += 1;
    this.bytes += field.size;
  }

  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    this.evictTo(maxBytes);
  }

  private evictTo(maxBytes: number): void {
    while (this.bytes > maxBytes && this.count > 0) {
      const at = this.newest - this.count + 1;
      const oldest = at < 0 ? at + this.ring.length : at;
      this.bytes -= this.ring[oldest]?.size ?? 0;
      this.ring[oldest] = undefined;
      this.count -= 1;
    }
  }
}
