// The write-ahead log: segments, records, recovery.

export { checkWal, type WalReport } from "./check.js";
export { shortageOf, WalDamagedError, WalFailedError, WalVersionError, type Shortage } from "./errors.js";
export { openWal } from "./open.js";
export type { RecoveredLog } from "./recovery.js";
export { Wal } from "./wal.js";
export type { WalListener } from "./wal-listener.js";
