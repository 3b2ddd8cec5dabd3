// One member of a cluster, as a program runs or embeds it.

export {
  configFromFlags,
  defaultFlags,
  FlagError,
  type InitialMember,
  type MemberConfig,
  type ServerFlags,
} from "./config.js";
export { clearDataDirectories, isInUse, lockFolder } from "./data-dir-use.js";
export { StartError } from "./errors.js";
export { readCommandLine, type CommandLine } from "./flags/command-line.js";
export type { Flag, FlagGroup } from "./flags/flag.js";
export { readSettings, type MemberSettings } from "./flags/read-settings.js";
export type { GivenFlag } from "./flags/settings.js";
export { flagGroups } from "./flags/table.js";
export { createLogger, errorText, formatId, logLevels, type Logger, type LogLevel } from "./logger.js";
export { Member } from "./member.js";
export type { MemberEnvironment } from "./parts.js";
export { formatAddress, type Address } from "./urls.js";
export { systemClock } from "../raft/index.js";
export { verifyDataDirectory, type Finding, type VerifyOptions } from "./verify.js";
export { serverVersion } from "./version.js";
