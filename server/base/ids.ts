/** A cluster's 64-bit identity: a digest of the ids of the members that it was started with, as in etcd. Never 0. */
export type ClusterId = bigint & { readonly __unit: "cluster id" };
