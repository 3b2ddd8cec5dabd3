// A disk in memory that loses data as a real disk may (see sim-files.ts). One test suite (disk.test.ts) tests both this and the
// real disk.
import path from "node:path";
import type { SeededRandom } from "./random.js";
import {
  type DirectoryLock,
  type DiskDone,
  type DiskFile,
  type DiskResult,
  type MemberDisk,
  type OpenMode,
  toPromise,
} from "../platform/index.js";
import { sectorsOf, SimDirectory, SimFile, type SimNode } from "./sim-files.js";

/** The name of an operation of a disk. */
export type OperationKind =
  | "open"
  | "list"
  | "rename"
  | "remove"
  | "removeTree"
  | "syncDirectory"
  | "makeDirectory"
  | "freeBytes"
  | "size"
  | "read"
  | "write"
  | "close";

/** An operation of a disk, for `SimDisk.onOperation`. */
export interface DiskOperation {
  readonly kind: OperationKind;
  readonly path: string;
}

/** The options of `SimDisk`. */
export interface SimDiskOptions {
  /** Decides which unsynced changes survive a crash. */
  readonly random: SeededRandom;
  /**
   * Runs the end of an operation later. A simulator adds delays here, so that operations may overtake each other. Absent: in a
   * microtask.
   */
  readonly schedule?: (end: () => void) => void;
}

/** Creates an error with a code of Node, such as `ENOSPC`. */
export const diskError = (code: string, operation: DiskOperation): Error =>
  Object.assign(new Error(`${code}: simulated, ${operation.kind} '${operation.path}'`), { code });

const isFull = (error: Error): boolean => "code" in error && error.code === "ENOSPC";

/** A write in progress, of which a kill may leave a part. */
interface Write {
  readonly file: SimFile;
  readonly bytes: Uint8Array;
  readonly position: number;
}

/**
 * A disk in memory. A power cut loses a random part of the unsynced changes; a kill may leave a part of each write in
 * progress.
 */
export class SimDisk {
  /**
   * Called at the beginning of each operation; a returned error makes the operation fail. The callback may cut the power or kill
   * the process.
   */
  onOperation: (operation: DiskOperation) => Error | undefined = () => undefined;
  /** Size of the disk: writes beyond it fail with ENOSPC. */
  capacityBytes = Infinity;
  private readonly random: SeededRandom;
  private readonly schedule: (end: () => void) => void;
  private readonly root = new SimDirectory();
  private readonly writes = new Set<Write>();
  private run = 0;

  constructor(options: SimDiskOptions) {
    this.random = options.random;
    this.schedule = options.schedule ?? queueMicrotask;
  }

  /** Returns the disk for one run of a process. After `kill` or `powerCut` it never answers again; the next run calls `boot` again. */
  boot(): MemberDisk {
    return new BootedDisk(this, ++this.run);
  }

  /** The process dies at once, as from `kill -9`. Writes that the operating system has accepted are kept. */
  kill(): void {
    this.run++;
    for (const { file, bytes, position } of this.writes)
      file.writePart(bytes, position, this.random.between(0, sectorsOf(bytes)));
    this.writes.clear();
  }

  /** The machine loses power. Any subset of the unsynced changes survives. */
  powerCut(): void {
    this.run++;
    for (const { file, bytes, position } of this.writes) file.write(bytes, position);
    this.writes.clear();
    const odds = this.random.pick([0, 0.5, 0.9, 1]); // nothing, a mixture, nearly all, all
    this.root.lose(() => this.random.chance(odds));
  }

  /** Returns the contents of all files as programs read them, by path. */
  contents(): Map<string, Uint8Array> {
    return new Map([...filesIn(this.root, "/")].sort().map(([name, file]) => [name, file.cache.slice()]));
  }

  /** Returns an opaque object for the file of that name, to compare: a file that was created again is another object. */
  fileAt(file: string): object | undefined {
    const place = this.placeOf(file, { kind: "open", path: file });
    return place instanceof Error ? undefined : place.node;
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const [, file] of filesIn(this.root, "/")) bytes += file.cache.length;
    return bytes;
  }

  /** Creates a file durably, without an operation: simulates damage, and actions of people. */
  place(name: string, bytes: Uint8Array): void {
    let directory = this.root;
    for (const each of path.dirname(name).split("/").filter(Boolean)) {
      const found = directory.names.get(each);
      const below = found instanceof SimDirectory ? found : new SimDirectory();
      if (found !== below) directory.place(each, below);
      directory = below;
    }
    const file = new SimFile(name);
    file.writeThrough(bytes, 0);
    directory.place(path.basename(name), file);
  }

  /** Removes a file, durably, without an operation. */
  erase(name: string): void {
    const place = this.placeOf(name, { kind: "remove", path: name });
    if (!(place instanceof Error)) place.directory.place(place.name, undefined);
  }

  /** Begins an operation of a process. It takes effect later, and is answered, if that process is still alive then. */
  beginOperation<T>(
    run: number,
    operation: DiskOperation,
    done: DiskResult<T> | DiskDone,
    effect: () => T | Error,
  ): void {
    if (run !== this.run) return;
    const fault = this.onOperation(operation);
    this.schedule(() => {
      if (run !== this.run) return;
      const result = fault ?? effect();
      if (result instanceof Error) done(result);
      else (done as DiskResult<T>)(null, result);
    });
  }

  beginWrite(run: number, { file, bytes, position }: Write, done: DiskDone): void {
    const operation: DiskOperation = { kind: "write", path: file.path };
    const write = { file, bytes, position };
    const onEnded: DiskDone = (error) => {
      this.writes.delete(write);
      if (error !== null && !isFull(error)) file.writeInVain(bytes, position);
      done(error);
    };
    if (run === this.run) this.writes.add(write);
    this.beginOperation<undefined>(run, operation, onEnded, () => {
      const grown = Math.max(0, position + bytes.length - file.cache.length);
      if (grown > 0 && this.usedBytes + grown > this.capacityBytes) return diskError("ENOSPC", operation);
      file.writeThrough(bytes, position);
      return undefined;
    });
  }

  directoryAt(directory: string, operation: DiskOperation): SimDirectory | Error {
    let found: SimNode | undefined = this.root;
    for (const name of directory.split("/").filter(Boolean)) {
      if (!(found instanceof SimDirectory)) break;
      found = found.names.get(name);
    }
    if (found instanceof SimDirectory) return found;
    return diskError(found === undefined ? "ENOENT" : "ENOTDIR", operation);
  }

  /** Finds the directory entry of `file`, which need not exist. */
  placeOf(file: string, operation: DiskOperation): NamedNode | Error {
    const directory = this.directoryAt(path.dirname(file), operation);
    if (directory instanceof Error) return directory;
    const name = path.basename(file);
    return { directory, name, node: directory.names.get(name) };
  }
}

/** A name in a directory, and its node; undefined: the name does not exist. */
interface NamedNode {
  readonly directory: SimDirectory;
  readonly name: string;
  readonly node: SimNode | undefined;
}

/** The disk of one run of a process. */
class BootedDisk implements MemberDisk {
  private isLocked = false;

  constructor(
    private readonly disk: SimDisk,
    private readonly run: number,
  ) {}

  open(file: string, how: OpenMode, done: DiskResult<DiskFile>): void {
    this.beginOperation("open", file, done, ({ directory, name, node }, operation) => {
      if (node instanceof SimDirectory) return diskError("EISDIR", operation);
      if (node === undefined && how !== "new") return diskError("ENOENT", operation);
      const opened = node ?? new SimFile(file);
      if (how === "new") opened.empty();
      if (node === undefined) directory.add(name, opened);
      opened.path = file;
      return new OpenFile(this.disk, this.run, opened);
    });
  }

  list(file: string, done: DiskResult<readonly string[]>): void {
    const operation: DiskOperation = { kind: "list", path: file };
    this.disk.beginOperation(this.run, operation, done, () => {
      const directory = this.disk.directoryAt(file, operation);
      return directory instanceof Error ? directory : [...directory.names.keys()];
    });
  }

  /**
   * Renames a file. In one directory a rename is atomic; into another directory, the new name and the removal of the old one are
   * two changes.
   */
  rename(from: string, to: string, done: DiskDone): void {
    this.beginOperation("rename", from, done, ({ directory, name, node }, operation) => {
      const target = this.disk.directoryAt(path.dirname(to), operation);
      if (target instanceof Error) return target;
      if (node === undefined) return diskError("ENOENT", operation);
      if (node instanceof SimFile) node.path = to;
      if (target === directory) directory.rename(name, path.basename(to), node);
      else {
        target.add(path.basename(to), node);
        directory.remove(name);
      }
      return undefined;
    });
  }

  remove(file: string, done: DiskDone): void {
    this.beginOperation("remove", file, done, ({ directory, name, node }, operation) => {
      if (!(node instanceof SimFile)) return diskError(node === undefined ? "ENOENT" : "EISDIR", operation);
      directory.remove(name);
      return undefined;
    });
  }

  /** Removes a directory in two steps, between which the process may end: first the contents, then the directory. */
  removeTree(file: string, done: DiskDone): void {
    const removeName = (): void =>
      this.beginOperation("removeTree", file, done, ({ directory, name, node }) => {
        if (node !== undefined) directory.remove(name);
        return undefined;
      });
    const onEmptied: DiskDone = (error) => (error === null ? removeName() : done(error));
    this.beginOperation("removeTree", file, onEmptied, ({ node }) => {
      if (node instanceof SimDirectory) emptyTree(node);
      return undefined;
    });
  }

  syncDirectory(file: string, done: DiskDone): void {
    const operation: DiskOperation = { kind: "syncDirectory", path: file };
    this.disk.beginOperation<undefined>(this.run, operation, done, () => {
      const directory = this.disk.directoryAt(file, operation);
      if (directory instanceof Error) return directory;
      directory.sync();
      return undefined;
    });
  }

  freeBytes(directory: string, done: DiskResult<number>): void {
    const { disk } = this;
    disk.beginOperation(
      this.run,
      { kind: "freeBytes", path: directory },
      done,
      () => disk.capacityBytes - disk.usedBytes,
    );
  }

  makeDirectory(file: string, done: DiskDone): void {
    this.beginOperation("makeDirectory", file, done, ({ directory, name, node }) => {
      if (node === undefined) directory.add(name, new SimDirectory());
      return undefined;
    });
  }

  /** Locks a directory. Only the running process can hold a lock, because former processes are dead. */
  async lock(directory: string): Promise<DirectoryLock> {
    if (this.isLocked) throw diskError("ELOCKED", { kind: "open", path: directory });
    this.isLocked = true;
    await toPromise((done) => this.makeDirectory(directory, done));
    return { close: () => Promise.resolve(void (this.isLocked = false)) };
  }

  /** Begins an operation on one name. */
  private beginOperation<T>(
    kind: OperationKind,
    file: string,
    done: DiskResult<T> | DiskDone,
    effect: (place: NamedNode, operation: DiskOperation) => T | Error,
  ): void {
    const operation: DiskOperation = { kind, path: file };
    this.disk.beginOperation(this.run, operation, done, () => {
      const place = this.disk.placeOf(file, operation);
      return place instanceof Error ? place : effect(place, operation);
    });
  }
}

class OpenFile implements DiskFile {
  constructor(
    private readonly disk: SimDisk,
    private readonly run: number,
    private readonly file: SimFile,
  ) {}

  write(bytes: Uint8Array, position: number, done: DiskDone): void {
    this.disk.beginWrite(this.run, { file: this.file, bytes, position }, done);
  }

  size(done: DiskResult<number>): void {
    this.beginOperation("size", done, ({ cache }) => cache.length);
  }

  read(position: number, length: number, done: DiskResult<Uint8Array>): void {
    this.beginOperation("read", done, ({ cache }) => cache.slice(position, position + length));
  }

  close(done: DiskDone): void {
    this.beginOperation("close", done, () => undefined);
  }

  private beginOperation<T>(kind: OperationKind, done: DiskResult<T> | DiskDone, effect: (file: SimFile) => T): void {
    this.disk.beginOperation(this.run, { kind, path: this.file.path }, done, () => effect(this.file));
  }
}

function* filesIn(directory: SimDirectory, at: string): Generator<readonly [string, SimFile]> {
  for (const [name, node] of directory.names)
    if (node instanceof SimFile) yield [path.join(at, name), node];
    else yield* filesIn(node, path.join(at, name));
}

const emptyTree = (directory: SimDirectory): void => {
  for (const [name, node] of directory.names) {
    if (node instanceof SimDirectory) emptyTree(node);
    directory.remove(name);
  }
};
