// Rows on disk: LevelDB and the memory in its place, the format of rows, checks of its tables.

export {
  bytesOf,
  openDiskBackend,
  openMemoryBackend,
  type Backend,
  type BackendSize,
  type Batch,
  type Row,
  type RowIterator,
  type Rows,
  type View,
} from "./backend.js";
export { crc32c } from "./crc32c.js";
export { PatientBackend, type DescriptorSource } from "./descriptor-shortage.js";
export {
  finishedCompactionRow,
  formatRow,
  leaseCountRow,
  rowCountRow,
  scheduledCompactionRow,
  stateRow,
  tableRowCountRow,
} from "./meta.js";
export {
  allRows,
  allTables,
  changeRowKey,
  checksumSize,
  endOfChanges,
  etcdRowKey,
  firstRowKeyOf,
  leasePrefix,
  nameOfRow,
  openRow,
  parseChangeRowKey,
  parseTableRowKey,
  sealedRow,
  sealRow,
  tableRowKey,
  type TablePosition,
  type RowPosition,
} from "./rows.js";
export { pacedBy, visitRows, withoutPauses, type Pace } from "./visit-rows.js";
