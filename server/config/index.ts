// The settings of a member: flags, environment, files, and the ids that are computed from them.

export {
  jwtMethods,
  readAuthSettings,
  type AuthFlags,
  type AuthSettings,
  type JwtMethod,
  type JwtSettings,
  type SimpleTokenSettings,
} from "./auth-settings.js";
export { readCommandLine, type CommandLine } from "./command-line.js";
export {
  configFromFlags,
  defaultFlags,
  FlagError,
  type AutoCompaction,
  type DnsDiscovery,
  type GeneralConfig,
  type InitialMember,
  type MemberConfig,
  type RaftConfig,
  type ServerFlags,
} from "./config.js";
export { featuresOf, type Feature } from "./features.js";
export { flagGroups } from "./flag-table.js";
export type { Flag, FlagGroup } from "./flag.js";
export { clusterIdOf, memberIdOf } from "./identity.js";
export { readSettings, type MemberSettings } from "./read-settings.js";
export { ignoredPeerUrlsText, logIgnoredFlags } from "./restart-flags.js";
export type { GivenFlag } from "./settings.js";
export type { MemberTls, TlsServerFlags } from "./tls-flags.js";
export {
  isSecureUrl,
  type CertificateFiles,
  type PeerCertificateRules,
  type TlsLimits,
  type TlsSettings,
} from "./tls-settings.js";
