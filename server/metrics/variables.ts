import type { Role } from "../../raft/index.js";
import { formatId } from "../base/index.js";
import { processDescriptors } from "../resources/index.js";
import type { MeasuredMember } from "./measured.js";

/** Values by name, each of which can be encoded as JSON. */
export type Variables = Readonly<Record<string, unknown>>;

const states = {
  leader: "StateLeader",
  follower: "StateFollower",
  candidate: "StateCandidate",
  preCandidate: "StatePreCandidate",
} as const satisfies Record<Role, string>;

/**
 * Returns the variables of etcd's `/debug/vars`, a few hundred bytes. The command line is omitted: a program that embeds a
 * member may have secrets there. Go's memory statistics are included if Node has them.
 */
export const debugVariables = ({ replica }: Pick<MeasuredMember, "replica">): Variables => {
  const { heapUsed, heapTotal, rss } = process.memoryUsage();
  const { id, term, vote, commit, leader, role } = replica.node.status();
  return {
    file_descriptor_limit: processDescriptors().limit,
    memstats: { Alloc: heapUsed, Sys: rss, HeapAlloc: heapUsed, HeapSys: heapTotal },
    "raft.status": {
      id: formatId(id),
      term,
      vote: formatId(vote),
      commit,
      lead: formatId(leader),
      raftState: states[role],
      applied: replica.applier.appliedIndex,
    },
  };
};
