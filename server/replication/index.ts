// The requests of a member to consensus: proposals, linearizable reads, transfers of leadership.

export { startAutoCompaction, type AutoCompactor } from "./auto-compaction.js";
export type { Command, CommandKind, CommandOf, CommandValues, ResultsByKind } from "./command.js";
export { LeadershipTransfer } from "./leadership-transfer.js";
export type { LeaseListener } from "./lease-listener.js";
export { Proposals } from "./proposals.js";
export { SpaceQuota } from "./space-quota.js";
export { Reads, type AppliedLog, type LinearizableRead } from "./reads.js";
export { Sweeper } from "./sweeper.js";
