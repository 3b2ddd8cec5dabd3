import type { Key } from "../base/index.js";

/** Entries with longer keys, in bytes, are not added. */
const maxKeyBytes = 64;
const firstSlots = 512;
/** The most slots: 512 KiB of memory for them, and 256 KiB for the hashes. */
const maxSlots = 64 * 1024;

/**
 * The entries of recently used keys, in a hash table by the bytes of the key. A hash selects a pair of slots, which has the two entries
 * that were added to the pair last. A lookup by bytes needs neither a search in the index nor a conversion of the key to a string.
 * Example, keys with hashes of the same pair:
 *
 *   add a    [a -]
 *   add b    [b a]
 *   add c    [c b]      a is found in the index only
 */
export class RecentEntries<Entry extends { readonly key: Key }> {
  private hashes = new Int32Array(firstSlots);
  private slots: (Entry | undefined)[] = new Array<Entry | undefined>(firstSlots).fill(undefined);

  /** Finds the entry of a key; undefined: it was not added, or others have replaced it. */
  get(key: Uint8Array): Entry | undefined {
    if (key.length > maxKeyBytes) return undefined;
    const hash = hashOfBytes(key);
    const slot = this.pairOf(hash);
    return this.findInSlot(slot, hash, key) ?? this.findInSlot(slot + 1, hash, key);
  }

  /** Adds an entry. @param count the number of entries in the index, for which the table grows */
  add(entry: Entry, count: number): void {
    const { key } = entry;
    if (key.length > maxKeyBytes) return;
    const { length } = this.slots;
    if (2 * count > length && length < maxSlots) this.reset(2 * length);
    const { hashes, slots } = this;
    const hash = hashOf(key);
    const slot = this.pairOf(hash);
    hashes[slot + 1] = hashes[slot] ?? 0;
    slots[slot + 1] = slots[slot];
    hashes[slot] = hash;
    slots[slot] = entry;
  }

  /** Removes an entry, because it is removed from the index. */
  delete(entry: Entry): void {
    const { slots } = this;
    const slot = this.pairOf(hashOf(entry.key));
    if (slots[slot] === entry) slots[slot] = undefined;
    if (slots[slot + 1] === entry) slots[slot + 1] = undefined;
  }

  clear(): void {
    this.reset(firstSlots);
  }

  /** Returns the first slot of the pair for a hash. */
  private pairOf(hash: number): number {
    return hash & (this.slots.length - 2);
  }

  private findInSlot(slot: number, hash: number, key: Uint8Array): Entry | undefined {
    if (this.hashes[slot] !== hash) return undefined;
    const entry = this.slots[slot];
    return entry !== undefined && isKey(entry.key, key) ? entry : undefined;
  }

  /** Replaces the table by an empty one. The entries are added again when they are used next. */
  private reset(slots: number): void {
    this.hashes = new Int32Array(slots);
    this.slots = new Array<Entry | undefined>(slots).fill(undefined);
  }
}

const isKey = (key: Key, bytes: Uint8Array): boolean => {
  const { length } = bytes;
  if (key.length !== length) return false;
  for (let n = 0; n < length; n++) if (key.charCodeAt(n) !== bytes[n]) return false;
  return true;
};

const firstHash = 0x811c9dc5;

// The hash is FNV-1a with 32 bits. Its lowest bits, which select the slots, depend only on the lowest bits of the bytes; therefore
// `mixBits` combines them with higher bits of the hash.
const addByte = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193);
const mixBits = (hash: number): number => hash ^ (hash >>> 15);

const hashOfBytes = (bytes: Uint8Array): number => {
  let hash = firstHash;
  for (let n = bytes.length - 1; n >= 0; n--) hash = addByte(hash, bytes[n] ?? 0);
  return mixBits(hash);
};

const hashOf = (key: Key): number => {
  let hash = firstHash;
  for (let n = key.length - 1; n >= 0; n--) hash = addByte(hash, key.charCodeAt(n));
  return mixBits(hash);
};
