import type { HeaderField } from "./header-field.js";
import { cachedLiterals, maxCachedLiteralBytes } from "./limits.js";

interface CachedLiteral {
  /** Undefined: the name is part of the bytes. */
  readonly name: string | undefined;
  readonly bytes: Uint8Array;
  readonly field: HeaderField;
}

/**
 * Caches literal header fields by their bytes, so that a repeated literal is not decoded again and is the same object: every
 * connection begins with the same literals, and some clients never use a table. A field has one slot, by a hash of its bytes; a
 * new field replaces the former one of its slot.
 */
export class LiteralCache {
  private readonly slots = new Array<CachedLiteral | undefined>(cachedLiterals).fill(undefined);
  /** The slot of the last lookup. */
  private slot = 0;

  find(name: string | undefined, bytes: Uint8Array, start: number, end: number): HeaderField | undefined {
    if (end - start > maxCachedLiteralBytes) return undefined;
    let hash = name === undefined ? 0 : name.length;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01_00_01_93);
    this.slot = ((hash ^ (hash >>> 15)) >>> 0) % cachedLiterals;
    const cached = this.slots[this.slot];
    return cached !== undefined && isSame(cached, name, bytes, start, end) ? cached.field : undefined;
  }

  /** Adds the field of the bytes that the last `find` did not find. */
  add(name: string | undefined, bytes: Uint8Array, start: number, end: number, field: HeaderField): void {
    if (end - start > maxCachedLiteralBytes) return;
    this.slots[this.slot] = { name, bytes: Uint8Array.prototype.slice.call(bytes, start, end), field };
  }
}

const isSame = (
  cached: CachedLiteral,
  name: string | undefined,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean => {
  const known = cached.bytes;
  if (known.length !== end - start || cached.name !== name) return false;
  for (let n = 0; n < known.length; n++) if (known[n] !== bytes[start + n]) return false;
  return true;
};
