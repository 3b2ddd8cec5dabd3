import { causeOf, errorCode, isError } from "../../platform/index.js";
import { WalDamagedError, WalVersionError } from "../../raft/index.js";
import { DamagedError, StoreVersionError } from "../../store/index.js";
import { StartError } from "./errors.js";

/**
 * Converts an error of opening the data directory to one line with a remedy; its cause names the problem and the place.
 * Unexpected errors are returned unchanged.
 */
export const asStartError = (error: unknown, dataDir: string): unknown => {
  if (error instanceof StartError) return error;
  const advice = adviceFor(error, dataDir);
  return advice === undefined ? error : new StartError(advice, { cause: error });
};

/**
 * The remedy for damaged data. Not "remove it and start again": under its old id, a member without its log would vote and
 * acknowledge as if it had never done so, and entries that a majority acknowledged could be lost (Raft paper §5.1, persistent
 * state).
 */
export const damageAdvice =
  "leave this member stopped (the others go on without it), or put back the whole directory as it was at its last stop; " +
  "a member of `minietcd cluster` can be rebuilt from the others (--reset-member)";

const adviceFor = (error: unknown, dataDir: string): string | undefined => {
  if (error instanceof WalDamagedError || error instanceof DamagedError)
    return `data directory ${dataDir} is damaged: ${damageAdvice}`;
  if (error instanceof WalVersionError || error instanceof StoreVersionError)
    return `data directory ${dataDir} is of a newer minietcd, nothing in it was changed: start that one`;
  // `level` reports only that opening failed; its cause has the reason.
  return (
    adviceForCode(errorCode(error), dataDir) ??
    adviceForCode(codeOfCause(causeOf(error)), dataDir) ??
    (isOfSystem(error) || isOfSystem(causeOf(error))
      ? `cannot use data directory ${dataDir}: choose another --data-dir`
      : undefined)
  );
};

/** Whether the system refused an operation: the program is not at fault. */
const isOfSystem = (error: unknown): boolean => isError(error) && "syscall" in error;

/** The system's error texts by code: LevelDB returns the text only. */
const wordsOfLevel: readonly (readonly [string, string])[] = [
  ["No space left on device", "ENOSPC"],
  ["Disk quota exceeded", "EDQUOT"],
  ["Read-only file system", "EROFS"],
  ["Permission denied", "EACCES"],
  ["Too many open files", "EMFILE"],
];

const codeOfCause = (cause: unknown): string | undefined => {
  const code = errorCode(cause);
  if (code !== "LEVEL_IO_ERROR" || !isError(cause)) return code;
  return wordsOfLevel.find(([words]) => cause.message.endsWith(words))?.[1] ?? code;
};

const adviceForCode = (code: string | undefined, dataDir: string): string | undefined => {
  switch (code ?? "") {
    case "EACCES":
    case "EPERM":
      return `cannot write to data directory ${dataDir}: check its owner and mode`;
    case "EROFS":
      return `cannot write to data directory ${dataDir}: its file system is mounted read-only`;
    case "ENOSPC":
    case "EDQUOT":
      return `cannot write to data directory ${dataDir}: free some space`;
    case "ENOTDIR":
    case "EEXIST":
      return `cannot use data directory ${dataDir}: choose another --data-dir`;
    case "EMFILE":
    case "ENFILE":
      return `cannot open data directory ${dataDir}: raise the limit of file descriptors (ulimit -n)`;
    case "EIO":
    case "LEVEL_IO_ERROR":
    case "LEVEL_CORRUPTION":
      return `cannot read or write data directory ${dataDir}: check the disk`;
    default:
      return undefined;
  }
};
