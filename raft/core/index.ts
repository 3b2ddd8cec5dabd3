// The Raft algorithm: pure and stepped by hand. Imports nothing.

export { RaftCore, type CoreOptions, type RecoveredState } from "./core.js";
export {
  logStart,
  noMember,
  type CoreStatus,
  type Entry,
  type HardState,
  type Input,
  type LogIndex,
  type LogPosition,
  type MemberId,
  type Notice,
  type Outgoing,
  type PeerMessage,
  type ReadState,
  type ReceivedSnapshot,
  type Refusal,
  type Role,
  type Term,
  type Unsaved,
  type Vote,
} from "./types.js";
