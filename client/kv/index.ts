// Keys: get, put, delete, transactions.

export { allKeys, KeySpace } from "./key-space.js";
export { intervalOf, prefixEnd, toBytes, toText, type Bytes, type KeyInterval } from "./keys.js";
export {
  keyValueOf,
  type DeleteResult,
  type DeleteSettings,
  type GetResult,
  type GetSettings,
  type KeyOrder,
  type KeyValue,
  type PutResult,
  type PutSettings,
  type RevisionBounds,
} from "./kv-ops.js";
export { Kv, type CompactResult } from "./kv.js";
export type { Compare, Txn, TxnOp, TxnOpResult, TxnResult } from "./txn.js";
