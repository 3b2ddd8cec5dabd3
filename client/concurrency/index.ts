// Locks, elections, queues, barriers and transactions of many steps.

export { Barrier, DoubleBarrier } from "./barrier.js";
export { Election, Leadership, type CampaignOptions } from "./election.js";
export { lock, Lock, tryLock, type LockOptions, type LockServices } from "./lock.js";
export { PriorityQueue, Queue } from "./queue.js";
export { stm, StmTransaction, type StmOptions } from "./stm.js";
export type { PlaceOptions } from "./first-place.js";
export type { WaitOptions } from "./wait-limit.js";
