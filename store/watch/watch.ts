import { type Interval, intervalOf, type Revision, type Sliced } from "../base/index.js";

/** The changes that a watcher asks for. */
export interface WatchOptions {
  /** The keys, as in a Range; they must not be none. */
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** The first revision to be told of; 0: the next. One that has not happened yet is waited for. */
  readonly startRevision: number;
  /** Tell also what the key was before, as long as no compaction has removed it. */
  readonly prevKv: boolean;
  readonly puts: boolean;
  readonly deletes: boolean;
}

/** The changes of one or several whole revisions that a watch selects. */
export interface WatchBatch {
  /** The store's revision now. In a batch from history there may be more to come up to it. */
  readonly revision: Revision;
  /**
   * Each an encoded Event, in the order in which they happened. Watches that are told the same share the list, not only
   * the bytes: what is made of it once can be kept for the next.
   */
  readonly events: readonly Uint8Array[];
}

/**
 * Is told of the changes of any number of watches, each named by the tag that it began with. Called at the end of a round of
 * applied writes, or in between: it must not throw, nor ask the store for anything.
 */
export interface WatchReceiver<Tag = unknown> {
  /**
   * Tells `tags[from]` up to, not including, `tags[to]` the same. The list changes later.
   *
   * @returns how many were told, the first ones; to the others, for which there is no room, nothing more is told until `Watch.resume`
   */
  onChanged(tags: readonly Tag[], from: number, to: number, batch: WatchBatch): number;
  /**
   * Work for `onChanged` with many events, which can be done before and in slices. The list is the one that `onChanged` is given.
   *
   * @param shouldYield told of how many events were looked at since it was asked last; true: others are to run
   */
  prepare?(events: readonly Uint8Array[], shouldYield: (events: number) => boolean): Sliced<void>;
  /** The watch has ended: what it had to be told of is gone. It can be started again at this revision. */
  onCompacted(tag: Tag, revision: Revision): void;
  /** The watch has ended: history cannot be read. */
  onFailed(tag: Tag, error: unknown): void;
}

/** A watch: gets each selected change once, in order, all changes of a revision together. */
export interface Watch {
  /** The last revision that is told whole. Undefined: not everything up to now, or its start is still to come. */
  sendPending(): Revision | undefined;
  /** There is room again after a batch was not taken; what it missed comes from history. */
  resume(): void;
  /** Ends the watch. May be called twice. */
  close(): void;
}

/**
 * The source of a watcher's changes. "live": it is told of them as they happen. "behind": from history, until it
 * has caught up. "waiting": nothing is told, as its receiver has no room. "ended": no more.
 */
export type WatcherState = "live" | "behind" | "waiting" | "ended";

/** A watch as the store keeps it. */
export class Watcher {
  readonly interval: Interval;
  /** The same for all watchers that want the same. */
  readonly interest: string;
  state: WatcherState = "ended";
  /** The index in the live group that it belongs to. */
  position = 0;

  /** @param next the first revision that it has not been told of; kept up only while it is not live */
  constructor(
    readonly options: WatchOptions,
    readonly receiver: WatchReceiver,
    readonly tag: unknown,
    public next: Revision,
  ) {
    this.interval = intervalOf(options);
    this.interest = interestOf(options, this.interval);
  }

  get watchesOneKey(): boolean {
    return this.options.rangeEnd.length === 0;
  }
}

/** Unambiguous: the length tells where the first key ends. */
const interestOf = ({ rangeEnd, prevKv, puts, deletes }: WatchOptions, { from, to }: Interval): string => {
  const wanted = (prevKv ? 1 : 0) + (puts ? 2 : 0) + (deletes ? 4 : 0) + (rangeEnd.length === 0 ? 8 : 0);
  return `${wanted}/${from.length}/${from}${to === undefined ? "" : `/${to}`}`;
};
