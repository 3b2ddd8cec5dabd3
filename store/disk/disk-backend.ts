// Rows on disk, in LevelDB.

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import { errorCode, isError } from "../../platform/index.js";
import { DamagedError } from "../base/index.js";
import type { Backend, BackendSize, Batch, Row, RowIterator, Rows, View } from "./backend.js";
import { levelDirectory, removeFormerDirectories, takeOverDirectory } from "./level-directory.js";
import { checkTables } from "./tables.js";

/** A snapshot of `level`: the rows at one instant. */
type Instant = ReturnType<Level["snapshot"]>;

/** Bytes that an iterator reads ahead: with LevelDB's default of 16 KiB every few rows would need a thread switch. */
const readAheadBytes = 256 * 1024;

/** The part of `level` that is used here. */
interface BytesLevel {
  getSync(key: Uint8Array, options: ReadOptions): Uint8Array | undefined;
  iterator(options: ReadOptions & { gte: Uint8Array; lt: Uint8Array; highWaterMarkBytes: number }): {
    nextv(count: number): Promise<[Uint8Array, Uint8Array][]>;
    close(): Promise<void>;
  };
  snapshot(): Instant;
  batch(): {
    put(key: Uint8Array, value: Uint8Array): unknown;
    del(key: Uint8Array): unknown;
    write(options: { sync: boolean }): Promise<void>;
  };
  /** Exists in Node; the types of `level` have only the methods of all platforms. */
  compactRange?(from: Uint8Array, to: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** The options of a read. Without a snapshot it reads the present rows. */
interface ReadOptions {
  readonly snapshot?: Instant;
}

/** Reads rows of `level`: the present ones or those of a snapshot. */
class LevelRows implements Rows {
  constructor(
    readonly name: string,
    protected readonly level: BytesLevel,
    private readonly options: ReadOptions,
  ) {}

  get(key: Uint8Array): Uint8Array | undefined {
    try {
      return this.level.getSync(key, this.options);
    } catch (error) {
      throw asDamage(this.name, error);
    }
  }

  iterate(from: Uint8Array, to: Uint8Array): RowIterator {
    const iterator = this.level.iterator({ ...this.options, gte: from, lt: to, highWaterMarkBytes: readAheadBytes });
    const next = async (count: number): Promise<readonly Row[]> => {
      try {
        return await iterator.nextv(count);
      } catch (error) {
        throw asDamage(this.name, error);
      }
    };
    return { next, close: () => iterator.close() };
  }
}

/** LevelDB, open in one directory until it is retired and its last reader has ended. */
class OpenLevel {
  private readers = 0;
  private onUnread: (() => void) | undefined = undefined;

  constructor(
    readonly directory: string,
    readonly level: BytesLevel,
  ) {}

  /** Counts a reader. @returns a function to call when the reader has ended; further calls do nothing */
  addReader(): () => void {
    this.readers += 1;
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      this.readers -= 1;
      if (this.readers === 0) this.onUnread?.();
    };
  }

  /** Closes LevelDB once it has no reader. */
  async retire(): Promise<void> {
    if (this.readers > 0) await new Promise<void>((resolve) => (this.onUnread = resolve));
    await this.level.close();
  }
}

class LevelView extends LevelRows implements View {
  constructor(
    name: string,
    level: BytesLevel,
    private readonly snapshot: Instant,
    private readonly onClose: () => void,
  ) {
    super(name, level, { snapshot });
  }

  async close(): Promise<void> {
    await this.snapshot.close();
    this.onClose();
  }
}

/** A backend on `level`. */
class DiskBackend implements Backend {
  private rows: LevelRows;
  /** Resolves when the former directories are removed, or left for the next start to remove. */
  private retiring: Promise<void> = Promise.resolve();

  constructor(
    readonly name: string,
    private current: OpenLevel,
    private readonly sync: boolean,
  ) {
    this.rows = new LevelRows(name, current.level, {});
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.rows.get(key);
  }

  iterate(from: Uint8Array, to: Uint8Array): RowIterator {
    const rows = this.rows.iterate(from, to);
    const ended = this.current.addReader();
    return {
      next: (count) => rows.next(count),
      close: () => rows.close().finally(ended),
    };
  }

  view(): View {
    const { level } = this.current;
    return new LevelView(this.name, level, level.snapshot(), this.current.addReader());
  }

  batch(): Batch {
    // A chained batch passes each row to native code at once. An array of operations costs several times as much, in one turn.
    const batch = this.current.level.batch();
    return {
      put: (key, value) => void batch.put(key, value),
      delete: (key) => void batch.del(key),
      // Unsynced only on request: LevelDB begins a new log without syncing the old one, and opens later although rows are missing.
      write: () => batch.write({ sync: this.sync }),
    };
  }

  async reopen(): Promise<void> {
    const former = this.current;
    await takeOverDirectory(this.name, async (directory) => (await openLevel(directory)).close());
    this.current = new OpenLevel(...(await openInUse(this.name)));
    this.rows = new LevelRows(this.name, this.current.level, {});
    this.retiring = Promise.all([this.retiring, former.retire()])
      .then(() => removeFormerDirectories(this.name))
      .catch(() => undefined); // takes space until the next start
  }

  async size(): Promise<BackendSize> {
    const files = await fileSizes(this.current.directory);
    return { allocatedBytes: sum(files), inUseBytes: sum(files.filter((file) => /\.(ldb|log)$/.test(file.name))) };
  }

  async compact(from: Uint8Array, to: Uint8Array): Promise<void> {
    const ended = this.current.addReader();
    try {
      await this.current.level.compactRange?.(from, to);
    } catch (error) {
      throw asDamage(this.name, error);
    } finally {
      ended();
    }
  }

  async close(): Promise<void> {
    await this.current.level.close();
    await this.retiring;
  }
}

/** Converts an error of `level`: damage that LevelDB itself has found becomes a DamagedError. */
function asDamage(name: string, error: unknown): unknown {
  for (let cause = error; isError(cause); cause = cause.cause)
    if (errorCode(cause) === "LEVEL_CORRUPTION") return new DamagedError(name, cause.message, { cause: error });
  return error;
}

/**
 * The tables that LevelDB keeps open: 1 GB of rows. LevelDB maps up to 1000 open tables into memory, and a mapped table takes no file
 * descriptor, so neither the store in use nor the one that a snapshot builds takes descriptors for its tables.
 */
const maxOpenFiles = 500;

const bytes = { keyEncoding: "buffer", valueEncoding: "buffer" } as const;

/**
 * Opens a store on disk, in a directory of its own that is created if it does not exist. All tables are read once, to check their
 * checksums.
 *
 * @param options.sync whether each batch is synced; if not, a power cut may damage the store
 * @throws DamagedError if LevelDB's own files are damaged
 */
export async function openDiskBackend(
  directory: string,
  { sync = true }: { readonly sync?: boolean } = {},
): Promise<Backend> {
  await removeFormerDirectories(directory);
  await checkTables(await levelDirectory(directory));
  return new DiskBackend(directory, new OpenLevel(...(await openInUse(directory))), sync);
}

/** Opens the LevelDB directory that is in use below a store's directory. */
const openInUse = async (root: string): Promise<[directory: string, level: BytesLevel]> => {
  const directory = await levelDirectory(root);
  return [directory, await openLevel(directory)];
};

/** @throws DamagedError */
const openLevel = async (directory: string): Promise<BytesLevel> => {
  const level = new Level<Uint8Array, Uint8Array>(directory, { ...bytes, maxOpenFiles });
  try {
    await level.open();
  } catch (error) {
    throw asDamage(directory, error);
  }
  return level;
};

interface FileSize {
  readonly name: string;
  readonly size: number;
}

const sum = (files: readonly FileSize[]): number => files.reduce((total, file) => total + file.size, 0);

async function fileSizes(directory: string): Promise<readonly FileSize[]> {
  const names = await readdir(directory);
  return Promise.all(names.map(async (name) => ({ name, size: await fileSize(join(directory, name)) })));
}

/** Returns the size of a file; 0 if LevelDB has removed it since it was listed. */
async function fileSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return 0;
    throw error;
  }
}
