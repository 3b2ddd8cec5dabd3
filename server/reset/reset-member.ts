import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import { type DirectoryLock, ensureDirectory, errorCode, ignoreMissing, machineDisk } from "../../platform/index.js";
import { type HardState, type LogPosition, openWal, rebuildFrom } from "../../raft/index.js";
import { levelDirectory } from "../../store/index.js";
import { asStartError, StartError } from "../base/index.js";
import { DirectoryFiles, DirectoryRebuild } from "../data-dir/index.js";
import { formatPeersFile, parsePeersFile, type PeersFile } from "../peers/index.js";
import {
  findLostMember,
  recordedIncarnationsOf,
  type LostMember,
  readSurvivor,
  type SurvivingMember,
} from "./survivors.js";

/** The options of `resetMember`. */
export interface ResetOptions {
  /** The directory of the member to rebuild. */
  readonly dataDir: string;
  /** The directories of all other members. */
  readonly others: readonly string[];
  /** A folder for copies of the stores, which are read completely. */
  readonly temporary: string;
}

/** The outcome of `resetMember`. */
export interface ResetReport {
  /** The directory from which the data was copied. */
  readonly source: string;
  /** The end of the member's new log. */
  readonly last: LogPosition;
  /** The folder with the member's former files; undefined: there were none. */
  readonly aside: string | undefined;
}

/**
 * Rebuilds the directory of a member that lost its data, under its own identity, from those of all other members: a copy of the
 * most advanced one, in a term in which the lost member cannot have voted. `raft/core/rebuild.ts` explains why no acknowledged
 * write can be lost. All members must be stopped; their directories are locked meanwhile. May be repeated after an
 * interruption.
 *
 * @throws StartError if a member runs, if another directory has lost data or is stale, or if one is missing
 */
export const resetMember = async ({ dataDir, others, temporary }: ResetOptions): Promise<ResetReport> => {
  const locks: DirectoryLock[] = [];
  try {
    const directories = others.map((other) => ({ other, files: new DirectoryFiles(machineDisk, other) }));
    for (const { other, files } of directories) locks.push(await lockOther(other, files));
    const target = new DirectoryFiles(machineDisk, dataDir);
    locks.push(await lockTarget(dataDir, target));
    const survivors: SurvivingMember[] = [];
    for (const { other, files } of directories) survivors.push(await readSurvivor(other, files, temporary));
    const lost = findLostMember(survivors, await readHint(target));
    return await rebuild(dataDir, target, survivors, lost);
  } catch (error) {
    throw asStartError(error, dataDir);
  } finally {
    for (const lock of locks) await lock.close();
  }
};

const lockOther = async (dataDir: string, files: DirectoryFiles): Promise<DirectoryLock> => {
  try {
    if ((await files.listNames()).length === 0)
      throw new StartError(`${dataDir} holds no member's data: the directories of all other members are needed`);
    await files.refuseForeign();
    return await files.lock();
  } catch (error) {
    throw asStartError(error, dataDir);
  }
};

const lockTarget = async (dataDir: string, files: DirectoryFiles): Promise<DirectoryLock> => {
  await files.refuseAllButMember();
  await ensureDirectory(machineDisk, files.member);
  return files.lock();
};

/** Reads the file `peers` of the lost member; undefined: it is lost, too. */
const readHint = async (target: DirectoryFiles): Promise<PeersFile | undefined> => {
  try {
    const text = await ignoreMissing(target.readPeers());
    return text === undefined ? undefined : parsePeersFile(text);
  } catch (error) {
    if (error instanceof StartError || errorCode(error) !== undefined) return undefined;
    throw error;
  }
};

const rebuild = async (
  dataDir: string,
  target: DirectoryFiles,
  survivors: readonly SurvivingMember[],
  lost: LostMember,
): Promise<ResetReport> => {
  const { source, hardState } = rebuildFrom(survivors);
  const directory = await DirectoryRebuild.begin(dataDir, target, machineDisk);
  const segments = source.segments.map((segment) => basename(segment));
  await directory.copyFolder(source.files.pathOf("wal"), "wal", segments);
  await directory.copyFolder(await levelDirectory(source.store.path), basename(source.store.path));
  await writeHardState(directory.pathOf("wal"), hardState);
  const peers = {
    directory: lost.directory ?? randomBytes(8).readBigUInt64BE(),
    incarnations: recordedIncarnationsOf(survivors),
    fencedBecause: undefined,
  };
  await directory.finishRebuild({
    owner: lost,
    incarnation: lost.incarnation, // the next start adds one
    peers: formatPeersFile(peers),
    store: source.store,
  });
  return { source: source.dataDir, last: source.last, aside: directory.aside };
};

/** Writes term and vote behind the last record of a log; its entries are not changed. */
const writeHardState = async (directory: string, hardState: HardState): Promise<void> => {
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  const listener = {
    onFailure: (error: Error) => fail(error),
    onFull: () => fail(new StartError(`no space, or no file descriptors, for the log in ${directory}`)),
    onRemovalFailure: () => undefined,
  };
  const initial = (): Promise<never> => Promise.reject(new StartError(`there is no log in ${directory}`));
  const { wal } = await Promise.race([
    openWal({ disk: machineDisk, directory, loadInitialConfiguration: initial, listener }),
    failed,
  ]);
  try {
    await Promise.race([new Promise<void>((done) => wal.append(hardState, [], done)), failed]);
  } finally {
    await wal.close();
  }
};
