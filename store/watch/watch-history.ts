import { type Backend, BlockReader, changeRowKey, firstRowKeyOf } from "../disk/index.js";
import type { Revision, StoreLimits } from "../base/index.js";
import { decodeKeyValue, type StoreData } from "../mvcc/index.js";
import { eventOfChange, WatchEvent } from "./watch-event.js";

/** The events of consecutive whole revisions, oldest first. */
export interface HistorySlice {
  /** The last revision of the slice, even if a compaction has removed all its changes. */
  readonly through: Revision;
  readonly events: readonly WatchEvent[];
}

/** The blocks per read; the backend bounds their bytes. */
const blocksPerRead = 16;

/** A slice while it is read. */
class SliceBuilder {
  readonly events: WatchEvent[] = [];
  private last = 0;
  private revisions = 0;
  private bytes = 0;

  constructor(private readonly limits: StoreLimits) {}

  get revisionsLeft(): number {
    return this.limits.revisionsPerWatchBatch - this.revisions;
  }

  /** Tells whether changes of this revision belong to the slice. All changes of a revision are in the same slice. */
  hasRoomFor(revision: number): boolean {
    return revision === this.last || (this.revisionsLeft > 0 && this.bytes < this.limits.bytesPerWatchBatch);
  }

  add(event: WatchEvent): void {
    if (event.revision !== this.last) this.revisions += 1;
    this.last = event.revision;
    this.events.push(event);
    this.bytes += event.bytes;
  }
}

/** Reads past changes, those on disk and those not yet on disk. */
export class WatchHistory {
  constructor(
    private readonly data: StoreData,
    private readonly backend: Backend,
  ) {}

  /**
   * Reads the changes from revision `from` on, as many as a batch may have, but at least one revision.
   *
   * @param from a revision that is not compacted when this is called
   * @param to the last revision to read, at or after `from`
   * @throws DamagedError
   */
  async read(from: Revision, to: Revision): Promise<HistorySlice> {
    const gathering = new SliceBuilder(this.data.limits);
    const { unflushed } = this.data;
    let next = from as number;
    if (!unflushed.has(from)) next = await this.readDisk(from, Math.min(to + 1, unflushed.firstRevision), gathering);
    // Revisions written to disk since the read are not in memory any more: the next slice reads them from disk.
    if (unflushed.has(next)) next = await this.readMemory(next, to, gathering);
    return { through: (next - 1) as Revision, events: gathering.events };
  }

  /**
   * Reads from disk. The iterator has a view of the present rows, so a compaction meanwhile removes none.
   *
   * @returns the revision to continue from
   */
  private async readDisk(from: number, end: number, gathering: SliceBuilder): Promise<number> {
    const { blocks } = this.data;
    const first = blocks.find({ main: from, sub: 0 });
    const begin = first < 0 ? firstRowKeyOf(from) : changeRowKey(blocks.positionOf(first));
    const rows = this.backend.iterate(begin, firstRowKeyOf(end));
    try {
      for (;;) {
        const some = await rows.next(blocksPerRead);
        if (some.length === 0) return end;
        for (const [rowKey, row] of some) {
          const block = new BlockReader(this.backend.name, rowKey, row);
          const next = await this.readBlock(block, { from, end }, gathering);
          if (next !== undefined) return next;
        }
      }
    } finally {
      await rows.close();
    }
  }

  /** Reads changes that are not on disk yet. Writing them meanwhile does not matter: the list of them was made before. */
  private async readMemory(from: number, to: number, gathering: SliceBuilder): Promise<number> {
    const { unflushed, turns } = this.data;
    let next = from;
    for (const changes of unflushed.listBetween(from, Math.min(to, from + gathering.revisionsLeft - 1))) {
      if (!gathering.hasRoomFor(next)) break;
      for (let sub = 0; sub < changes.length; sub++) {
        gathering.add(eventOfChange(changes, sub));
        if (turns.spend(1)) await turns.pause();
      }
      next += 1;
    }
    return next;
  }

  /** Reads a block. @returns the revision to continue from if the slice is full; undefined after the whole block */
  private async readBlock(
    block: BlockReader,
    { from, end }: { readonly from: number; readonly end: number },
    gathering: SliceBuilder,
  ): Promise<number | undefined> {
    const { turns } = this.data;
    while (block.next() && block.main < end) {
      if (block.main < from) continue;
      if (!gathering.hasRoomFor(block.main)) return block.main;
      gathering.add(eventOfBlock(block));
      if (turns.spend(1)) await turns.pause();
    }
    return undefined;
  }
}

function eventOfBlock({ main, sub, tombstone, keyValue }: BlockReader): WatchEvent {
  const { key, state } = decodeKeyValue(keyValue, sub);
  const kind = tombstone ? "delete" : state.create === state.mod ? "create" : "put";
  return new WatchEvent(key, main as Revision, kind, keyValue);
}
