// The queue of a watch that survives compactions: it keeps the reported keys, and after a compaction reports the differences.
import { CompactedError, type ConnectError, type Header, Wakeup } from "../transport/index.js";
import { KnownKeys } from "./known-keys.js";
import { isCompacted, pagesOf, type ListingServices } from "./listing.js";
import { type Arrival, type ArrivalSource, WatchQueue, type WatchQueueOptions } from "./watch-queue.js";
import type { WatchStream } from "./watch-stream.js";

/** Options of a watch that survives compactions. */
export interface ResyncOptions extends WatchQueueOptions {
  /** The interval to list, without the key space's prefix. */
  readonly interval: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array };
  /** Maximum number of keys that are kept. */
  readonly maxKeys: number;
  /** The type of events to report. Undefined: both. */
  readonly only: "put" | "delete" | undefined;
}

/** A store's revision before the first change: there are no keys at this revision. */
const emptyRevision = 1;

/**
 * A queue that resyncs after compactions. Example: the watch begins at revision 10, lists the keys as of 9 and watches from 10
 * on. Changes up to 14 arrive. The server compacts at 20 while it cannot be reached, and refuses a watch from 15 on: the keys are
 * listed again, for example as of 23. The differences from 14 are one arrival, and the watch continues from 24.
 */
export class ResyncQueue implements ArrivalSource {
  readonly changed: Wakeup;
  private readonly known: KnownKeys;
  private readonly ending = new AbortController();
  private readonly begun: Promise<void>;
  /** The queue of the current watch; undefined during the first listing. */
  private inner: WatchQueue | undefined;
  private first: number | undefined;
  private ownFailure: Error | undefined;
  private notReached: ConnectError | undefined;

  constructor(
    private readonly stream: WatchStream,
    private readonly services: ListingServices,
    private readonly options: ResyncOptions,
  ) {
    this.changed = new Wakeup(services.clock);
    this.known = new KnownKeys(options.maxKeys);
    this.begun = this.listKeys();
  }

  get firstRevision(): number | undefined {
    return this.first ?? this.inner?.firstRevision;
  }

  get failure(): Error | undefined {
    return this.ownFailure ?? (this.inner?.failure instanceof CompactedError ? undefined : this.inner?.failure);
  }

  get isOver(): boolean {
    return this.ending.signal.aborted;
  }

  get unreachable(): ConnectError | undefined {
    return this.notReached ?? this.inner?.unreachable;
  }

  async takeArrival(): Promise<Arrival | undefined> {
    await this.begun;
    for (;;) {
      if (this.ownFailure !== undefined) throw this.ownFailure;
      if (this.isOver || this.inner === undefined) return undefined;
      const arrival = await this.next(this.inner);
      if (arrival === undefined || this.options.only === undefined) return arrival;
      const events = arrival.events.filter(({ type }) => type === this.options.only);
      if (events.length > 0 || arrival.through !== undefined) return { ...arrival, events };
    }
  }

  endWatch(failure?: Error): void {
    if (this.isOver) return;
    this.ownFailure = failure;
    this.ending.abort();
    this.inner?.endWatch(failure);
    this.changed.wake();
  }

  clear(): void {
    this.inner?.clear();
  }

  /** Lists the keys as they are before the first revision of the watch; at revision 1 there are none. */
  private async listKeys(): Promise<void> {
    const { startRevision } = this.options;
    try {
      if (startRevision > 0 && startRevision <= emptyRevision + 1) this.watchFrom(startRevision);
      else await this.list(Math.max(startRevision - 1, 0), true);
    } catch (error) {
      this.endWatch(error as Error);
    }
  }

  private async next(inner: WatchQueue): Promise<Arrival | undefined> {
    try {
      const arrival = await inner.takeArrival();
      for (const event of arrival?.events ?? []) this.known.apply(event);
      return arrival;
    } catch (error) {
      if (!(error instanceof CompactedError) || this.isOver) {
        if (!this.isOver) this.endWatch(error as Error);
        throw error;
      }
    }
    return this.relist();
  }

  private async relist(): Promise<Arrival | undefined> {
    try {
      return await this.list(0, false);
    } catch (error) {
      if (!this.isOver) this.endWatch(error as Error);
      if (this.ownFailure !== undefined) throw this.ownFailure;
      return undefined;
    }
  }

  /**
   * Lists the keys, and watches from the revision after.
   *
   * @returns the differences from the known keys
   * @throws EtcdError if the requested revision is compacted: there is nothing to compare with
   */
  private async list(revision: number, keysOnly: boolean): Promise<Arrival> {
    const listing = { ...this.options.interval, keysOnly, revision, signal: this.ending.signal };
    for (;;) {
      const comparison = this.known.compare();
      let header: Header | undefined;
      try {
        for await (const page of pagesOf(this.services, listing, (error) => this.onUnreachable(error))) {
          header ??= page.header;
          for (const kv of page.kvs) comparison.see(kv);
        }
      } catch (error) {
        // If the listing took so long that its own revision was compacted, it begins again.
        if (revision !== 0 || header === undefined || !isCompacted(error)) throw error;
        header = undefined;
      }
      if (header === undefined) continue;
      const at = revision || header.revision;
      const events = comparison.finishComparison(at);
      this.watchFrom(at + 1);
      return { header, events, through: at, resync: true };
    }
  }

  private watchFrom(startRevision: number): void {
    if (this.isOver) return;
    this.inner = new WatchQueue(this.stream, { ...this.options, startRevision }, this.changed);
    this.first ??= startRevision;
    this.notReached = undefined;
    this.changed.wake();
  }

  private onUnreachable(error: ConnectError): void {
    this.notReached = error;
    this.changed.wake();
  }
}
