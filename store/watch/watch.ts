import { type Interval, intervalOf, type Revision, type Sliced, type ShouldYield } from "../base/index.js";

/** The changes that a watcher asks for. */
export interface WatchOptions {
  /** The keys, as in a Range; the interval must not be empty. */
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** The first revision to get: a past or a future one; 0: the next one. */
  readonly startRevision: number;
  /** Include the KeyValue before the change, unless it is compacted. */
  readonly prevKv: boolean;
  /** Get puts. */
  readonly puts: boolean;
  /** Get deletes. */
  readonly deletes: boolean;
}

/** The changes of one or several whole revisions that a watch selects. */
export interface WatchBatch {
  /** The store's present revision. After a batch from history, later batches may follow up to it. */
  readonly revision: Revision;
  /**
   * The encoded Events, oldest first. Watches with the same events get the same list object, so a receiver can cache its
   * encoding of the events by the list.
   */
  readonly events: readonly Uint8Array[];
}

/**
 * Receives the changes of any number of watches, each identified by its tag. Called at the end of a round of applied writes, or in
 * between; it must neither throw nor call the store.
 */
export interface WatchReceiver<Tag = unknown> {
  /**
   * Delivers one batch to the watches `tags[from]` to `tags[to]`, exclusive. The list of tags changes after the call.
   *
   * @returns the number of watches that took the batch, the first ones. The others had no room, and get nothing until `Watch.resume`
   */
  onChanged(tags: readonly Tag[], from: number, to: number, batch: WatchBatch): number;
  /**
   * Prepares an `onChanged` with many events, in slices before the call. `onChanged` gets the same list object.
   *
   * @param shouldYield called with the number of events visited since its last call; true: yield to other work
   */
  prepare?(events: readonly Uint8Array[], shouldYield: ShouldYield): Sliced<void>;
  /** Reports the end of a watch whose next revision is compacted. A new watch can start at `revision`. */
  onCompacted(tag: Tag, revision: Revision): void;
  /** Reports the end of a watch whose history cannot be read. */
  onFailed(tag: Tag, error: unknown): void;
}

/** A watch. The receiver gets each selected change once, in order, all changes of a revision in one batch. */
export interface Watch {
  /** Sends the pending events. @returns the present revision if all events up to it have been sent; undefined if not, or before its start */
  sendPending(): Revision | undefined;
  /** Continues after a batch that was not taken, once the receiver has room: the missed changes come from history. */
  resume(): void;
  /** Ends the watch. May be called twice. */
  close(): void;
}

/**
 * The state of a watcher. "live": gets changes when they are applied. "behind": gets them from history until it has caught up.
 * "waiting": gets none, as its receiver has no room. "ended": closed.
 */
export type WatcherState = "live" | "behind" | "waiting" | "ended";

/** The store's record of a watch. */
export class Watcher {
  readonly interval: Interval;
  /** The name of its interest: equal for watchers with the same interval and options. */
  readonly interest: string;
  state: WatcherState = "ended";
  /** The index in its `WatcherGroup`. */
  position = 0;

  /** @param next the next revision to send; not updated while the watcher is live */
  constructor(
    readonly options: WatchOptions,
    readonly receiver: WatchReceiver,
    readonly tag: unknown,
    public next: Revision,
  ) {
    this.interval = intervalOf(options);
    this.interest = interestOf(options, this.interval);
  }

  /** Tells whether it watches a single key. */
  get isForOneKey(): boolean {
    return this.options.rangeEnd.length === 0;
  }
}

/** Returns the name of the interest. The length of the first key makes it unambiguous: keys may contain a slash. */
const interestOf = ({ rangeEnd, prevKv, puts, deletes }: WatchOptions, { from, to }: Interval): string => {
  const wanted = (prevKv ? 1 : 0) + (puts ? 2 : 0) + (deletes ? 4 : 0) + (rangeEnd.length === 0 ? 8 : 0);
  return `${wanted}/${from.length}/${from}${to === undefined ? "" : `/${to}`}`;
};
