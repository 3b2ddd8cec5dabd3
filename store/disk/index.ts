// Rows on disk: LevelDB, a replacement of it in memory, the format of rows, checks of LevelDB's tables.

export {
  bytesOf,
  type Backend,
  type BackendSize,
  type Batch,
  type Row,
  type RowIterator,
  type Rows,
  type View,
  withClose,
} from "./backend.js";
export { openDiskBackend } from "./disk-backend.js";
export { type Block, type BlockChange, BlockDraft, BlockReader } from "./change-block.js";
export { BlockList } from "./block-list.js";
export { MemoryBackend, openMemoryBackend } from "./memory-backend.js";
export { crc32c } from "./crc32c.js";
export { levelDirectory } from "./level-directory.js";
export { RetryingBackend, type DescriptorSource } from "./retrying-backend.js";
export {
  finishedCompactionRow,
  formatRow,
  leaseCountRow,
  changeCountRow,
  scheduledCompactionRow,
  stateRow,
  tableRowCountRow,
} from "./meta.js";
export {
  allRemoved,
  allRows,
  allTables,
  comparePositions,
  endOfChanges,
  etcdRowKey,
  changeRowKey,
  firstRowKeyOf,
  leasePrefix,
  nameOfRow,
  openRow,
  parseTableRowKey,
  type Position,
  removedRowKey,
  encodeRow,
  tableRowKey,
  type TablePosition,
} from "./rows.js";
export { pauseOf, visitRows, neverPause, type Pause } from "./visit-rows.js";
