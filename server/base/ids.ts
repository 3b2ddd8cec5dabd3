export type { MemberId } from "../../raft/index.js";

/** A cluster's 64-bit id: a digest of the ids of its initial members, as in etcd. Never 0. */
export type ClusterId = bigint & { readonly __unit: "cluster id" };
