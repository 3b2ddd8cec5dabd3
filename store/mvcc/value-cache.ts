import { emptyList } from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import { ValueChunk } from "./value-chunk.js";

/** The bytes of memory that a value takes beside its own: those of its Uint8Array, which V8 creates at the first read. */
const overheadBytes = 100;

/** The size of the chunks that values share, unless the cache is smaller than `minChunks` of them. */
const maxChunkBytes = 64 * 1024;
/** A cache has room for at least this many chunks: a small cache has smaller chunks. */
const minChunks = 16;

/** The most values that one eviction keeps because they were used. After these it evicts used values too, so that its time is bounded. */
const maxSpared = 100;

/** Chunks are compacted when their memory is larger than twice the bytes of the values in the cache and these bytes. */
const maxGarbageBytes = 1024 * 1024;

/** The oldest chunks that are compacted when a new chunk is added: two, so that their number falls. */
const chunksPerCompaction = 2;

/**
 * Keeps the encoded KeyValues of live keys in memory, up to a bound in bytes. Beyond the bound, values that were not used since they
 * were placed in a chunk are evicted ("second chance"). The next read of an evicted value reads from disk.
 *
 * Values are placed one after the other in chunks, because a few hundred buffers take less time and memory than a million. An eviction
 * removes the oldest chunk, and copies its used values into the newest chunk. Example of chunks with room for three values:
 *
 *   hold a b c d      [a b c] [d]
 *   hold b            [a - c] [d b]      b has a new value; the memory of the old one is garbage
 *   read a                               a is used
 *   evict             [d b a]            c was not used, so it is evicted
 *   drop d            [- b a]            a chunk is removed when its last value is dropped
 */
export class ValueCache {
  private readonly chunkBytes: number;
  /** The chunks that hold values, oldest first. */
  private chunks = emptyList<ValueChunk<KeyEntry>>();
  /** The shared chunk to which values are added. */
  private open: ValueChunk<KeyEntry> | undefined = undefined;
  /** The chunk in which `reserveBytes` has reserved memory last. */
  private taken: ValueChunk<KeyEntry> | undefined = undefined;
  private allocatedBytes = 0;
  private heldBytes = 0;
  private heldValues = 0;

  constructor(readonly maxBytes: number) {
    this.chunkBytes = Math.min(maxChunkBytes, Math.floor(maxBytes / minChunks));
  }

  /** The bytes of memory that the cache takes. */
  get bytes(): number {
    return this.allocatedBytes + this.heldValues * overheadBytes;
  }

  /** Reserves memory for the KeyValue of the next `hold`. @returns the chunk, in which the memory begins at `taken` */
  reserveBytes(length: number): ValueChunk<KeyEntry> {
    const chunk = this.chooseChunk(length);
    chunk.reserveBytes(length);
    this.taken = chunk;
    return chunk;
  }

  /** Keeps the KeyValue of `length` bytes that the caller has written to the memory from `reserveBytes`, as the newest value of `entry`. */
  hold(entry: KeyEntry, length: number): void {
    this.drop(entry);
    const chunks = this.chunks.length;
    this.place(entry, length);
    if (this.chunks.length > chunks) this.compact();
    if (this.bytes > this.maxBytes) this.evict();
  }

  /** Keeps a copy of `value` as the newest value of `entry`, and returns the copy. */
  holdCopy(entry: KeyEntry, value: Uint8Array): Uint8Array {
    const chunk = this.copy(value);
    const { memory, taken } = chunk;
    this.hold(entry, value.length);
    return entry.value ?? memory.subarray(taken, taken + value.length); // undefined: a value too large for the cache is evicted at once
  }

  /** Removes the value of `entry`, because the key has a newer value or is deleted. */
  drop(entry: KeyEntry): void {
    const { chunk } = entry;
    if (chunk === undefined) return;
    this.forget(entry, chunk);
    if (chunk.live === 0 && chunk !== this.open) this.remove(this.chunks.indexOf(chunk));
  }

  private chooseChunk(length: number): ValueChunk<KeyEntry> {
    // A large value has a chunk of its own: a shared one seldom has room for it, and would be replaced when it is partly empty.
    if (length > this.chunkBytes / 4) return new ValueChunk(length, false);
    if (this.open?.hasRoomFor(length) !== true) this.open = new ValueChunk(this.chunkBytes, true);
    return this.open;
  }

  private copy(value: Uint8Array): ValueChunk<KeyEntry> {
    const chunk = this.reserveBytes(value.length);
    chunk.memory.set(value, chunk.taken);
    return chunk;
  }

  private place(entry: KeyEntry, length: number): void {
    const chunk = this.taken;
    if (chunk === undefined) throw new Error("Cannot hold a value without memory taken for it");
    if (chunk.entries.length === 0) this.add(chunk);
    chunk.entries.push(entry);
    chunk.live += 1;
    entry.chunk = chunk;
    entry.start = chunk.taken;
    entry.length = length;
    this.heldBytes += length;
    this.heldValues += 1;
  }

  private forget(entry: KeyEntry, chunk: ValueChunk<KeyEntry>): void {
    this.heldBytes -= entry.length;
    this.heldValues -= 1;
    chunk.live -= 1;
    entry.chunk = undefined;
    if (entry.view !== undefined) entry.view = undefined;
  }

  private add(chunk: ValueChunk<KeyEntry>): void {
    this.chunks.push(chunk);
    this.allocatedBytes += chunk.bytes;
  }

  private remove(position: number): ValueChunk<KeyEntry> | undefined {
    const [chunk] = this.chunks.splice(position, 1);
    if (chunk === undefined) return undefined;
    this.allocatedBytes -= chunk.bytes;
    if (chunk === this.open) this.open = undefined;
    return chunk;
  }

  /** Frees memory of chunks that contain few values: their values are copied into the newest chunk. */
  private compact(): void {
    for (let n = 0; n < chunksPerCompaction && this.allocatedBytes > 2 * this.heldBytes + maxGarbageBytes; n++)
      this.removeOldest(() => true);
  }

  private evict(): void {
    let spared = 0;
    const shouldKeep = ({ wasRead }: KeyEntry): boolean => wasRead && spared++ < maxSpared;
    while (this.bytes > this.maxBytes && this.chunks.length > 0) this.removeOldest(shouldKeep);
  }

  /** Removes the oldest chunk. @param shouldKeep tells whether a value of it stays in the cache, placed after the newest values */
  private removeOldest(shouldKeep: (entry: KeyEntry) => boolean): void {
    const chunk = this.remove(0);
    for (const entry of chunk?.entries.splice(0) ?? []) {
      if (chunk === undefined || entry.chunk !== chunk) continue;
      const isStaying = shouldKeep(entry);
      entry.wasRead = false;
      this.forget(entry, chunk);
      if (isStaying) this.placeAgain(entry, chunk);
    }
  }

  private placeAgain(entry: KeyEntry, chunk: ValueChunk<KeyEntry>): void {
    const { start, length } = entry;
    if (chunk.isShared) this.copy(chunk.memory.subarray(start, start + length));
    else this.taken = chunk;
    this.place(entry, length);
  }
}
