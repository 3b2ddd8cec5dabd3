import { createHash } from "node:crypto";
import type { MemberId } from "../../raft/index.js";
import { type ClusterId, StartError } from "../base/index.js";

/** Returns the first 8 bytes of a SHA-1, big-endian: etcd's ids. */
const idOf = (data: Uint8Array): bigint => createHash("sha1").update(data).digest().readBigUInt64BE(0);

/** Returns the id of an initial member: a digest of its sorted peer URLs and the cluster token, as in etcd. */
export const memberIdOf = (peerUrls: readonly string[], clusterToken: string): MemberId => {
  const id = idOf(Buffer.from([...peerUrls].sort().join("") + clusterToken));
  // 0 means "no member" in votes and leaders.
  if (id === 0n) throw new StartError("this member's id would be 0: choose another --initial-cluster-token");
  return id as MemberId;
};

/** Returns the id of a cluster: a digest of the ids of its initial members, ascending. */
export const clusterIdOf = (members: readonly MemberId[]): ClusterId => {
  const bytes = Buffer.alloc(members.length * 8);
  [...members]
    .sort((a, b) => (a < b ? -1 : 1))
    .forEach((id, position) => void bytes.writeBigUInt64BE(id, position * 8));
  const id = idOf(bytes);
  if (id === 0n) throw new StartError("the cluster's id would be 0: choose another --initial-cluster-token");
  return id as ClusterId;
};
