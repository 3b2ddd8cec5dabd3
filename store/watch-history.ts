import type { Backend, Row } from "./backend.js";
import { DamagedError } from "./errors.js";
import { decodeKeyValue, deletedState } from "./key-value.js";
import type { Revision } from "./revision.js";
import { firstRowKeyOf, nameOfRow, openRow, parseChangeRowKey } from "./rows.js";
import type { StoreData } from "./store-data.js";
import { WatchEvent } from "./watch-event.js";

/** Whole revisions of the past, oldest first. */
export interface HistorySlice {
  /** The last revision that it contains, even if nothing is left of that one. */
  readonly through: Revision;
  readonly events: readonly WatchEvent[];
}

const rowsPerRead = 250;

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
    const { unflushed } = this.data;
    if (unflushed.holds(from)) return this.fromMemory(from, to);
    return this.fromDisk(from, Math.min(to + 1, unflushed.firstRevision));
  }

  private fromMemory(from: Revision, to: Revision): HistorySlice {
    const { unflushed, limits } = this.data;
    const events: WatchEvent[] = [];
    let bytes = 0;
    let through = from - 1;
    for (const changes of unflushed.between(from, Math.min(to, from + limits.revisionsPerWatchBatch - 1))) {
      for (const { entry, state, keyValue } of changes) {
        events.push(new WatchEvent(entry.key, state, keyValue));
        bytes += keyValue.length;
      }
      through += 1;
      if (bytes >= limits.bytesPerWatchBatch) break;
    }
    return { through: through as Revision, events };
  }

  /** The iterator sees the rows as they are now, so a compaction meanwhile takes nothing away. */
  private async fromDisk(from: Revision, end: number): Promise<HistorySlice> {
    const { limits } = this.data;
    const rows = this.backend.iterate(firstRowKeyOf(from), firstRowKeyOf(end));
    const events: WatchEvent[] = [];
    let bytes = 0;
    let revisions = 0;
    let last = 0;
    try {
      for (;;) {
        const some = await rows.next(rowsPerRead);
        if (some.length === 0) return { through: (end - 1) as Revision, events };
        for (const row of some) {
          const event = this.eventOf(row);
          if (event.revision !== last) {
            const isFull = revisions >= limits.revisionsPerWatchBatch || bytes >= limits.bytesPerWatchBatch;
            if (isFull) return { through: (event.revision - 1) as Revision, events };
            last = event.revision;
            revisions += 1;
          }
          events.push(event);
          bytes += event.bytes;
        }
      }
    } finally {
      await rows.close();
    }
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
