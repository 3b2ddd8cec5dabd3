// The basic types of a member: errors, limits, log lines, URLs, versions.

export type { AnswerAccount } from "./answer-account.js";
export type { AppliedAlarms } from "./applied-alarms.js";
export { anonymousCaller, type Caller, remoteAddressOf } from "./caller.js";
export { certificateNameOf, setCertificateName } from "./certificate-names.js";
export { type Durations, DurationsByKind } from "./durations.js";
export type { ClusterId, MemberId } from "./ids.js";
export { describeStale, ServerError, StaleDirectoryError, StartError, type ServerErrorCode } from "./errors.js";
export {
  maxClientConnections,
  maxConnectionsBeforeReady,
  maxConnectionWithoutRequestMs,
  maxKeepAlivesPerStream,
  maxReflectionsPerStream,
  maxPendingCalls,
  maxPendingProposalBytes,
  maxPendingProposals,
  maxPendingReads,
  maxHttpRequestMs,
  maxQueuedCalls,
  maxQueuedPasswords,
  maxPrefaceMs,
  maxRepeatBytes,
  maxRepeats,
  maxResponsesWhileFull,
  maxServedCalls,
  maxStalledUntakenBytes,
  maxUnknownPeerConnections,
  maxUnsentBytes,
  maxUnsentMessages,
  maxUntakenBytes,
  maxUntakenBytesOfConnection,
  maxWatchersPerStream,
  messageOverheadBytes,
  untakenBytesUnderPressure,
} from "./limits.js";
export {
  createLogger,
  errorText,
  formatId,
  logLevels,
  type LogFields,
  type LogFormat,
  type Logger,
  type LogLevel,
} from "./logger.js";
export { asStartError, damageAdvice } from "./open-failure.js";
export { noBytes } from "./no-bytes.js";
export { NumberTable } from "./number-table.js";
export { refusalCounter } from "./refusal-counter.js";
export type { ResultHandler } from "./result-handler.js";
export { storeClockOf } from "./store-clock.js";
export {
  bindAddresses,
  formatAddress,
  isLoopback,
  mustBeBindable,
  mustBeConnectable,
  parseMemberUrl,
  parseMemberUrls,
  UrlError,
  type Address,
  type MemberUrl,
  type PortAddress,
} from "./urls.js";
export {
  emulatedVersions,
  reportedVersions,
  serverVersion,
  type EmulatedVersion,
  type ReportedVersions,
} from "./version.js";
