// Arguments and flags as etcdctl reads them, Go's notation of values, failures.

export { etcdText, exitCodes, Failure, SilentFailure, warningsOf, type ExitCode } from "./failure.js";
export {
  allArguments,
  booleanFlag,
  counterFlag,
  durationFlag,
  forCommander,
  listFlag,
  parseAlone,
  refuseLostBytes,
  splitArguments,
  textFlag,
  type Arguments,
} from "./flags.js";
export {
  formatBytes,
  formatDuration,
  parseCounter,
  parseHexUint64,
  parseInt64,
  quote,
  ValueError,
} from "./go-values.js";
export { ioOf, readAll, runStoppable, type Io } from "./io.js";
export {
  checkKeyFlags,
  consistencyFlag,
  intervalFlags,
  isSerializable,
  keyHelp,
  type KeyFlags,
} from "./key-arguments.js";
export { systemErrorReason } from "./system-errors.js";
export { askPassword, readLine } from "./prompt.js";
export { bytesOf, linesOf, quoted, decodeLine, splitWords, unquote } from "./words.js";
