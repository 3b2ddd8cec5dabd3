import { type Backend, type BlockChange, BlockReader, crc32c, etcdRowKey, firstRowKeyOf } from "../disk/index.js";
import type { Revision } from "../base/index.js";
import { decodeKeyValue } from "./key-value.js";
import type { StoreData } from "./store-data.js";
import type { Changes } from "./unflushed.js";

/** A checksum of the changes up to a revision. Members with the same changes and the same compaction have equal checksums. */
export interface KvHash {
  readonly hash: number;
  readonly compactRevision: Revision;
  readonly hashRevision: Revision;
}

/** The blocks of one read from the iterator; the backend bounds their bytes. */
const blocksPerRead = 16;
/** The hashed bytes that count as one entry of a turn: to hash them takes about as long as a read needs to visit an entry. */
const bytesPerEntry = 500;

/**
 * Computes etcd's HashKV: CRC-32C over the name of etcd's bucket ("key"), then over row key and KeyValue of each change up to a
 * revision, in order. A compaction removes rows at different times on different members, and the hash must be the same meanwhile.
 * Therefore changes up to the compact revision count only if a read can see them: a read at the *hashed* revision, as in etcd, and not
 * at the compact revision. If no key exists at the hashed revision, the compact revision is used.
 *
 * Example: puts 2_0 and 4_0 of key a, put 3_0 of key b, compacted at 3. The hash at 4 has 3_0 and 4_0, not 2_0.
 *
 * @see etcd v3 API, Maintenance.HashKV
 */
export class KvHasher {
  private sum = crc32c(Buffer.from("key"));
  /** The revision at which a change up to the compact revision must be visible, so that it is hashed. */
  private visibleAt: number;

  constructor(
    private readonly data: StoreData,
    private readonly revision: Revision,
    private readonly compactRevision: Revision,
  ) {
    this.visibleAt = revision;
  }

  /** Computes the hash. Meanwhile the caller prevents that changes visible at the compact revision are removed. */
  async run(backend: Backend): Promise<KvHash> {
    const { unflushed } = this.data;
    const flushedEnd = Math.max(0, Math.min(this.revision + 1, unflushed.firstRevision));
    const pending = unflushed.listBetween(flushedEnd, this.revision);
    if (this.compactRevision > 0 && !(await this.hasKeys())) this.visibleAt = this.compactRevision;
    await this.addRows(backend, flushedEnd);
    for (const changes of pending) await this.addPending(changes);
    return { hash: this.sum, compactRevision: this.compactRevision, hashRevision: this.revision };
  }

  private async hasKeys(): Promise<boolean> {
    const { index, turns } = this.data;
    let isThere = false;
    const everything = { from: "", to: undefined };
    await turns.run(
      index.walkSliced(
        everything,
        (entries) => turns.spend(entries),
        (entry) => {
          isThere = entry.putAt(this.revision) !== undefined;
          return !isThere;
        },
      ),
    );
    return isThere;
  }

  private async addRows(backend: Backend, end: number): Promise<void> {
    const rows = backend.iterate(firstRowKeyOf(0), firstRowKeyOf(end));
    try {
      for (;;) {
        const some = await rows.next(blocksPerRead);
        if (some.length === 0) return;
        for (const [rowKey, row] of some) await this.addBlock(new BlockReader(backend.name, rowKey, row), end);
      }
    } finally {
      await rows.close();
    }
  }

  /** Hashes the changes of a block. @param end the first revision that is not hashed */
  private async addBlock(changes: BlockReader, end: number): Promise<void> {
    while (changes.next() && changes.main < end) {
      const { keyValue } = changes;
      this.add(changes, keyValue);
      if (this.shouldYield(keyValue)) await this.data.turns.pause();
    }
  }

  private async addPending(changes: Changes): Promise<void> {
    for (let sub = 0; sub < changes.length; sub++) {
      const keyValue = changes.keyValueOf(sub);
      this.add({ main: changes.revision, sub, tombstone: changes.isDelete(sub) }, keyValue);
      if (this.shouldYield(keyValue)) await this.data.turns.pause();
    }
  }

  private shouldYield({ length }: Uint8Array): boolean {
    return this.data.turns.spend(1 + length / bytesPerEntry);
  }

  private add(change: BlockChange, keyValue: Uint8Array): void {
    if (change.main <= this.compactRevision && !this.isVisible(change, keyValue)) return;
    this.sum = crc32c(keyValue, crc32c(etcdRowKey(change, change.tombstone), this.sum));
  }

  private isVisible({ main, sub, tombstone }: BlockChange, keyValue: Uint8Array): boolean {
    if (tombstone) return false;
    const seen = this.data.index.get(decodeKeyValue(keyValue, sub).key)?.putAt(this.visibleAt);
    return seen?.mod === main && seen.sub === sub;
  }
}
