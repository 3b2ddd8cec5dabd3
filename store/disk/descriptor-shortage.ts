// A store whose process, or whose system, has no file descriptors left: it waits, and goes on.

import { isError } from "../../platform/index.js";
import type { Backend, Batch, Row, RowIterator, View } from "./backend.js";

/** Source of file descriptors for when LevelDB gets none from the system. */
export interface DescriptorSource {
  /** Closes those that are kept for this, at once. False: there are none left. */
  lend(): boolean;
  /**
   * Resolves once so many are free that LevelDB can go on.
   *
   * @throws Error if the wait is given up
   */
  available(): Promise<void>;
  /**
   * The same after a while: LevelDB has just failed for lack of them.
   *
   * @throws Error if the wait is given up
   */
  availableAgain(): Promise<void>;
}

/** LevelDB passes on no code but only the system's words for EMFILE and ENFILE. */
const wordsOfShortage = "Too many open files";

/** Whether an operation of LevelDB failed for lack of file descriptors. */
export const lacksDescriptors = (error: unknown): boolean => {
  for (let cause = error; isError(cause); cause = cause.cause) if (cause.message.includes(wordsOfShortage)) return true;
  return false;
};

/**
 * Bounds the tries of a batch while there are descriptors. If it fails for lack of them all the same, LevelDB repeats what
 * its compaction met: it takes no write any more until it is opened again.
 */
const maxAttempts = 3;

/**
 * A backend whose operations do not fail for lack of file descriptors. A batch that LevelDB refused so was not begun: LevelDB
 * needs the descriptor for its next log, which comes before the first byte. A row is read again with what `source` lends;
 * an iterator goes on behind its last row, in the same instant.
 */
export class PatientBackend implements Backend {
  constructor(
    private readonly backend: Backend,
    private readonly source: DescriptorSource,
  ) {}

  get name(): string {
    return this.backend.name;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return lending(this.source, () => this.backend.get(key));
  }

  iterate(from: Uint8Array, to: Uint8Array): RowIterator {
    const view = this.backend.view();
    const rows = new PatientIterator(view, this.source, from, to);
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
      get: (key) => lending(this.source, () => view.get(key)),
      iterate: (from, to) => new PatientIterator(view, this.source, from, to),
      close: () => view.close(),
    };
  }

  batch(): Batch {
    return new PatientBatch(this.backend, this.source);
  }

  size(): ReturnType<Backend["size"]> {
    return this.backend.size();
  }

  close(): Promise<void> {
    return this.backend.close();
  }
}

const lending = <T>(source: DescriptorSource, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    if (!lacksDescriptors(error) || !source.lend()) throw error;
    return read();
  }
};

class PatientIterator implements RowIterator {
  private rows: RowIterator;
  private last: Uint8Array | undefined = undefined;

  constructor(
    private readonly view: View,
    private readonly source: DescriptorSource,
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
        if (!lacksDescriptors(error)) throw error;
        await this.rows.close(); // an iterator of LevelDB does not recover
        await this.source.availableAgain();
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
    private readonly source: DescriptorSource,
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
    await this.source.available();
    for (let attempt = 1; ; attempt++) {
      try {
        await this.batch.write();
        return;
      } catch (error) {
        if (!lacksDescriptors(error) || attempt === maxAttempts) throw error;
      }
      await this.source.availableAgain();
      this.batch = this.backend.batch();
      for (const [key, value] of this.changes)
        if (value === undefined) this.batch.delete(key);
        else this.batch.put(key, value);
    }
  }
}
