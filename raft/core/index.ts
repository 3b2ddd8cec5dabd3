// The Raft algorithm: synchronous, without clock, disk or network. Imports no other folder.

export {
  Configuration,
  ConfigurationHistory,
  type ConfigurationMember,
  type LogBase,
  type PlacedConfiguration,
} from "./configuration.js";
export { RaftCore, type CoreOptions, type RecoveredState } from "./core.js";
export { logStart, noMember, type LogIndex, type LogPosition, type MemberId, type Term } from "./ids.js";
export { rebuildFrom, type RebuiltState, type Survivor } from "./rebuild.js";
export type {
  ConfigurationEntry,
  CommandEntry,
  CoreStatus,
  Entry,
  HardState,
  Input,
  Notice,
  Outgoing,
  PeerMessage,
  ReadState,
  ReceivedSnapshot,
  Refusal,
  Role,
  Unsaved,
  Vote,
} from "./types.js";
