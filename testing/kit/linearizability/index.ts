// Histories of operations on keys, and the check whether they are linearizable.

export { checkLinearizable, type LinearizabilityOptions } from "./linearizability.js";
export { operationText } from "./operation-text.js";
export type { History, Operation, OperationOutcome } from "./operation.js";
export type { Linearizability } from "./verdict.js";
