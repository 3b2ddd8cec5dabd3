// A store whose process has no file descriptors left, or whose disk is full: it waits, and goes on.

import { isError } from "../../platform/index.js";
import type { Backend, Batch, Row, RowIterator, View } from "./backend.js";

/** A resource that writing takes, and that there may be too little of. */
export interface Resource {
  /**
   * Resolves once there is so much that LevelDB can go on.
   *
   * @throws Error if the wait is given up
   */
  whenAvailable(): Promise<void>;
  /**
   * The same after a while: LevelDB has just failed for lack of it.
   *
   * @throws Error if the wait is given up
   */
  whenAvailableAgain(): Promise<void>;
}

/** Source of file descriptors for when LevelDB gets none from the system. */
export interface DescriptorSource extends Resource {
  /** Closes those that are kept for this, at once. False: there are none left. */
  lend(): boolean;
}

/** The resources that a store may have too little of; absent: there is always enough. */
export interface StoreResources {
  readonly descriptors?: DescriptorSource | undefined;
  readonly space?: Resource | undefined;
}

/** LevelDB passes on no code but only the system's words: for EMFILE and ENFILE, and for ENOSPC and EDQUOT. */
const wordsOfShortage = {
  descriptors: ["Too many open files"],
  space: ["No space left on device", "Disk quota exceeded"],
} as const satisfies Record<keyof StoreResources, readonly string[]>;

/** Whether an operation of LevelDB failed for lack of `resource`. */
const isLackOf = (resource: keyof StoreResources, error: unknown): boolean => {
  for (let cause = error; isError(cause); cause = cause.cause) {
    const { message } = cause;
    if (wordsOfShortage[resource].some((words) => message.includes(words))) return true;
  }
  return false;
};

/** Attempts of a batch after which LevelDB is opened again: it repeats what its compaction met, and takes no write any more. */
const attemptsBeforeReopening = 3;

/**
 * A backend whose operations do not fail for lack of file descriptors or space. A batch that found no descriptor was not begun:
 * LevelDB needs it for its next log, which comes before the first byte; but if LevelDB's compaction has found none, LevelDB has
 * to be opened again, and always after a batch for which there was no space, as a part of it may stand in the log. A row is read
 * again with what `descriptors` lends; an iterator goes on behind its last row, in the same instant.
 */
export class PatientBackend implements Backend {
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
    const rows = new PatientIterator(view, this.resources, from, to);
    return {
      next: (count) => rows.next(count),
      close: async () => {
        await rows.close();
        await view.close();
      },
    };
  }

  view(): View {
    const view = this.backend.view();
    return {
      name: view.name,
      get: (key) => readWithLentDescriptors(this.resources, () => view.get(key)),
      iterate: (from, to) => new PatientIterator(view, this.resources, from, to),
      close: () => view.close(),
    };
  }

  batch(): Batch {
    return new PatientBatch(this.backend, this.resources);
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

const readWithLentDescriptors = <T>({ descriptors }: StoreResources, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    if (!isLackOf("descriptors", error) || descriptors?.lend() !== true) throw error;
    return read();
  }
};

class PatientIterator implements RowIterator {
  private rows: RowIterator;
  private last: Uint8Array | undefined = undefined;

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
        await this.rows.close(); // an iterator of LevelDB does not recover
        await descriptors.whenAvailableAgain();
        this.rows = this.view.iterate(this.last === undefined ? this.from : successorOf(this.last), this.to);
      }
    }
  }

  close(): Promise<void> {
    return this.rows.close();
  }
}

/** The first key after `key`. */
const successorOf = (key: Uint8Array): Uint8Array => {
  const successor = new Uint8Array(key.length + 1);
  successor.set(key);
  return successor;
};

class PatientBatch implements Batch {
  private batch: Batch;
  /** All that was put and deleted, in order, for another attempt: references to what the caller keeps anyway. */
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
        mustReopen ||= await this.outlast(error, attempt);
      }
    }
  }

  /**
   * Waits until there is what the last attempt found too little of.
   *
   * @returns whether the backend has to be opened again
   * @throws the error itself if it has another reason, or if nothing can be done about it
   */
  private async outlast(error: unknown, attempt: number): Promise<boolean> {
    const { descriptors, space } = this.resources;
    const canReopen = this.backend.reopen !== undefined;
    if (space !== undefined && canReopen && isLackOf("space", error)) {
      await space.whenAvailableAgain();
      return true;
    }
    const isTired = attempt >= attemptsBeforeReopening;
    if (descriptors === undefined || !isLackOf("descriptors", error) || (isTired && !canReopen)) throw error;
    await descriptors.whenAvailableAgain();
    return isTired;
  }

  /** Begins again, with the same changes. */
  private repeat(): void {
    this.batch = this.backend.batch();
    for (const [key, value] of this.changes)
      if (value === undefined) this.batch.delete(key);
      else this.batch.put(key, value);
  }
}
