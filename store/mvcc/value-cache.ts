import { emptyList } from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import { ValueChunk } from "./value-chunk.js";

/** Memory of a held value beside its bytes: V8's view of it, once it was read. */
const overheadBytes = 100;

/** Values share chunks of this size, or of a part of the cache if that is small. */
const maxChunkBytes = 64 * 1024;
const minChunks = 16;

/** Values that one eviction spares because they were asked for; then it takes what comes: it must not go through all of them. */
const maxSpared = 100;

/** Memory of values that are gone, beside as much as that of those that are held, before chunks are compacted … */
const maxGarbageBytes = 1024 * 1024;

/** … so many for each new one. */
const chunksPerCompaction = 2;

/**
 * Keeps the encoded KeyValues of live keys in memory, up to a bound in bytes. Beyond it, those not asked for since they were
 * placed go first (second chance), and the next read of theirs goes to disk.
 *
 * Values are placed one behind the other in chunks, and leave with the oldest chunk: a million values are a few hundred pieces
 * of memory. What is to stay is copied into the newest chunk. An example of chunks with room for three values:
 *
 *   hold a b c d      [a b c] [d]
 *   hold b            [a - c] [d b]
 *   a is asked for
 *   evict             [d b a]            c is gone
 *   drop d            [- b a]            a chunk goes when the last of its values does
 */
export class ValueCache {
  private readonly chunkBytes: number;
  /** The chunks that hold values, oldest first. */
  private chunks = emptyList<ValueChunk<KeyEntry>>();
  /** The chunk that is filled now. */
  private open: ValueChunk<KeyEntry> | undefined = undefined;
  /** The chunk from which memory was taken last. */
  private taken: ValueChunk<KeyEntry> | undefined = undefined;
  private allocatedBytes = 0;
  private heldBytes = 0;
  private heldValues = 0;

  constructor(readonly maxBytes: number) {
    this.chunkBytes = Math.min(maxChunkBytes, Math.floor(maxBytes / minChunks));
  }

  /** The memory that the cache takes. */
  get bytes(): number {
    return this.allocatedBytes + this.heldValues * overheadBytes;
  }

  /** Takes memory for a KeyValue that is to be held next. @returns its chunk, where it begins at `taken` */
  take(length: number): ValueChunk<KeyEntry> {
    const chunk = this.chooseChunk(length);
    chunk.take(length);
    this.taken = chunk;
    return chunk;
  }

  /** Holds what was written, in so many bytes, to the memory that was taken last, as the newest of `entry`. */
  hold(entry: KeyEntry, length: number): void {
    this.drop(entry);
    const chunks = this.chunks.length;
    this.place(entry, length);
    if (this.chunks.length > chunks) this.compact();
    if (this.bytes > this.maxBytes) this.evict();
  }

  /** Holds a copy of `value`, and returns it. */
  holdCopy(entry: KeyEntry, value: Uint8Array): Uint8Array {
    const chunk = this.copy(value);
    const { memory, taken } = chunk;
    this.hold(entry, value.length);
    return entry.value ?? memory.subarray(taken, taken + value.length); // a large one may be gone already
  }

  /** Forgets the value of `entry`: it is no longer its newest. */
  drop(entry: KeyEntry): void {
    const { chunk } = entry;
    if (chunk === undefined) return;
    this.forget(entry, chunk);
    if (chunk.live === 0 && chunk !== this.open) this.remove(this.chunks.indexOf(chunk));
  }

  private chooseChunk(length: number): ValueChunk<KeyEntry> {
    // In a shared chunk a large value would waste the rest of the one before.
    if (length > this.chunkBytes / 4) return new ValueChunk(length, false);
    if (this.open?.hasRoomFor(length) !== true) this.open = new ValueChunk(this.chunkBytes, true);
    return this.open;
  }

  private copy(value: Uint8Array): ValueChunk<KeyEntry> {
    const chunk = this.take(value.length);
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

  /** Works off memory that is kept by few values each. */
  private compact(): void {
    for (let n = 0; n < chunksPerCompaction && this.allocatedBytes > 2 * this.heldBytes + maxGarbageBytes; n++)
      this.giveUpOldest(() => true);
  }

  private evict(): void {
    let spared = 0;
    const shouldKeep = ({ used }: KeyEntry): boolean => used && spared++ < maxSpared;
    while (this.bytes > this.maxBytes && this.chunks.length > 0) this.giveUpOldest(shouldKeep);
  }

  /** Gives up the oldest chunk; values that are to stay are placed behind the newest ones. */
  private giveUpOldest(stays: (entry: KeyEntry) => boolean): void {
    const chunk = this.remove(0);
    for (const entry of chunk?.entries.splice(0) ?? []) {
      if (chunk === undefined || entry.chunk !== chunk) continue;
      const isStaying = stays(entry);
      entry.used = false;
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
