/**
 * Consensus: leader election, the replicated log, the commit index. Commands are opaque bytes.
 *
 * @module minietcd/raft
 */

// Exported for users of `minietcd/raft`; the other folders import platform/ directly.
export {
  ensureDirectory,
  nodeDisk,
  toPromise,
  systemClock,
  type Clock,
  type Disk,
  type DiskDone,
  type DiskFile,
  type DiskResult,
} from "../platform/index.js";
export { decodePeerMessage, encodePeerMessage, MalformedMessageError, PeerMessageBuffer } from "./codec/index.js";
export {
  Configuration,
  type ConfigurationMember,
  type CoreOptions,
  type CoreStatus,
  type CommandEntry,
  type ConfigurationEntry,
  type Entry,
  type HardState,
  type LogBase,
  type LogIndex,
  type LogPosition,
  logStart,
  type MemberId,
  noMember,
  type Outgoing,
  type PeerMessage,
  RaftCore,
  type RecoveredState,
  type ReadState,
  rebuildFrom,
  type RebuiltState,
  type ReceivedSnapshot,
  type Refusal,
  type Role,
  type Survivor,
  type Term,
} from "./core/index.js";
export {
  RaftNode,
  tickMs,
  type LogStore,
  type NodeListener,
  type SnapshotTransfers,
  type StateMachine,
  type Transport,
} from "./node.js";
export {
  checkWal,
  openWal,
  type RecoveredLog,
  type Shortage,
  shortageOf,
  type Wal,
  type WalListener,
  WalDamagedError,
  WalFailedError,
  type WalReport,
  WalVersionError,
} from "./wal/index.js";
