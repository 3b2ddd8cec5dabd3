// Files and directories in two states: as programs see them, and as they are on disk. A power cut replaces the first by the
// second, plus a part of the unsynced changes.
//
// The model is a journaling file system such as ext4, with the fewest guarantees:
// - Each sector of 512 bytes is on disk or not, independent of the others; so is a file's length.
// - A change of a directory (a created, renamed or removed name) is on disk as a whole or not at all; after a rename, the file
// always has one of its names.
// - Any subset of the unsynced changes survives, in one directory or in several. Only changes of the same name keep their order:
// a later change survives only if all earlier ones do.
// - A directory's names are durable when the directory is synced; its own name when its parent is synced. If a directory is lost,
// its contents are lost.

const sectorBytes = 512;

/** A file as programs see it, and as it is on disk. */
export class SimFile {
  cache = new Uint8Array();
  private durable = new Uint8Array();
  /** Sectors of `cache` that are not on disk yet. */
  private readonly dirty = new Set<number>();

  /** @param path the current path, which changes: a log renames open files */
  constructor(public path: string) {}

  empty(): void {
    this.cache = new Uint8Array();
    this.dirty.clear();
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.cache.length) this.cache = resize(this.cache, end);
    this.cache.set(bytes, position);
    for (let at = position - (position % sectorBytes); at < end; at += sectorBytes) this.dirty.add(at);
  }

  /** Writes and syncs these bytes only, as with O_DSYNC: other dirty sectors stay dirty. */
  writeThrough(bytes: Uint8Array, position: number): void {
    this.write(bytes, position);
    const from = position - (position % sectorBytes);
    this.durable = resize(this.durable, this.cache.length);
    this.writeBack((sector) => sector >= from && sector < position + bytes.length);
  }

  /** Writes only the first sectors, as a process does that dies during the write. */
  writePart(bytes: Uint8Array, position: number, sectors: number): void {
    const cut = sectors * sectorBytes - (position % sectorBytes);
    if (cut > 0) this.write(bytes.subarray(0, cut), position);
  }

  /** Writes as Linux does if a write fails to become durable: the pages count as clean, but are not on disk. */
  writeInVain(bytes: Uint8Array, position: number): void {
    const before = new Set(this.dirty);
    this.write(bytes, position);
    for (const sector of this.dirty) if (!before.has(sector)) this.dirty.delete(sector);
  }

  /** A power cut: a subset of the unsynced sectors is on disk, and the file's new length is or is not. */
  lose(survives: () => boolean): void {
    if (survives()) this.durable = resize(this.durable, this.cache.length);
    this.writeBack(survives);
    this.cache = this.durable.slice();
    this.dirty.clear();
  }

  /** Writes the chosen dirty sectors to disk, up to the length of the file on disk, and marks them clean. */
  private writeBack(isChosen: (sector: number) => boolean): void {
    for (const sector of this.dirty) {
      if (!isChosen(sector)) continue;
      this.dirty.delete(sector);
      const end = Math.min(sector + sectorBytes, this.durable.length, this.cache.length);
      if (sector < end) this.durable.set(this.cache.subarray(sector, end), sector);
    }
  }
}

/** Returns the number of sectors that the bytes occupy; the last one may be partly filled. */
export const sectorsOf = (bytes: Uint8Array): number => Math.ceil(bytes.length / sectorBytes);

const resize = (bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> => {
  if (bytes.length === length) return bytes;
  const copy = new Uint8Array(length);
  copy.set(bytes.subarray(0, length));
  return copy;
};

/** A file or a directory. */
export type SimNode = SimFile | SimDirectory;
type Names = Map<string, SimNode>;

/** A change that is not synced yet. */
interface NameChange {
  readonly names: readonly string[];
  readonly apply: (names: Names) => void;
}

/** A directory whose changes survive a power cut once they are synced; of the unsynced ones, any may survive. */
export class SimDirectory {
  /** The names of the directory as programs see them. */
  names: Names = new Map();
  private readonly durable: Names = new Map();
  private changes: NameChange[] = [];

  add(name: string, node: SimNode): void {
    this.change([name], (names) => names.set(name, node));
  }

  remove(name: string): void {
    this.change([name], (names) => names.delete(name));
  }

  rename(from: string, to: string, node: SimNode): void {
    this.change([from, to], (names) => {
      names.delete(from);
      names.set(to, node);
    });
  }

  sync(): void {
    for (const { apply } of this.changes) apply(this.durable);
    this.changes = [];
  }

  /** Sets or removes a name durably. */
  place(name: string, node: SimNode | undefined): void {
    for (const names of [this.names, this.durable])
      if (node === undefined) names.delete(name);
      else names.set(name, node);
  }

  /** A power cut: a subset of the unsynced changes survives, in this directory and below. */
  lose(survives: () => boolean): void {
    const lost = new Set<string>();
    for (const { names, apply } of this.changes) {
      if (!names.some((name) => lost.has(name)) && survives()) apply(this.durable);
      else for (const name of names) lost.add(name);
    }
    this.changes = [];
    for (const node of new Set([...this.names.values(), ...this.durable.values()])) node.lose(survives);
    this.names = new Map(this.durable);
  }

  private change(names: readonly string[], apply: (names: Names) => void): void {
    apply(this.names);
    this.changes.push({ names, apply });
  }
}
