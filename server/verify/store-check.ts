// Checks a store on disk without changing it.

import { constants } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  DamagedError,
  levelDirectory,
  StoreVersionError,
  openDiskBackend,
  openStore,
  type KvStore,
} from "../../store/index.js";
import { type AppliedState, readAppliedState } from "../replication/apply/index.js";
import { errorText, StartError, storeClockOf } from "../base/index.js";
import { causeOf, errorCode, systemClock } from "../../platform/index.js";

/** The result of `checkStore`: the contents of a whole store, or the reason why it cannot be used. */
export type StoreReport =
  | {
      readonly kind: "whole";
      readonly revision: number;
      /** -1: never compacted. */
      readonly compactRevision: number;
      readonly leases: number;
      /** The applier's state; undefined: no round was ever written. */
      readonly applied: AppliedState | undefined;
    }
  | { readonly kind: "damaged" | "newer" | "unreadable"; readonly reason: string };

/**
 * Reads all of the store at `path`, as a start does: every row with its checksum, and whether any is missing.
 *
 * The check reads a copy in a folder below `temporary`, as LevelDB changes a directory when it opens it: it writes the content
 * of its log to tables, and begins new files.
 *
 * @throws StartError if there is no room for the copy
 */
export const checkStore = async (path: string, temporary: string): Promise<StoreReport> => {
  const folder = await mkdtemp(join(temporary, "minietcd-verify-"));
  const copy = join(folder, basename(path));
  try {
    await copyFiles(await levelDirectory(path), copy);
    return await readStore(copy);
  } catch (error) {
    const kind = kindOf(error);
    if (kind === undefined) throw error;
    return { kind, reason: errorText(error).replaceAll(copy, path) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const copyFiles = async (from: string, to: string): Promise<void> => {
  const names = await readdir(from);
  await mkdir(to);
  for (const name of names)
    try {
      await copyFile(join(from, name), join(to, name), constants.COPYFILE_FICLONE);
    } catch (error) {
      if (errorCode(error) !== "ENOSPC" && errorCode(error) !== "EDQUOT") throw error;
      throw new StartError(`no space in ${to} for the copy of ${from} to check: set TMPDIR to another folder`, {
        cause: error,
      });
    }
};

const readStore = async (path: string): Promise<StoreReport> => {
  const backend = await openDiskBackend(path);
  // Opening writes only if it continues an interrupted compaction: into the copy.
  const store = await openStore({ backend, clock: storeClockOf(systemClock), onFailure: () => undefined });
  try {
    return reportOf(store);
  } finally {
    await store.close();
  }
};

const reportOf = (store: KvStore): StoreReport => ({
  kind: "whole",
  revision: store.revision,
  compactRevision: store.compactRevision,
  leases: [...store.leases()].length,
  applied: store.marker && readAppliedState(store.marker, store),
});

/** Undefined: the error is not caused by the store's files. */
const kindOf = (error: unknown): "damaged" | "newer" | "unreadable" | undefined => {
  if (error instanceof DamagedError) return "damaged";
  if (error instanceof StoreVersionError) return "newer";
  const code = errorCode(error) === "LEVEL_DATABASE_NOT_OPEN" ? errorCode(causeOf(error)) : errorCode(error);
  return code === "ENOENT" || code === "ENOTDIR" || code === "EIO" || code?.startsWith("LEVEL_") === true
    ? "unreadable"
    : undefined;
};
