// A member's directory: its files and lock, its identity, and the comparison of log and store.

export { clearDataDirectories, isInUse, lockFolder } from "./data-dir-use.js";
export { DataDirectory } from "./data-dir.js";
export {
  DirectoryFiles,
  formatVersion,
  NewerDirectoryError,
  UnfinishedRebuildError,
  type DirectoryOwner,
  type StoreInUse,
} from "./directory-files.js";
export { DirectoryRebuild, type RebuiltFiles } from "./directory-rebuild.js";
export { mustRestart, restartLog } from "./log-recovery.js";
