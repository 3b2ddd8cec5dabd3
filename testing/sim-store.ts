// The rows of a member's store: a backend in memory that survives its process, behind what a disk does to it.

import { join } from "node:path";
import { toPromise, type Disk, type DiskFile } from "../platform/index.js";
import { openMemoryBackend, type Backend, type Batch, type Row, type RowIterator } from "../store/index.js";
import type { SimDisk } from "./sim-disk.js";
import type { SeededRandom } from "./random.js";
import type { SimProcess } from "./process.js";

/** A source of rows: all of a backend, or one view of it. */
type Rows = Pick<Backend, "get" | "iterate">;

/** The state of a store's disk. */
export interface StoreConditions {
  /** Milliseconds that a synced batch takes at most. */
  maxWriteMs: number;
  /** Milliseconds that a read ahead of an iterator takes at most. */
  maxReadMs: number;
  /** The next write fails, as with EIO. */
  failsNext: boolean;
}

/** The machine below the files of a store. */
export interface StoreMachine {
  readonly disk: SimDisk;
  readonly conditions: StoreConditions;
  readonly random: SeededRandom;
  /** A batch is about to be written. */
  readonly onWrite: () => void;
}

/**
 * The stores on a machine's disk. Each is a directory with a file `CURRENT`, as LevelDB's: it is made when the store is opened
 * first, its name is not synced by LevelDB (1.20), and a directory without it is that of a new store.
 */
export class SimStores {
  private readonly files = new WeakMap<object, StoreFiles>();

  constructor(private readonly machine: StoreMachine) {}

  /** Opens, or makes, the store in `directory`, for one incarnation of the member whose disk this is. */
  async open(directory: string, disk: Disk, process: SimProcess): Promise<Backend> {
    await toPromise((done) => disk.makeDirectory(directory, done));
    const names = await toPromise<readonly string[]>((done) => disk.list(directory, done));
    const current = join(directory, "CURRENT");
    if (!names.includes("CURRENT")) await toPromise<DiskFile>((done) => disk.open(current, "new", done));
    return (this.at(directory) ?? this.make(directory, current)).open(process);
  }

  /** Undefined: there is none. */
  at(directory: string): StoreFiles | undefined {
    const current = this.machine.disk.fileAt(join(directory, "CURRENT"));
    return current && this.files.get(current);
  }

  private make(directory: string, current: string): StoreFiles {
    const made = new StoreFiles(directory, this.machine);
    const file = this.machine.disk.fileAt(current);
    if (file !== undefined) this.files.set(file, made);
    return made;
  }
}

interface Operation {
  readonly kind: "put" | "delete";
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The files of one store. They outlive the processes that open them. */
export class StoreFiles {
  private level: Backend | undefined;
  /** Written and not synced when the process died: perhaps it is there, as a whole. */
  private underWay: readonly Operation[] | undefined;

  constructor(
    private readonly path: string,
    private readonly machine: StoreMachine,
  ) {}

  /** Opens the store for one incarnation of its member. */
  async open(process: SimProcess): Promise<Backend> {
    this.level ??= await openMemoryBackend();
    const { level } = this;
    await this.settleCrash(level);
    const slowDown = (rows: Rows) => ({
      name: this.path,
      get: (key: Uint8Array) => rows.get(key),
      iterate: (from: Uint8Array, to: Uint8Array) => this.slowRows(process, rows.iterate(from, to)),
    });
    return {
      ...slowDown(level),
      view: () => {
        const view = level.view();
        return { ...slowDown(view), close: () => view.close() };
      },
      batch: () => this.batch(process, level),
      size: () => level.size(),
      close: () => Promise.resolve(),
    };
  }

  /** Settles the batch that the last process left half done: all of it is there, or nothing. */
  private async settleCrash(level: Backend): Promise<void> {
    const operations = this.underWay;
    this.underWay = undefined;
    if (operations !== undefined && this.machine.random.chance(0.5)) await write(level, operations);
  }

  private slowRows(process: SimProcess, rows: RowIterator): RowIterator {
    const next = async (count: number): Promise<readonly Row[]> => {
      await process.sleep(this.machine.random.next() * this.machine.conditions.maxReadMs);
      return rows.next(count);
    };
    return { next, close: () => rows.close() };
  }

  private batch(process: SimProcess, level: Backend): Batch {
    const operations: Operation[] = [];
    const none = new Uint8Array();
    return {
      put: (key, value) => void operations.push({ kind: "put", key, value: Uint8Array.from(value) }),
      delete: (key) => void operations.push({ kind: "delete", key, value: none }),
      write: async () => {
        if (!process.isAlive) return new Promise(() => undefined);
        this.underWay = operations;
        this.machine.onWrite();
        await process.sleep(this.machine.random.next() * this.machine.conditions.maxWriteMs);
        if (this.machine.conditions.failsNext) {
          this.machine.conditions.failsNext = false;
          throw new Error("EIO: simulated, write of the store"); // and what of it is on disk nobody knows
        }
        this.underWay = undefined;
        await write(level, operations);
      },
    };
  }

  /** Flips a bit of one row's value. @returns a function that flips it back; undefined: there is no row */
  async rot(): Promise<(() => Promise<void>) | undefined> {
    if (this.level === undefined) return undefined;
    const rows = await allRows(this.level);
    if (rows.length === 0) return undefined;
    const [key, value] = this.machine.random.pick(rows);
    if (value.length === 0) return undefined;
    const { level } = this;
    const rotten = Uint8Array.from(value); // a Buffer's own slice would share its memory
    const at = this.machine.random.between(0, rotten.length - 1);
    rotten[at] = (rotten[at] ?? 0) ^ (1 << this.machine.random.between(0, 7));
    await write(level, [{ kind: "put", key, value: rotten }]);
    return () => write(level, [{ kind: "put", key, value }]);
  }
}

const allRows = async (level: Backend): Promise<readonly Row[]> => {
  const iterator = level.iterate(new Uint8Array(), new Uint8Array(64).fill(0xff));
  const all: Row[] = [];
  for (;;) {
    const some = await iterator.next(1_000);
    if (some.length === 0) break;
    all.push(...some);
  }
  await iterator.close();
  return all;
};

const write = async (level: Backend, operations: readonly Operation[]): Promise<void> => {
  const batch = level.batch();
  for (const { kind, key, value } of operations)
    if (kind === "put") batch.put(key, value);
    else batch.delete(key);
  await batch.write();
};
