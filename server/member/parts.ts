// What a member acts through: the files and sockets of a process, or what a simulation has in their place.

import type { Socket } from "node:net";
import type { CoreStatus } from "../../raft/index.js";
import { openDiskBackend, type Backend, type StoreLimits } from "../../store/index.js";
import { type Descriptors, processDescriptors } from "../resources/index.js";
import { type Logger, maxUnknownPeerConnections } from "../base/index.js";
import { machineDisk, type MemberDisk, type Clock } from "../../platform/index.js";
import { Peers, type PeersOptions } from "../peers/index.js";

/** The surroundings of a member, besides its configuration. */
export interface MemberEnvironment {
  readonly clock: Clock;
  /** Uniform in [0, 1): election timeouts. */
  readonly random: () => number;
  readonly logger: Logger;
  /** The known leader or its term changed. */
  readonly onLeaderChange?: (status: CoreStatus) => void;
}

/** The links to the other members. */
export type PeerNetwork = Pick<Peers, "open" | "send" | "sendCalls" | "openSnapshot" | "close">;

/** Space on a disk that is not used up: it then goes on as soon as there is more, without having failed. */
export interface SpaceReserves {
  /** With less beyond it, the log gets no further segment. */
  readonly logBytes: number;
  /** With less, nothing is written to the store. Less than the log's, as that is who fills it. */
  readonly storeBytes: number;
}

export interface MemberParts {
  /** Where the member's directory is, and the log in it. */
  readonly disk: MemberDisk;
  /** Size of the log's segments; absent: the log's default. */
  readonly segmentBytes?: number;
  /** Absent: everything is used. */
  readonly reserves?: SpaceReserves;
  /** Absent: there are always enough. */
  readonly descriptors?: Pick<Descriptors, "areFree" | "lend">;
  /** Opens, or makes, the rows of a store at a path that the directory names. */
  readonly openBackend: (path: string) => Promise<Backend>;
  /** Absent: the store's defaults. */
  readonly storeLimits?: Partial<StoreLimits>;
  readonly connect: (options: PeersOptions) => PeerNetwork;
}

/** The parts of a member that is a process, or in one. */
export class ProcessParts implements MemberParts {
  readonly disk = machineDisk;
  /** LevelDB sorts its tables by writing up to 26 MiB of them anew; if that fails it takes no more writes. */
  readonly reserves = { logBytes: 48 * 1024 * 1024, storeBytes: 32 * 1024 * 1024 };
  readonly descriptors = processDescriptors();
  readonly openBackend = openDiskBackend;
  private peers: Peers | undefined;

  /** @param unknownPeers connections on the peer port that have not said hello; one more is closed at once */
  constructor(private readonly unknownPeers = maxUnknownPeerConnections) {}

  readonly connect = (options: PeersOptions): PeerNetwork =>
    (this.peers = new Peers({ ...options, maxUnknownConnections: this.unknownPeers }));

  /** Takes over a connection that was accepted on the peer port; before there are links, it is closed. */
  accept(socket: Socket): void {
    if (this.peers === undefined) socket.destroy();
    else this.peers.accept(socket);
  }
}
