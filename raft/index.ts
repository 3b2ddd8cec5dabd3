// Consensus: who leads, what the log holds, what is committed. Knows nothing of keys.

export { systemClock, type Clock } from "../platform/clock.js";
export { MalformedMessageError } from "./codec/bytes.js";
export { decodePeerMessage, encodePeerMessage } from "./codec/peer-message.js";
export { RaftCore, type CoreOptions } from "./core/core.js";
export {
  logStart,
  noMember,
  type CoreStatus,
  type Entry,
  type HardState,
  type LogIndex,
  type LogPosition,
  type MemberId,
  type Outgoing,
  type PeerMessage,
  type ReadState,
  type ReceivedSnapshot,
  type Refusal,
  type Role,
  type Term,
} from "./core/types.js";
export { RaftNode, tickMs, type LogStore, type NodeListener, type StateMachine, type Transport } from "./node.js";
export { checkWal, type WalReport } from "./wal/check.js";
export {
  ensureDirectory,
  nodeDisk,
  promised,
  type Disk,
  type DiskDone,
  type DiskFile,
  type DiskResult,
} from "../platform/disk.js";
export { shortageOf, WalDamagedError, WalFailedError, WalVersionError, type Shortage } from "./wal/errors.js";
export { openWal } from "./wal/open.js";
export type { RecoveredLog } from "./wal/recovery.js";
export type { Wal } from "./wal/wal.js";
