// etcd's operations, without a word about who carries requests and results.

export type { Application, Operation, OperationName, Operations } from "./application.js";
export { createApplication, type ApplicationParts, type ApplicationSettings } from "./create-application.js";
export { promised } from "./promised.js";
