// Links to the other members: hello, messages, calls, connections for snapshots.

export { formatPeersFile, parsePeersFile, PeerIncarnations, type PeersFile } from "./peer-incarnations.js";
export { ChannelClosedError, type SnapshotChannel } from "./channel.js";
export type { Incarnation, HelloRefusal } from "./hello.js";
export { Peers, type Peer, type PeersOptions } from "./peers.js";
export { PeerStats, PeerTraffic } from "./peer-stats.js";
export type { PeerAdmission } from "./peer-admission.js";
export type { PeersListener } from "./peers-listener.js";
