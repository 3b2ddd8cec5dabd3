import type { KvStore } from "../../store/index.js";
import type { CommandResults } from "../replication/apply/index.js";
import type { Proposals, Reads } from "../replication/index.js";
import type { Application } from "./application.js";
import { kvOperations } from "./kv.js";

/** The parts of a member that operations act on. */
export interface ApplicationParts {
  readonly store: KvStore;
  readonly proposals: Proposals<CommandResults>;
  readonly reads: Reads;
}

export interface ApplicationSettings {
  /** Most compares of a transaction, and most operations of a branch. */
  readonly maxTxnOps: number;
}

/** Makes etcd's operations, with the checks that belong to each. */
export const createApplication = (parts: ApplicationParts, { maxTxnOps }: ApplicationSettings): Application => ({
  ...kvOperations(parts, maxTxnOps),
});
