// The machine and Node: clock, disk, locks of directories, small durable files, error codes, histograms. Imports no other folder.

export { AppendFile } from "./append-file.js";
export { asBuffer } from "./buffer-view.js";
export { longestTimerMs, systemClock, type Clock } from "./clock.js";
export {
  ensureDirectory,
  nodeDisk,
  toPromise,
  type Disk,
  type DiskDone,
  type DiskFile,
  type DiskResult,
  type OpenMode,
} from "./disk.js";
export { ignoreMissing, readText, replaceFile } from "./durable-file.js";
export { emptyList } from "./empty-list.js";
export { asError, causeOf, errorCode, isError } from "./error-codes.js";
export { exponentialBounds, Histogram } from "./histogram.js";
export { MemoryDisk } from "./memory-disk.js";
export { systemRandom } from "./random.js";
export { machineDisk, unsyncedMachineDisk, type DirectoryLock, type MemberDisk } from "./member-disk.js";
