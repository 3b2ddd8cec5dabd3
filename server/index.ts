// One member of a cluster, as a program runs or embeds it.

export {
  configFromFlags,
  defaultFlags,
  FlagError,
  type InitialMember,
  type MemberConfig,
  type ServerFlags,
} from "./config/config.js";
export { clearDataDirectories, isInUse, lockFolder } from "./data-dir/data-dir-use.js";
export { StartError } from "./base/errors.js";
export { readCommandLine, type CommandLine } from "./config/command-line.js";
export type { Flag, FlagGroup } from "./config/flag.js";
export { readSettings, type MemberSettings } from "./config/read-settings.js";
export type { GivenFlag } from "./config/settings.js";
export { flagGroups } from "./config/flag-table.js";
export { createLogger, errorText, formatId, logLevels, type Logger, type LogLevel } from "./base/logger.js";
export { Member } from "./member/member.js";
export type { MemberEnvironment } from "./member/parts.js";
export { formatAddress, type Address } from "./base/urls.js";
export { systemClock } from "../raft/index.js";
export { verifyDataDirectory, type Finding, type VerifyOptions } from "./verify/verify.js";
export { serverVersion } from "./base/version.js";
