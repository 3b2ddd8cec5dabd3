// etcd's operations, without a word about who carries requests and results.

export { checkDeleteRange, checkPut, checkRange, checkTxn } from "./request-checks.js";
