import { type Backend, type BlockChange, BlockReader, crc32c, etcdRowKey, firstRowKeyOf } from "../disk/index.js";
import type { Revision } from "../base/index.js";
import { decodeKeyValue } from "./key-value.js";
import type { StoreData } from "./store-data.js";
import type { Changes } from "./unflushed.js";

/** A checksum over the changes up to a revision: equal on all members with the same history and compaction. */
export interface KvHash {
  readonly hash: number;
  readonly compactRevision: Revision;
  readonly hashRevision: Revision;
}

/** Blocks that are read at once; the backend itself bounds their bytes. */
const blocksPerRead = 16;
/** Hashing so many bytes takes about as long as a read takes to visit an entry. */
const bytesPerEntry = 500;

/**
 * etcd's HashKV: CRC-32C over the bucket's name, then row key and KeyValue of each change up to a revision, in order.
 * It must not depend on how far removal has come, so what a compaction makes unreadable does not count. etcd decides
 * that by what is readable at the *hashed* revision, not at the compacted one, unless no key exists there.
 *
 * @see etcd v3 API, Maintenance.HashKV
 */
export class KvHasher {
  private sum = crc32c(Buffer.from("key"));
  /** The revision at which a change up to the compact revision must be visible to count. */
  private visibleAt: number;

  constructor(
    private readonly data: StoreData,
    private readonly revision: Revision,
    private readonly compactRevision: Revision,
  ) {
    this.visibleAt = revision;
  }

  /** The caller keeps what is readable at the compact revision from being removed meanwhile. */
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

  /** @param end the first revision that does not count any more */
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
