// The rows of a member's store: a backend in memory that survives its process, with the delays and faults of a disk.

import { join } from "node:path";
import { toPromise, type Disk, type DiskFile } from "../platform/index.js";
import { openMemoryBackend, type Backend, type Batch, type Row, type RowIterator } from "../store/index.js";
import type { SimDisk } from "./sim-disk.js";
import type { SeededRandom } from "./random.js";
import type { SimProcess } from "./process.js";

/** A source of rows: a whole backend, or one view of it. */
type Rows = Pick<Backend, "get" | "iterate">;

/** The state of a store's disk. */
export interface StoreConditions {
  /** Longest time of a synced batch, in milliseconds. */
  maxWriteMs: number;
  /** Longest time of an iterator's read ahead, in milliseconds. */
  maxReadMs: number;
  /** Whether the next write fails, as with EIO. */
  failsNext: boolean;
}

/** The machine of a store's files. */
export interface StoreMachine {
  readonly disk: SimDisk;
  readonly conditions: StoreConditions;
  readonly random: SeededRandom;
  /** Called before a batch is written. */
  readonly onWrite: () => void;
}

/**
 * The stores on a machine's disk. Each is a directory with a file `CURRENT`, like LevelDB's: the file is created when the store
 * is first opened, LevelDB (1.20) does not sync its name, and a directory without it belongs to a new store.
 */
export class SimStores {
  private readonly files = new WeakMap<object, StoreFiles>();

  constructor(private readonly machine: StoreMachine) {}

  /** Opens or creates the store in `directory`, for one incarnation of the member with this disk. */
  async open(directory: string, disk: Disk, process: SimProcess): Promise<Backend> {
    await toPromise((done) => disk.makeDirectory(directory, done));
    const names = await toPromise<readonly string[]>((done) => disk.list(directory, done));
    const current = join(directory, "CURRENT");
    if (!names.includes("CURRENT")) await toPromise<DiskFile>((done) => disk.open(current, "new", done));
    return (this.at(directory) ?? this.make(directory, current)).open(process);
  }

  /** Returns the files of the store in `directory`; undefined: there is no store. */
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

interface StoreOperation {
  readonly kind: "put" | "delete";
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The files of one store. They outlive the processes that open them. */
export class StoreFiles {
  private level: Backend | undefined;
  /** The batch that was being written when the process died: it survives as a whole, or not at all. */
  private underWay: readonly StoreOperation[] | undefined;

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

  /** Decides whether the batch in progress of the last process survives. */
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
    const operations: StoreOperation[] = [];
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
          throw new Error("EIO: simulated, write of the store"); // the batch may be on disk nevertheless
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
    const rotten = Uint8Array.from(value); // a copy, which a Buffer's slice() is not
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

const write = async (level: Backend, operations: readonly StoreOperation[]): Promise<void> => {
  const batch = level.batch();
  for (const { kind, key, value } of operations)
    if (kind === "put") batch.put(key, value);
    else batch.delete(key);
  await batch.write();
};
