import { basename, join, resolve } from "node:path";
import type { LogIndex, LogPosition, MemberId, Term } from "../../raft/index.js";
import {
  type DirectoryLock,
  errorCode,
  ignoreMissing,
  type MemberDisk,
  readText,
  toPromise,
} from "../../platform/index.js";
import { type ClusterId, formatId, StartError } from "../base/index.js";

/** The version of the files below `member/`; a newer one is refused. */
export const formatVersion = 1;

/** The owner of the data in a directory. */
export interface DirectoryOwner {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
}

/** The store that a member uses. */
export interface StoreInUse {
  readonly path: string;
  /**
   * The store's log position when it replaced another store; undefined: it is the first. After a crash at that moment the log
   * ends before this position, which would be damage otherwise.
   */
  readonly installed: LogPosition | undefined;
}

/** The error for a directory of a newer version, which is left unchanged. */
export class NewerDirectoryError extends StartError {}

/** The error for a directory whose rebuild is unfinished. */
export class UnfinishedRebuildError extends StartError {}

/** The file that a rebuild keeps in a directory until its end. */
export const rebuildNote = "rebuild";

/** Formats `store-current`. */
export const formatStoreInUse = ({ path, installed }: StoreInUse): string => {
  const contains = installed === undefined ? "" : `index ${installed.index} term ${installed.term}\n`;
  return `${basename(path)}\n${contains}`;
};

/** Formats `format.json`. */
export const formatOwner = (owner: DirectoryOwner): string => {
  const ids = { clusterId: formatId(owner.clusterId), memberId: formatId(owner.memberId) };
  return JSON.stringify({ formatVersion, ...ids }) + "\n";
};

/** Reads and checks the files of a member's directory. Only `lock` changes it. */
export class DirectoryFiles {
  /** `<data-dir>/member` */
  readonly member: string;

  constructor(
    private readonly disk: MemberDisk,
    private readonly dataDir: string,
  ) {
    this.member = join(resolve(dataDir), "member");
  }

  pathOf(name: string): string {
    return join(this.member, name);
  }

  /** Returns the names of all files; none, if there is no such directory. */
  async listNames(): Promise<readonly string[]> {
    return (await this.listNamesIn(this.member)) ?? [];
  }

  /** Returns the names of all stores, in use or not. */
  async listStores(): Promise<string[]> {
    return (await this.listNames()).filter((name) => /^store-\d+$/.test(name));
  }

  /** Called before any file is created. @throws StartError if the directory has files of another program */
  async refuseForeign(): Promise<void> {
    const names = await this.listNames();
    if (names.includes("snap"))
      throw new StartError(
        `${this.member} holds the data of a real etcd, which minietcd cannot read: choose another --data-dir`,
      );
    const ours =
      /^(format\.json(\.tmp)?|lock|incarnation(\.tmp)?|peers(\.tmp)?|wal|rebuild(\.tmp)?|store-\d+|store-current(\.tmp)?)$/;
    const foreign = names.find((name) => !ours.test(name));
    if (foreign !== undefined)
      throw new StartError(`${this.pathOf(foreign)} is not a file of minietcd: choose another --data-dir`);
  }

  /** @throws StartError if the data directory, or its folder `member`, has files that are not a member's */
  async refuseAllButMember(): Promise<void> {
    const foreign = ((await this.listNamesIn(resolve(this.dataDir))) ?? []).find((name) => name !== "member");
    if (foreign !== undefined)
      throw new StartError(
        `${join(this.dataDir, foreign)} is not a file of minietcd: remove it, or choose another --data-dir`,
      );
    await this.refuseForeign();
  }

  /** @throws StartError if a member runs on the directory */
  async lock(): Promise<DirectoryLock> {
    try {
      return await this.disk.lock(this.pathOf("lock"));
    } catch (error) {
      if (errorCode(error) !== "ELOCKED") throw error;
      throw new StartError(
        `data directory ${this.dataDir} is in use by another process: stop it, or choose another --data-dir`,
      );
    }
  }

  /**
   * Returns the owner; undefined: no member has started here.
   *
   * @throws StartError if the file is damaged, or missing: a member that votes and acknowledges again without its state can
   * undo entries that a majority acknowledged; NewerDirectoryError; UnfinishedRebuildError
   */
  async readOwner(): Promise<DirectoryOwner | undefined> {
    if ((await this.listNames()).includes(rebuildNote))
      throw new UnfinishedRebuildError(
        `the rebuild of data directory ${this.dataDir} from the other members' was interrupted: repeat it`,
      );
    const path = this.pathOf("format.json");
    const text = await readText(this.disk, path);
    if (text === undefined) {
      if (await this.wasStarted())
        throw new StartError(`${path} is missing, although a member has been started here: ${putBack}`);
      return undefined;
    }
    const format = parseFormat(text);
    if (format === undefined) throw new StartError(`${path} is damaged: ${putBack}`);
    if (format.formatVersion > formatVersion)
      throw new NewerDirectoryError(
        `${path} has format version ${format.formatVersion}, this minietcd supports versions up to ${formatVersion}: use a newer minietcd`,
      );
    return { clusterId: format.clusterId, memberId: format.memberId };
  }

  /** @throws StartError if `store-current` does not name a store */
  async readStoreInUse(): Promise<StoreInUse> {
    const path = this.pathOf("store-current");
    const text = (await readText(this.disk, path)) ?? "";
    const [, name, index, term] = /^(store-\d+)\n(?:index (\d+) term (\d+)\n)?$/.exec(text) ?? [];
    if (name === undefined) throw new StartError(`${path} is damaged: "${text.trim()}" is not the name of a store`);
    const installed = index === undefined ? undefined : positionOf(index, term ?? "");
    return { path: this.pathOf(name), installed };
  }

  /**
   * Returns the number of the last start; 0: there was none.
   *
   * @throws StartError if the file is damaged, or missing: after a start with number 1, all members would skip this member's
   * proposals as repeats, without any error
   */
  async readIncarnation(): Promise<number> {
    const path = this.pathOf("incarnation");
    const text = await readText(this.disk, path);
    if (text === undefined) {
      if (await this.wasStarted())
        throw new StartError(`${path} is missing, although this member has been started before`);
      return 0;
    }
    const last = Number(text);
    if (!/^\d+\n$/.test(text) || !Number.isSafeInteger(last)) throw new StartError(`${path} is damaged: not a number`);
    return last;
  }

  /** Reads the file `peers`; undefined: there is none yet. */
  readPeers(): Promise<string | undefined> {
    return readText(this.disk, this.pathOf("peers"));
  }

  /** Whether a member was started here: its log and the number of its starts are written after `format.json`. */
  private async wasStarted(): Promise<boolean> {
    if ((await this.listNames()).includes("incarnation")) return true;
    return ((await this.listNamesIn(this.pathOf("wal"))) ?? []).some((name) => name.endsWith(".wal"));
  }

  private listNamesIn(directory: string): Promise<readonly string[] | undefined> {
    return ignoreMissing(toPromise<readonly string[]>((done) => this.disk.list(directory, done)));
  }
}

const putBack = "put the file back as it was, the rest of the directory belongs to it";

/** Undefined: the file is damaged. */
const parseFormat = (text: string): (DirectoryOwner & { readonly formatVersion: number }) | undefined => {
  try {
    const { formatVersion, clusterId, memberId } = (JSON.parse(text) ?? {}) as Record<string, unknown>;
    if (typeof formatVersion === "number" && isHex(clusterId) && isHex(memberId))
      return {
        formatVersion,
        clusterId: BigInt(`0x${clusterId}`) as ClusterId,
        memberId: BigInt(`0x${memberId}`) as MemberId,
      };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return undefined;
};

const isHex = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f]{1,16}$/.test(value);

const positionOf = (index: string, term: string): LogPosition => ({
  index: Number(index) as LogIndex,
  term: Number(term) as Term,
});
