/**
 * The package `minietcd` for applications: the client, and a member to embed.
 *
 * @module minietcd
 */

export {
  Client,
  CompactedError,
  EtcdError,
  LeaseLostError,
  toText,
  type ClientOptions,
  type KeepaliveOptions,
  type TlsOptions,
  type RequestOptions,
} from "./client/index.js";
export {
  configFromFlags,
  defaultFlags,
  Member,
  type MemberConfig,
  type MemberEnvironment,
  startMember,
  type StartMemberOptions,
} from "./server/index.js";
