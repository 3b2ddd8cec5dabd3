// Replaces the contents of a member's directory as a whole. A file in the directory keeps a member from starting there until
// the last file is durable:
//
// rebuild: "moving m2.damaged-1"      the former files are being moved to that folder; a repetition continues with that
// rebuild: "building m2.damaged-1"    all are moved; a repetition removes the new files, and starts over
// no such file                        the directory is complete, with new files or, before a rebuild, with its former ones

import { basename, dirname, join, resolve } from "node:path";
import {
  type DiskFile,
  ensureDirectory,
  type MemberDisk,
  toPromise,
  readText,
  replaceFile,
} from "../../platform/index.js";
import { StartError } from "../base/index.js";
import {
  type DirectoryFiles,
  type DirectoryOwner,
  formatOwner,
  formatStoreInUse,
  rebuildNote,
  type StoreInUse,
} from "./directory-files.js";

/** The number of bytes that are copied at a time. */
const sliceBytes = 1024 * 1024;

/** The small files of a rebuilt directory. */
export interface RebuiltFiles {
  readonly owner: DirectoryOwner;
  /** The number of the member's last start. */
  readonly incarnation: number;
  /** The content of `peers`. */
  readonly peers: string;
  /** The store in use; only its name is used. */
  readonly store: StoreInUse;
}

/** The stages of a rebuild, as recorded in its file. */
type Stage = "moving" | "building";

/** A rebuild of a member's directory, which the caller has locked. */
export class DirectoryRebuild {
  private constructor(
    private readonly disk: MemberDisk,
    private readonly files: DirectoryFiles,
    /** The folder with the former files; undefined: there were none. */
    readonly aside: string | undefined,
  ) {}

  /**
   * Moves the former files to a folder beside the data directory. From now on, until `finishRebuild`, no member starts here. After an
   * interruption, continues where it ended.
   */
  static async begin(dataDir: string, files: DirectoryFiles, disk: MemberDisk): Promise<DirectoryRebuild> {
    const note = await readText(disk, files.pathOf(rebuildNote));
    const [stage, name] =
      note === undefined
        ? ["moving" as const, await findAsideName(dataDir, files, disk)]
        : parse(note, files.pathOf(rebuildNote));
    const aside = name === undefined ? undefined : join(dirname(resolve(dataDir)), name);
    const rebuild = new DirectoryRebuild(disk, files, aside);
    if (stage === "moving") {
      await rebuild.note("moving");
      await rebuild.moveFormerFiles();
      await rebuild.note("building");
    }
    for (const each of await rebuild.listContents())
      await toPromise((done) => disk.removeTree(files.pathOf(each), done));
    return rebuild;
  }

  /** Returns the path of a new file or folder. */
  pathOf(name: string): string {
    return this.files.pathOf(name);
  }

  /** Copies the files of a folder, or the named ones, to the folder `name` of this directory; resolves when they are durable. */
  async copyFolder(from: string, name: string, names?: readonly string[]): Promise<void> {
    const to = this.pathOf(name);
    await ensureDirectory(this.disk, to);
    const listed = names ?? (await toPromise<readonly string[]>((done) => this.disk.list(from, done)));
    for (const each of listed) await copyFile(this.disk, join(from, each), join(to, each));
    await toPromise((done) => this.disk.syncDirectory(to, done));
  }

  /** Writes the small files, and allows members to start here again. */
  async finishRebuild({ owner, incarnation, peers, store }: RebuiltFiles): Promise<void> {
    await this.write("incarnation", `${incarnation}\n`);
    await this.write("peers", peers);
    await this.write("store-current", formatStoreInUse(store));
    await this.write("format.json", formatOwner(owner));
    await toPromise((done) => this.disk.remove(this.pathOf(rebuildNote), done));
    await this.sync(this.files.member);
  }

  private async moveFormerFiles(): Promise<void> {
    if (this.aside === undefined) return;
    const target = join(this.aside, "member");
    await ensureDirectory(this.disk, target);
    for (const name of await this.listContents())
      await toPromise((done) => this.disk.rename(this.pathOf(name), join(target, name), done));
    await this.sync(target);
    await this.sync(this.files.member);
  }

  private async listContents(): Promise<string[]> {
    return contentsOf(await this.files.listNames());
  }

  private note(stage: Stage): Promise<void> {
    return this.write(
      rebuildNote,
      `${[stage, ...(this.aside === undefined ? [] : [basename(this.aside)])].join(" ")}\n`,
    );
  }

  private write(name: string, text: string): Promise<void> {
    return replaceFile(this.disk, this.pathOf(name), text);
  }

  private sync(directory: string): Promise<void> {
    return toPromise((done) => this.disk.syncDirectory(directory, done));
  }
}

const contentsOf = (names: readonly string[]): string[] =>
  names.filter((name) => name !== "lock" && name !== rebuildNote && name !== `${rebuildNote}.tmp`);

/** Returns an unused name beside the data directory; undefined: there are no files to move. */
const findAsideName = async (dataDir: string, files: DirectoryFiles, disk: MemberDisk): Promise<string | undefined> => {
  if (contentsOf(await files.listNames()).length === 0) return undefined;
  const taken = await toPromise<readonly string[]>((done) => disk.list(dirname(resolve(dataDir)), done));
  const nameOf = (n: number): string => `${basename(resolve(dataDir))}.damaged-${n}`;
  let n = 1;
  while (taken.includes(nameOf(n))) n += 1;
  return nameOf(n);
};

const parse = (note: string, path: string): readonly [Stage, string | undefined] => {
  const [, stage, name] = /^(moving|building)(?: ([^/\n]+))?\n$/.exec(note) ?? [];
  if (stage !== "moving" && stage !== "building")
    throw new StartError(`cannot continue the rebuild: ${path} is damaged: "${note.trim()}"`);
  return [stage, name];
};

const copyFile = async (disk: MemberDisk, from: string, to: string): Promise<void> => {
  const source = await toPromise<DiskFile>((done) => disk.open(from, "reading", done));
  try {
    const target = await toPromise<DiskFile>((done) => disk.open(to, "new", done));
    try {
      for (let position = 0; ;) {
        const bytes = await toPromise<Uint8Array>((done) => source.read(position, sliceBytes, done));
        if (bytes.length === 0) return;
        await toPromise((done) => target.write(bytes, position, done));
        position += bytes.length;
      }
    } finally {
      await toPromise((done) => target.close(done));
    }
  } finally {
    await toPromise((done) => source.close(done));
  }
};
