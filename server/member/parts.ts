// The files and sockets that a member acts through, or their simulated counterparts.

import type { Socket } from "node:net";
import type { CoreStatus } from "../../raft/index.js";
import { openDiskBackend, type Backend, type StoreLimits } from "../../store/index.js";
import { type Descriptors, processDescriptors } from "../resources/index.js";
import { type Logger, maxUnknownPeerConnections } from "../base/index.js";
import { machineDisk, type MemberDisk, type Clock } from "../../platform/index.js";
import { Peers, type PeersOptions } from "../peers/index.js";
import type { BackendSource } from "../snapshots/index.js";

/** The surroundings of a member, besides its configuration. */
export interface MemberEnvironment {
  readonly clock: Clock;
  /** Returns a uniform number in [0, 1), for election timeouts and ids. */
  readonly random: () => number;
  readonly logger: Logger;
  /** Reports a change of the known leader or its term. */
  readonly onLeaderChange?: (status: CoreStatus) => void;
}

/** The links to the other members. */
export type PeerNetwork = Pick<Peers, "open" | "send" | "sendCalls" | "openSnapshot" | "close">;

/** Space to leave free on a disk: a member that waits for more continues as soon as there is some, without having failed. */
export interface SpaceReserves {
  /** The space to leave when the log gets a further segment. */
  readonly logBytes: number;
  /** The space to leave when the store is written. Less than the log's, as the log fills the disk. */
  readonly storeBytes: number;
}

/** The parts of its machine that a member acts through. */
export interface MemberParts extends BackendSource {
  /** The disk that holds the member's directory. */
  readonly disk: MemberDisk;
  /** The size of the log's segments; the log's own by default. */
  readonly segmentBytes?: number;
  /** Space to leave free; none by default. */
  readonly reserves?: SpaceReserves;
  /** The file descriptors of the process; by default there are always enough. */
  readonly descriptors?: Pick<Descriptors, "areFree" | "lend">;
  /** Limits of the store that are not the defaults. */
  readonly storeLimits?: Partial<StoreLimits>;
  /** Makes the links to the other members. */
  connect(options: PeersOptions): PeerNetwork;
}

/** The parts of a member in a process. */
export class ProcessParts implements MemberParts {
  readonly disk = machineDisk;
  /** LevelDB sorts its tables by writing up to 26 MiB of them anew; if that fails it takes no more writes. */
  readonly reserves = { logBytes: 48 * 1024 * 1024, storeBytes: 32 * 1024 * 1024 };
  readonly descriptors = processDescriptors();
  private peers: Peers | undefined;

  /** @param unknownPeers connections on the peer port that have not said hello; one more is closed at once */
  constructor(private readonly unknownPeers = maxUnknownPeerConnections) {}

  openBackend(path: string): Promise<Backend> {
    return openDiskBackend(path);
  }

  connect(options: PeersOptions): PeerNetwork {
    this.peers = new Peers({ ...options, maxUnknownConnections: this.unknownPeers });
    return this.peers;
  }

  /** Takes over a connection that was accepted on the peer port; before there are links, it is closed. */
  accept(socket: Socket): void {
    if (this.peers === undefined) socket.destroy();
    else this.peers.accept(socket);
  }
}
