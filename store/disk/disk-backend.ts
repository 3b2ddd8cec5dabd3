// Rows on disk, in LevelDB.

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import { errorCode, isError } from "../../platform/index.js";
import { DamagedError } from "../base/index.js";
import type { Backend, BackendSize, Batch, Row, RowIterator, Rows, View } from "./backend.js";
import { checkTables } from "./tables.js";

/** An instant that `level` keeps readable. */
type Instant = ReturnType<Level["snapshot"]>;

/** Bytes that an iterator reads ahead: LevelDB's own default of 16 KiB makes a thread switch of every few rows. */
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
  close(): Promise<void>;
}

/** Absent: the rows as they are now. */
interface ReadOptions {
  readonly snapshot?: Instant;
}

/** Reads of `level`, of now or of an instant. */
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

class LevelView extends LevelRows implements View {
  constructor(
    name: string,
    level: BytesLevel,
    private readonly snapshot: Instant,
  ) {
    super(name, level, { snapshot });
  }

  close(): Promise<void> {
    return this.snapshot.close();
  }
}

/** A backend on `level`. */
class LevelBackend extends LevelRows implements Backend {
  constructor(
    name: string,
    level: BytesLevel,
    private readonly measure: () => Promise<BackendSize>,
    private readonly sync = true,
  ) {
    super(name, level, {});
  }

  view(): View {
    return new LevelView(this.name, this.level, this.level.snapshot());
  }

  batch(): Batch {
    // Chained: rows go to the native side one by one as they arise. An array of operations costs several times as
    // much, and all at once.
    const batch = this.level.batch();
    return {
      put: (key, value) => void batch.put(key, value),
      delete: (key) => void batch.del(key),
      // Unsynced only by wish: LevelDB switches to a new log without syncing the old one, and opens over the hole.
      write: () => batch.write({ sync: this.sync }),
    };
  }

  size(): Promise<BackendSize> {
    return this.measure();
  }

  close(): Promise<void> {
    return this.level.close();
  }
}

/** Returns the error to throw for one of `level`: damage that LevelDB itself has found gets our name. */
function asDamage(name: string, error: unknown): unknown {
  for (let cause = error; isError(cause); cause = cause.cause)
    if (errorCode(cause) === "LEVEL_CORRUPTION") return new DamagedError(name, cause.message, { cause: error });
  return error;
}

/**
 * Tables that LevelDB keeps open, 1 GB of rows. It maps up to 1000 into memory, which takes no file descriptor once they are
 * open: so neither the store in use nor the one that a snapshot makes takes any for its tables.
 */
const maxOpenFiles = 500;

const bytes = { keyEncoding: "buffer", valueEncoding: "buffer" } as const;

/**
 * A store on disk, in a directory of its own that is created if need be. Everything in it is read once, for its checksums.
 *
 * @param options.sync whether a batch is synced before it counts as written; without, a power cut may damage the store
 * @throws DamagedError if LevelDB's own files are damaged
 */
export async function openDiskBackend(
  directory: string,
  { sync = true }: { readonly sync?: boolean } = {},
): Promise<Backend> {
  await checkTables(directory);
  const level = new Level<Uint8Array, Uint8Array>(directory, { ...bytes, maxOpenFiles });
  try {
    await level.open();
  } catch (error) {
    throw asDamage(directory, error);
  }
  const measure = async (): Promise<BackendSize> => {
    const files = await fileSizes(directory);
    return { allocatedBytes: sum(files), inUseBytes: sum(files.filter((file) => /\.(ldb|log)$/.test(file.name))) };
  };
  return new LevelBackend(directory, level, measure, sync);
}

interface FileSize {
  readonly name: string;
  readonly size: number;
}

const sum = (files: readonly FileSize[]): number => files.reduce((total, file) => total + file.size, 0);

async function fileSizes(directory: string): Promise<readonly FileSize[]> {
  const names = await readdir(directory);
  return Promise.all(names.map(async (name) => ({ name, size: await fileSize(join(directory, name)) })));
}

/** 0 for a file that LevelDB has removed since it was listed. */
async function fileSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return 0;
    throw error;
  }
}
