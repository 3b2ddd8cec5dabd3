// A disk in memory, for members without durable data: tests, caches, trials. Every write is durable at once, until the object is freed.

import path from "node:path";
import { toPromise, type DiskDone, type DiskFile, type DiskResult, type OpenMode } from "./disk.js";
import type { DirectoryLock, MemberDisk } from "./member-disk.js";

/** Files consist of pages of this size. A page of zeros takes no memory until something else is written to it. */
const pageBytes = 16 * 1024;
const zeroPage = Buffer.alloc(pageBytes);

/** A file in pages: it grows without being copied, and the zeros with which a log fills its segments ahead take no memory. */
class MemoryFile {
  size = 0;
  /** The number of pages that take memory. */
  allocatedPages = 0;
  private readonly pages: (Uint8Array | undefined)[] = [];

  write(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length;) {
      const number = Math.floor((position + done) / pageBytes);
      const at = (position + done) % pageBytes;
      const part = bytes.subarray(done, done + pageBytes - at);
      this.pageFor(number, part)?.set(part, at);
      done += part.length;
    }
    this.size = Math.max(this.size, position + bytes.length);
  }

  /** Counts the pages that a write would allocate. */
  countNeededPages(bytes: Uint8Array, position: number): number {
    let needed = 0;
    for (let done = 0; done < bytes.length;) {
      const part = bytes.subarray(done, done + pageBytes - ((position + done) % pageBytes));
      if (this.pages[Math.floor((position + done) / pageBytes)] === undefined && !isZero(part)) needed += 1;
      done += part.length;
    }
    return needed;
  }

  read(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - position)));
    for (let done = 0; done < bytes.length;) {
      const at = (position + done) % pageBytes;
      const count = Math.min(pageBytes - at, bytes.length - done);
      const page = this.pages[Math.floor((position + done) / pageBytes)];
      if (page !== undefined) bytes.set(page.subarray(at, at + count), done);
      done += count;
    }
    return bytes;
  }

  copy(): MemoryFile {
    const copy = new MemoryFile();
    copy.size = this.size;
    copy.allocatedPages = this.allocatedPages;
    for (const [number, page] of this.pages.entries()) if (page !== undefined) copy.pages[number] = page.slice();
    return copy;
  }

  clear(): void {
    this.pages.length = 0;
    this.allocatedPages = 0;
    this.size = 0;
  }

  /** Returns the page to write `part` to; undefined if page and `part` are all zeros. */
  private pageFor(number: number, part: Uint8Array): Uint8Array | undefined {
    const page = this.pages[number];
    if (page !== undefined || isZero(part)) return page;
    this.allocatedPages += 1;
    return (this.pages[number] = new Uint8Array(pageBytes));
  }
}

/** Tells whether `part`, at most a page, is all zeros. */
const isZero = (part: Uint8Array): boolean => zeroPage.compare(part, 0, part.length, 0, part.length) === 0;

class MemoryDirectory {
  readonly names = new Map<string, MemoryFile | MemoryDirectory>();

  copy(): MemoryDirectory {
    const copy = new MemoryDirectory();
    for (const [name, node] of this.names) copy.names.set(name, node.copy());
    return copy;
  }
}

type Node = MemoryFile | MemoryDirectory | undefined;

/** A name in an existing directory, and the file or directory of that name; undefined if there is none. */
interface NamedNode {
  readonly directory: MemoryDirectory;
  readonly name: string;
  readonly node: Node;
}

const reasons = {
  EISDIR: "illegal operation on a directory",
  ELOCKED: "already locked",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on device",
  ENOTDIR: "not a directory",
  ENOTEMPTY: "directory not empty",
} as const;

const failure = (code: keyof typeof reasons, operation: string, file: string): Error =>
  Object.assign(new Error(`${code}: ${reasons[code]}, ${operation} '${file}'`), { code });

/**
 * A disk in memory. A stopped member can start again from it. Operations take effect at once and are answered in a microtask, in
 * order. One suite (`test/raft/wal/disk.test.ts`) tests this disk and the real one.
 */
export class MemoryDisk implements MemberDisk {
  /** The most bytes that files may take, without pages of zeros; a write that needs more fails with ENOSPC. May be changed at any time. */
  capacityBytes: number;
  private root = new MemoryDirectory();
  private readonly locked = new Set<string>();

  constructor({ capacityBytes = Infinity }: { readonly capacityBytes?: number } = {}) {
    this.capacityBytes = capacityBytes;
  }

  /** The bytes of all files that have a name. */
  get usedBytes(): number {
    return countPages(this.root) * pageBytes;
  }

  /** Returns another disk with the same files and without locks, as after a power cut at this moment. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk({ capacityBytes: this.capacityBytes });
    copy.root = this.root.copy();
    return copy;
  }

  open(file: string, how: OpenMode, done: DiskResult<DiskFile>): void {
    this.runAt("open", file, done, ({ directory, name, node }) => {
      if (node instanceof MemoryDirectory) throw failure("EISDIR", "open", file);
      if (node === undefined && how !== "new") throw failure("ENOENT", "open", file);
      const opened = node ?? new MemoryFile();
      if (how === "new") opened.clear();
      directory.names.set(name, opened);
      return this.handleOf(opened, file);
    });
  }

  list(directory: string, done: DiskResult<readonly string[]>): void {
    answer(done, () => [...this.directoryAt("list", directory).names.keys()]);
  }

  rename(from: string, to: string, done: DiskDone): void {
    this.runAt("rename", from, done, ({ directory, name, node }) => {
      if (node === undefined) throw failure("ENOENT", "rename", from);
      const target = this.placeOf("rename", to);
      if (target.node instanceof MemoryDirectory) throw failure("ENOTEMPTY", "rename", to);
      directory.names.delete(name);
      target.directory.names.set(target.name, node);
    });
  }

  remove(file: string, done: DiskDone): void {
    this.runAt("remove", file, done, ({ directory, name, node }) => {
      if (node === undefined) throw failure("ENOENT", "remove", file);
      if (node instanceof MemoryDirectory) throw failure("EISDIR", "remove", file);
      directory.names.delete(name);
    });
  }

  removeTree(file: string, done: DiskDone): void {
    answer(done, () => {
      const directory = this.nodeAt(path.dirname(path.resolve(file)));
      if (directory instanceof MemoryDirectory) directory.names.delete(path.basename(path.resolve(file)));
    });
  }

  syncDirectory(directory: string, done: DiskDone): void {
    answer(done, () => void this.directoryAt("sync", directory));
  }

  freeBytes(directory: string, done: DiskResult<number>): void {
    answer(done, () => {
      this.directoryAt("statfs", directory);
      return Math.max(0, this.capacityBytes - this.usedBytes);
    });
  }

  makeDirectory(directory: string, done: DiskDone): void {
    answer(done, () => this.make(directory));
  }

  async lock(directory: string): Promise<DirectoryLock> {
    await toPromise((done) => this.makeDirectory(directory, done));
    const key = path.resolve(directory);
    if (this.locked.has(key)) throw failure("ELOCKED", "lock", directory);
    this.locked.add(key);
    let held = true;
    const close = (): Promise<void> => {
      if (held) this.locked.delete(key);
      held = false;
      return Promise.resolve();
    };
    return { close };
  }

  private handleOf(file: MemoryFile, name: string): DiskFile {
    return {
      write: (bytes, position, done) => answer(done, () => this.write(file, name, bytes, position)),
      size: (done) => answer(done, () => file.size),
      read: (position, length, done) => answer(done, () => file.read(position, length)),
      close: (done) => answer(done, () => undefined),
    };
  }

  private write(file: MemoryFile, name: string, bytes: Uint8Array, position: number): void {
    if (this.capacityBytes < Infinity) {
      const needed = file.countNeededPages(bytes, position) * pageBytes;
      if (needed > 0 && this.usedBytes + needed > this.capacityBytes) throw failure("ENOSPC", "write", name);
    }
    file.write(bytes, position);
  }

  private make(directory: string): void {
    const { directory: parent, name, node } = this.placeOf("mkdir", directory);
    if (node instanceof MemoryFile) throw failure("ENOTDIR", "mkdir", directory);
    if (node === undefined && name !== "") parent.names.set(name, new MemoryDirectory());
  }

  private runAt<T>(
    operation: string,
    file: string,
    done: DiskResult<T> | DiskDone,
    effect: (place: NamedNode) => T,
  ): void {
    answer(done, () => effect(this.placeOf(operation, file)));
  }

  private placeOf(operation: string, file: string): NamedNode {
    const directory = this.directoryAt(operation, path.dirname(path.resolve(file)));
    const name = path.basename(path.resolve(file));
    return { directory, name, node: directory.names.get(name) };
  }

  private directoryAt(operation: string, directory: string): MemoryDirectory {
    const node = this.nodeAt(directory);
    if (node instanceof MemoryDirectory) return node;
    throw failure(node === undefined ? "ENOENT" : "ENOTDIR", operation, directory);
  }

  /** Finds a file or directory. If a file is in the middle of the path, returns that file: the caller reports ENOTDIR. */
  private nodeAt(where: string): Node {
    let node: Node = this.root;
    for (const name of path.resolve(where).split(path.sep).filter(Boolean)) {
      if (!(node instanceof MemoryDirectory)) return node;
      node = node.names.get(name);
    }
    return node;
  }
}

const countPages = (directory: MemoryDirectory): number => {
  let pages = 0;
  for (const node of directory.names.values())
    pages += node instanceof MemoryDirectory ? countPages(node) : node.allocatedPages;
  return pages;
};

/** Runs `effect` now and calls `done` in a microtask, with the result or the thrown error. */
const answer = <T>(done: DiskResult<T> | DiskDone, effect: () => T): void => {
  try {
    const result = effect();
    queueMicrotask(() => (done as DiskResult<T>)(null, result));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    queueMicrotask(() => done(error));
  }
};
