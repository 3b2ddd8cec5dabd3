import { type Backend, firstRowKeyOf, nameOfRow, openRow, parseChangeRowKey, type Row } from "../disk/index.js";
import { DamagedError, type Revision, type StoreLimits } from "../base/index.js";
import { decodeKeyValue, deletedState, type StoreData } from "../mvcc/index.js";
import { WatchEvent } from "./watch-event.js";

/** Whole revisions of the past, oldest first. */
export interface HistorySlice {
  /** The last revision that it contains, even if nothing is left of that one. */
  readonly through: Revision;
  readonly events: readonly WatchEvent[];
}

const rowsPerRead = 250;

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
  takes(revision: number): boolean {
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
    const { turns } = this.data;
    const rows = this.backend.iterate(firstRowKeyOf(from), firstRowKeyOf(end));
    try {
      for (;;) {
        const some = await rows.next(rowsPerRead);
        if (some.length === 0) return end;
        for (const row of some) {
          const event = this.eventOf(row);
          if (!gathering.takes(event.revision)) return event.revision;
          gathering.add(event);
          if (turns.spend(1)) await turns.pause();
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
      if (!gathering.takes(next)) break;
      for (const { entry, state, keyValue } of changes) {
        gathering.add(new WatchEvent(entry.key, state, keyValue));
        if (turns.spend(1)) await turns.pause();
      }
      next += 1;
    }
    return next;
  }

  private eventOf([rowKey, row]: Row): WatchEvent {
    const position = parseChangeRowKey(rowKey);
    if (position === undefined) throw new DamagedError(nameOfRow(this.backend.name, rowKey), "not the key of a change");
    const keyValue = openRow(this.backend.name, rowKey, row);
    const { key, state } = decodeKeyValue(keyValue, position.sub);
    const { main, sub, tombstone } = position;
    return new WatchEvent(key, tombstone ? deletedState(main as Revision, sub) : state, keyValue);
  }
}
