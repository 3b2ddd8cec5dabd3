// Virtual time, simulated disks, networks and machines, on which real members run: whole clusters in one process, repeatable by a
// seed.
//
// A test of one folder imports the files that it needs: this door loads a whole member.

export type { DueTimer } from "./timer-heap.js";
export { byValue, CopyingStore, type NaiveChange, Refused } from "./copying-store.js";
export { commandEntry, dataOf, votersOnly } from "./entries.js";
export { Host, type ClusterSettings, type StoreSettings, type DiskConditions, type HostObserver } from "./host.js";
export { toClusterId, toLeaseId, toMemberId } from "./ids.js";
export { MachineTime } from "./machine-time.js";
export { memoryChannel, type Alter, type MemoryChannel } from "./memory-channel.js";
export { messageText } from "./message-text.js";
export { type Input, ProcessClock, SimProcess } from "./process.js";
export { seededRandom, type SeededRandom } from "./random.js";
export { Rpc, type ClientStream, type Codec, type CallOutcome, type StreamEvents } from "./rpc.js";
export { sameThreadPasswords, makeSimulatedSecrets } from "./same-thread-passwords.js";
export { Scheduler } from "./scheduler.js";
export { SimChannel, type ChannelSide } from "./sim-channel.js";
export { diskError, SimDisk, type DiskOperation, type OperationKind, type SimDiskOptions } from "./sim-disk.js";
export { normalConditions, SimNetwork, type Way, type LinkConditions } from "./sim-network.js";
export { SimStores, type StoreConditions } from "./sim-store.js";
export { EventLog } from "./event-log.js";
export type { Timeline } from "./timeline.js";
export { MomentHooks, moments, type Moment } from "./moment-hooks.js";
export { VirtualClock } from "./virtual-clock.js";
