// Locks and elections.

export { Election, Leadership, type CampaignOptions } from "./election.js";
export { lock, Lock, tryLock, type LockOptions, type LockServices } from "./lock.js";
