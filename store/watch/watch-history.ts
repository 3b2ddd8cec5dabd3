import { type Backend, BlockReader, changeRowKey, firstRowKeyOf } from "../disk/index.js";
import type { Revision, StoreLimits } from "../base/index.js";
import { decodeKeyValue, type StoreData } from "../mvcc/index.js";
import { eventOfChange, WatchEvent } from "./watch-event.js";

/** Whole revisions of the past, oldest first. */
export interface HistorySlice {
  /** The last revision that it contains, even if nothing is left of that one. */
  readonly through: Revision;
  readonly events: readonly WatchEvent[];
}

/** Blocks that are read at once; the backend itself bounds their bytes. */
const blocksPerRead = 16;

/** A slice while it is read. */
class Gathering {
  readonly events: WatchEvent[] = [];
  private last = 0;
  private revisions = 0;
  private bytes = 0;

  constructor(private readonly limits: StoreLimits) {}

  get revisionsLeft(): number {
    return this.limits.revisionsPerWatchBatch - this.revisions;
  }

  /** Whether changes of this revision still belong to the slice: those of one revision all do. */
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

/** Reads what happened, wherever it is: on disk, or not there yet. */
export class WatchHistory {
  constructor(
    private readonly data: StoreData,
    private readonly backend: Backend,
  ) {}

  /**
   * The changes from revision `from` on, as many as a batch may have; at least those of one revision.
   *
   * @param from not compacted when this is called
   * @param to at or after `from`
   * @throws DamagedError
   */
  async read(from: Revision, to: Revision): Promise<HistorySlice> {
    const gathering = new Gathering(this.data.limits);
    const { unflushed } = this.data;
    let next = from as number;
    if (!unflushed.holds(from)) next = await this.readDisk(from, Math.min(to + 1, unflushed.firstRevision), gathering);
    // What was not on disk when that was read may be now; then it is for the next slice.
    if (unflushed.holds(next)) next = await this.readMemory(next, to, gathering);
    return { through: (next - 1) as Revision, events: gathering.events };
  }

  /**
   * The iterator sees the rows as they are now, so a compaction meanwhile takes nothing away.
   *
   * @returns the revision to go on from
   */
  private async readDisk(from: number, end: number, gathering: Gathering): Promise<number> {
    const { blocks } = this.data;
    const first = blocks.find({ main: from, sub: 0 });
    const begin = first < 0 ? firstRowKeyOf(from) : changeRowKey(blocks.begin(first));
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

  /** Once begun, it does not matter that what is read comes to disk meanwhile. */
  private async readMemory(from: number, to: number, gathering: Gathering): Promise<number> {
    const { unflushed, turns } = this.data;
    let next = from;
    for (const changes of unflushed.between(from, Math.min(to, from + gathering.revisionsLeft - 1))) {
      if (!gathering.hasRoomFor(next)) break;
      for (let sub = 0; sub < changes.length; sub++) {
        gathering.add(eventOfChange(changes, sub));
        if (turns.spend(1)) await turns.pause();
      }
      next += 1;
    }
    return next;
  }

  /** @returns the revision to go on from if the slice is full; absent: the block has been read */
  private async readBlock(
    block: BlockReader,
    { from, end }: { readonly from: number; readonly end: number },
    gathering: Gathering,
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
