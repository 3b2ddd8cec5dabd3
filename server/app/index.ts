// etcd's operations, without a word about who carries requests and results.

export type {
  Application,
  KeepAliveSession,
  LeaseListItem,
  Operation,
  OperationName,
  Operations,
  SessionListener,
} from "./application.js";
export { createApplication, type ApplicationParts, type ApplicationSettings } from "./create-application.js";
export { minLeaseTtl } from "./lease.js";
export { promised } from "./promised.js";
