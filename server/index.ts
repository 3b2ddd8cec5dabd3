/**
 * A member of a cluster, as a program runs or embeds it.
 *
 * @module minietcd/server
 */

export {
  type CommandLine,
  configFromFlags,
  defaultFlags,
  type Flag,
  FlagError,
  type FlagGroup,
  flagGroups,
  type GivenFlag,
  ignoredPeerUrlsText,
  type InitialMember,
  type MemberConfig,
  type MemberSettings,
  readCommandLine,
  readSettings,
  type ServerFlags,
} from "./config/index.js";
export { clearDataDirectories, isInUse, lockFolder } from "./data-dir/index.js";
export {
  type Address,
  createLogger,
  errorText,
  formatAddress,
  formatId,
  type Logger,
  type LogLevel,
  logLevels,
  serverVersion,
  StartError,
} from "./base/index.js";
export { Member, type MemberEnvironment } from "./member/index.js";
export { startMember } from "./start-member.js";
export type { StartMemberOptions } from "./start-options.js";
export { warmUpMember } from "./warm-up-member.js";
export { resetMember, type ResetOptions, type ResetReport } from "./reset/index.js";
export { makeCertificateFiles } from "./tls/index.js";
export { systemClock, systemRandom } from "../platform/index.js";
export { type Finding, verifyDataDirectory, type VerifyOptions } from "./verify/index.js";
