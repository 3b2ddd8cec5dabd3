// A disk in memory that loses what a real one may lose. One suite (disk.test.ts) holds for it and for the real disk.
import path from "node:path";
import type { SeededRandom } from "../../sim/random.js";
import type { Disk, DiskDone, DiskFile, DiskResult } from "../../../raft/wal/disk.js";

const sectorBytes = 512;

export type OperationKind =
  | "open"
  | "list"
  | "rename"
  | "remove"
  | "syncDirectory"
  | "makeDirectory"
  | "freeBytes"
  | "size"
  | "read"
  | "write"
  | "close";

export interface Operation {
  readonly kind: OperationKind;
  readonly path: string;
}

export interface SimDiskOptions {
  /** Decides what a crash leaves behind. */
  readonly random: SeededRandom;
  /** Runs the end of an operation, later but in order; a simulator adds delays here. Microtasks if absent. */
  readonly schedule?: (end: () => void) => void;
}

export const diskError = (code: string, operation: Operation): Error =>
  Object.assign(new Error(`${code}: simulated, ${operation.kind} '${operation.path}'`), { code });

const isFull = (error: Error): boolean => "code" in error && error.code === "ENOSPC";

/** A file as programs see it, and as the platters have it. */
class SimFile {
  cache = new Uint8Array();
  durable = new Uint8Array();
  /** Sectors of `cache` that are not on disk yet. */
  readonly dirty = new Set<number>();

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.cache.length) this.cache = resized(this.cache, end);
    this.cache.set(bytes, position);
    for (let at = position - (position % sectorBytes); at < end; at += sectorBytes) this.dirty.add(at);
  }

  /** Only what is written: other dirty sectors stay so, as with O_DSYNC. */
  writeThrough(bytes: Uint8Array, position: number): void {
    this.write(bytes, position);
    const from = position - (position % sectorBytes);
    this.durable = resized(this.durable, this.cache.length);
    this.writeBack((sector) => sector >= from && sector < position + bytes.length);
  }

  /** What a write that cannot be made durable leaves on Linux: pages that count as clean, and are not on disk. */
  writeInVain(bytes: Uint8Array, position: number): void {
    const before = new Set(this.dirty);
    this.write(bytes, position);
    for (const sector of this.dirty) if (!before.has(sector)) this.dirty.delete(sector);
  }

  /** Any of the unsynced sectors are on disk, and the file's length is or is not. */
  lose(survives: () => boolean): void {
    if (survives()) this.durable = resized(this.durable, this.cache.length);
    this.writeBack(survives);
    this.cache = this.durable.slice();
    this.dirty.clear();
  }

  /** The dirty sectors that are `chosen` reach the disk, as far as the file's length did, and are clean. */
  private writeBack(chosen: (sector: number) => boolean): void {
    for (const sector of this.dirty) {
      if (!chosen(sector)) continue;
      this.dirty.delete(sector);
      const end = Math.min(sector + sectorBytes, this.durable.length, this.cache.length);
      if (sector < end) this.durable.set(this.cache.subarray(sector, end), sector);
    }
  }
}

const resized = (bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> => {
  if (bytes.length === length) return bytes;
  const copy = new Uint8Array(length);
  copy.set(bytes.subarray(0, length));
  return copy;
};

/** A change to the names of a directory that is not synced yet. */
interface NameChange {
  readonly directory: string;
  readonly apply: (names: Map<string, SimFile>) => void;
}

/** A write on its way: what a kill finds half done. */
interface Write {
  readonly file: SimFile;
  readonly bytes: Uint8Array;
  readonly position: number;
}

export class SimDisk {
  /** Called as each operation begins; an error makes it fail. It may cut the power or kill the process. */
  onOperation: (operation: Operation) => Error | undefined = () => undefined;
  /** Writes that would need more than this fail with ENOSPC. */
  capacityBytes = Infinity;
  private readonly random: SeededRandom;
  private readonly schedule: (end: () => void) => void;
  private names = new Map<string, SimFile>();
  private durableNames = new Map<string, SimFile>();
  private nameChanges: NameChange[] = [];
  private readonly writes = new Set<Write>();
  private process = 0;

  constructor(options: SimDiskOptions) {
    this.random = options.random;
    this.schedule = options.schedule ?? queueMicrotask;
  }

  /** The disk for one run of a process: after `kill` or `powerCut` it never answers again, and the next run boots anew. */
  boot(): Disk {
    const run = ++this.process;
    return {
      open: (file, how, done) =>
        this.begin(run, { kind: "open", path: file }, done, () => {
          let opened = this.names.get(file);
          if (opened === undefined && how !== "new") return diskError("ENOENT", { kind: "open", path: file });
          if (opened === undefined || how === "new") {
            const created = (opened ??= new SimFile());
            created.cache = new Uint8Array();
            created.dirty.clear();
            this.changeNames(path.dirname(file), (names) => names.set(file, created));
          }
          return this.handle(run, opened);
        }),
      list: (directory, done) =>
        this.begin(run, { kind: "list", path: directory }, done, () =>
          [...this.names.keys()].filter((each) => path.dirname(each) === directory).map((each) => path.basename(each)),
        ),
      rename: (from, to, done) =>
        this.begin(run, { kind: "rename", path: from }, done, () => {
          const file = this.names.get(from);
          if (file === undefined) return diskError("ENOENT", { kind: "rename", path: from });
          this.changeNames(path.dirname(from), (names) => {
            names.delete(from);
            names.set(to, file);
          });
          return undefined;
        }),
      remove: (file, done) =>
        this.begin(run, { kind: "remove", path: file }, done, () => {
          if (!this.names.has(file)) return diskError("ENOENT", { kind: "remove", path: file });
          this.changeNames(path.dirname(file), (names) => names.delete(file));
          return undefined;
        }),
      syncDirectory: (directory, done) =>
        this.begin(run, { kind: "syncDirectory", path: directory }, done, () => {
          for (const change of this.nameChanges) if (change.directory === directory) change.apply(this.durableNames);
          this.nameChanges = this.nameChanges.filter((change) => change.directory !== directory);
          return undefined;
        }),
      freeBytes: (directory, done) =>
        this.begin(run, { kind: "freeBytes", path: directory }, done, () => this.capacityBytes - this.used()),
      makeDirectory: (directory, done) =>
        this.begin(run, { kind: "makeDirectory", path: directory }, done, () => undefined),
    };
  }

  /** The process dies at once, as from `kill -9`; what the system has of its writes stays. */
  kill(): void {
    this.process++;
    for (const { file, bytes, position } of this.writes) {
      const sectors = this.random.between(0, Math.ceil(bytes.length / sectorBytes));
      const cut = sectors * sectorBytes - (position % sectorBytes);
      if (cut > 0) file.write(bytes.subarray(0, cut), position);
    }
    this.writes.clear();
  }

  /** The machine stops: of all that was not synced, any part may be there afterwards. */
  powerCut(): void {
    this.process++;
    for (const { file, bytes, position } of this.writes) file.write(bytes, position);
    this.writes.clear();
    const odds = this.random.pick([0, 0.5, 0.9, 1]); // nothing, a mixture, nearly all, all
    const survives = (): boolean => this.random.chance(odds);
    // A file system's journal keeps the order of its changes.
    for (const change of this.nameChanges) {
      if (!survives()) break;
      change.apply(this.durableNames);
    }
    this.nameChanges = [];
    for (const file of new Set([...this.names.values(), ...this.durableNames.values()])) file.lose(survives);
    this.names = new Map(this.durableNames);
  }

  /** What programs see, by path. */
  contents(): Map<string, Uint8Array> {
    return new Map([...this.names].sort().map(([name, file]) => [name, file.cache.slice()]));
  }

  /** Puts a file there, durably, without an operation: for what rot and people do. */
  place(name: string, bytes: Uint8Array): void {
    const file = new SimFile();
    file.writeThrough(bytes, 0);
    this.names.set(name, file);
    this.durableNames.set(name, file);
  }

  /** Removes a file, durably, without an operation. */
  erase(name: string): void {
    this.names.delete(name);
    this.durableNames.delete(name);
  }

  private changeNames(directory: string, apply: NameChange["apply"]): void {
    apply(this.names);
    this.nameChanges.push({ directory, apply });
  }

  private handle(run: number, file: SimFile): DiskFile {
    return {
      write: (bytes, position, done) => {
        const operation: Operation = { kind: "write", path: this.nameOf(file) };
        const write = { file, bytes, position };
        const ended: DiskDone = (error) => {
          this.writes.delete(write);
          if (error !== null && !isFull(error)) file.writeInVain(bytes, position);
          done(error);
        };
        if (run === this.process) this.writes.add(write);
        this.begin<undefined>(run, operation, ended, () => {
          const grown = Math.max(0, position + bytes.length - file.cache.length);
          if (grown > 0 && this.used() + grown > this.capacityBytes) return diskError("ENOSPC", operation);
          file.writeThrough(bytes, position);
          return undefined;
        });
      },
      size: (done) => this.begin(run, { kind: "size", path: this.nameOf(file) }, done, () => file.cache.length),
      read: (position, length, done) =>
        this.begin(run, { kind: "read", path: this.nameOf(file) }, done, () =>
          file.cache.slice(position, position + length),
        ),
      close: (done) => this.begin(run, { kind: "close", path: this.nameOf(file) }, done, () => undefined),
    };
  }

  /** Operations are named for what the file is called now, as a log renames files that it holds open. */
  private nameOf(file: SimFile): string {
    return [...this.names].find(([, each]) => each === file)?.[0] ?? "";
  }

  private used(): number {
    let bytes = 0;
    for (const file of this.names.values()) bytes += file.cache.length;
    return bytes;
  }

  /** Begins an operation of a process: it takes effect, and is answered, if that run still lives then. */
  private begin<T>(run: number, operation: Operation, done: DiskResult<T> | DiskDone, effect: () => T | Error): void {
    if (run !== this.process) return;
    const fault = this.onOperation(operation);
    this.schedule(() => {
      if (run !== this.process) return;
      const result = fault ?? effect();
      if (result instanceof Error) done(result);
      else (done as DiskResult<T>)(null, result);
    });
  }
}
