// What a member asks of consensus: proposals, linearizable reads, the transfer of leadership.

export { proposeCompaction, startAutoCompaction, type AutoCompactor } from "./auto-compaction.js";
export { LeadershipTransfer } from "./leadership-transfer.js";
export { Proposals, type Command } from "./proposals.js";
export { Reads } from "./reads.js";
