// A backend that waits during a shortage of file descriptors or disk space, and then continues.

import { isError } from "../../platform/index.js";
import type { Backend, Batch, Row, RowIterator, View } from "./backend.js";

/** A resource that writes need: file descriptors or disk space. */
export interface Resource {
  /**
   * Resolves once there is enough for LevelDB.
   *
   * @throws Error if the wait is canceled
   */
  whenAvailable(): Promise<void>;
  /**
   * Resolves once there is enough, after a pause: called when LevelDB has just failed for lack of it.
   *
   * @throws Error if the wait is canceled
   */
  whenAvailableAgain(): Promise<void>;
}

/** The file descriptors for LevelDB, with a reserve for reads. */
export interface DescriptorSource extends Resource {
  /** Closes the reserved descriptors, so that a synchronous read can open a file. @returns false if none are left */
  lend(): boolean;
}

/** The resources whose shortage a backend waits out; an absent one never runs short. */
export interface StoreResources {
  readonly descriptors?: DescriptorSource | undefined;
  readonly space?: Resource | undefined;
}

/** The system's texts for EMFILE and ENFILE, and for ENOSPC and EDQUOT: LevelDB's errors have no code. */
const wordsOfShortage = {
  descriptors: ["Too many open files"],
  space: ["No space left on device", "Disk quota exceeded"],
} as const satisfies Record<keyof StoreResources, readonly string[]>;

/** Tells whether an operation of LevelDB failed for lack of `resource`. */
const isLackOf = (resource: keyof StoreResources, error: unknown): boolean => {
  for (let cause = error; isError(cause); cause = cause.cause) {
    const { message } = cause;
    if (wordsOfShortage[resource].some((words) => message.includes(words))) return true;
  }
  return false;
};

/** The attempts of a batch after which LevelDB is opened again: after an error in its own compaction it refuses every write. */
const attemptsBeforeReopening = 3;

/**
 * A backend that waits until a shortage of file descriptors or disk space has ended. A read of a single row cannot wait: it fails
 * without descriptors once the reserved ones are used up.
 *
 * - A batch without a descriptor is written again: LevelDB needs the descriptor for its next log file, before the batch's first byte.
 *   If the batch fails repeatedly, LevelDB's own compaction had the error, and LevelDB is opened again.
 * - After a batch without disk space LevelDB is always opened again, as the log may contain a part of the batch.
 * - A row is read again after `descriptors.lend()`.
 * - An iterator waits for descriptors and continues after its last row, in the same view.
 */
export class RetryingBackend implements Backend {
  constructor(
    private readonly backend: Backend,
    private readonly resources: StoreResources,
  ) {}

  get name(): string {
    return this.backend.name;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return readWithLentDescriptors(this.resources, () => this.backend.get(key));
  }

  iterate(from: Uint8Array, to: Uint8Array): RowIterator {
    const view = this.backend.view();
    const rows = new RetryingIterator(view, this.resources, from, to);
    return {
      next: (count) => rows.next(count),
      close: () => rows.close().finally(() => view.close()),
    };
  }

  view(): View {
    const view = this.backend.view();
    return {
      name: view.name,
      get: (key) => readWithLentDescriptors(this.resources, () => view.get(key)),
      iterate: (from, to) => new RetryingIterator(view, this.resources, from, to),
      close: () => view.close(),
    };
  }

  batch(): Batch {
    return new RetryingBatch(this.backend, this.resources);
  }

  size(): ReturnType<Backend["size"]> {
    return this.backend.size();
  }

  async compact(from: Uint8Array, to: Uint8Array): Promise<void> {
    await this.backend.compact?.(from, to);
  }

  close(): Promise<void> {
    return this.backend.close();
  }
}

/** Reads, and reads again with lent descriptors if there were none. */
const readWithLentDescriptors = <T>({ descriptors }: StoreResources, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    if (!isLackOf("descriptors", error) || descriptors?.lend() !== true) throw error;
    return read();
  }
};

class RetryingIterator implements RowIterator {
  private rows: RowIterator;
  private last: Uint8Array | undefined = undefined;
  private isClosed = false;

  constructor(
    private readonly view: View,
    private readonly resources: StoreResources,
    private readonly from: Uint8Array,
    private readonly to: Uint8Array,
  ) {
    this.rows = view.iterate(from, to);
  }

  async next(count: number): Promise<readonly Row[]> {
    for (;;) {
      try {
        const rows = await this.rows.next(count);
        this.last = rows.at(-1)?.[0] ?? this.last;
        return rows;
      } catch (error) {
        const { descriptors } = this.resources;
        if (descriptors === undefined || !isLackOf("descriptors", error)) throw error;
        await this.rows.close(); // after an error an iterator of LevelDB returns no more rows
        if (!this.isClosed) await descriptors.whenAvailableAgain();
        if (this.isClosed) throw error; // nobody would close another iterator, and the view may be closed
        this.rows = this.view.iterate(this.last === undefined ? this.from : successorOf(this.last), this.to);
      }
    }
  }

  close(): Promise<void> {
    this.isClosed = true;
    return this.rows.close();
  }
}

/** Returns the smallest key that is greater than `key`. */
const successorOf = (key: Uint8Array): Uint8Array => {
  const successor = new Uint8Array(key.length + 1);
  successor.set(key);
  return successor;
};

class RetryingBatch implements Batch {
  private batch: Batch;
  /** All puts and deletes, in order, for another attempt: references to bytes that the caller keeps anyway. */
  private readonly changes: (readonly [key: Uint8Array, value: Uint8Array | undefined])[] = [];

  constructor(
    private readonly backend: Backend,
    private readonly resources: StoreResources,
  ) {
    this.batch = backend.batch();
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.batch.put(key, value);
    this.changes.push([key, value]);
  }

  delete(key: Uint8Array): void {
    this.batch.delete(key);
    this.changes.push([key, undefined]);
  }

  async write(): Promise<void> {
    const { descriptors, space } = this.resources;
    for (let attempt = 1, mustReopen = false; ; attempt++) {
      await space?.whenAvailable();
      await descriptors?.whenAvailable();
      try {
        if (mustReopen) await this.backend.reopen?.();
        if (attempt > 1) this.repeat();
        await this.batch.write();
        return;
      } catch (error) {
        mustReopen ||= await this.waitForShortageEnd(error, attempt);
      }
    }
  }

  /**
   * Waits until the shortage that caused `error` has ended.
   *
   * @returns true if the backend must be opened again
   * @throws the error itself if it has another cause, or if the backend cannot be opened again
   */
  private async waitForShortageEnd(error: unknown, attempt: number): Promise<boolean> {
    const { descriptors, space } = this.resources;
    const canReopen = this.backend.reopen !== undefined;
    if (space !== undefined && canReopen && isLackOf("space", error)) {
      await space.whenAvailableAgain();
      return true;
    }
    const shouldReopen = attempt >= attemptsBeforeReopening;
    if (descriptors === undefined || !isLackOf("descriptors", error) || (shouldReopen && !canReopen)) throw error;
    await descriptors.whenAvailableAgain();
    return shouldReopen;
  }

  /** Begins a new batch with the same changes. */
  private repeat(): void {
    this.batch = this.backend.batch();
    for (const [key, value] of this.changes)
      if (value === undefined) this.batch.delete(key);
      else this.batch.put(key, value);
  }
}
