// Connections to endpoints, calls and streams over them, failover, errors.

export { machineClock, type Clock } from "./clock.js";
export {
  StatusError,
  type Channel,
  type ChannelCall,
  type ChannelSettings,
  type ChannelState,
  type ChannelStream,
  type Transport,
} from "./channel.js";
export type { EtcdErrorCode, Outcome } from "./codes.js";
export { Endpoints } from "./endpoints.js";
export {
  asError,
  AuthError,
  authErrorFromWatchEnd,
  type AuthReason,
  CompactedError,
  ConnectError,
  errorFromFailure,
  errorFromWatchEnd,
  EtcdError,
  LeaseLostError,
  settleQuietly,
  WatchEndedError,
  type WatchEnd,
} from "./errors.js";
export { headerOf, type Header } from "./header.js";
export type { Credentials, CredentialsSource, PasswordCredentials, TokenCredentials } from "./login.js";
export { retryUntil } from "./retry-until.js";
export { LastingStream, type LastingStreamEvents } from "./lasting-stream.js";
export { LeavableIterator } from "./leavable-iterator.js";
export { streamMethod, unaryMethod, type StreamMethod } from "./methods.js";
export {
  settingsOf,
  type ClientOptions,
  type KeepaliveOptions,
  type MessageOptions,
  type RequestOptions,
} from "./options.js";
export type { ClientTls, TlsOptions } from "./tls.js";
export { onAbort } from "./on-abort.js";
export { Wakeup } from "./wakeup.js";
