// The files and sockets that a member acts through, or their simulated counterparts.

import type { Socket } from "node:net";
import type { CoreStatus } from "../../raft/index.js";
import type { Backend, StoreLimits } from "../../store/index.js";
import { type Logger, maxUnknownPeerConnections } from "../base/index.js";
import type { MemberDisk, Clock } from "../../platform/index.js";
import type { Passwords } from "../auth/index.js";
import { Peers, type PeersOptions } from "../peers/index.js";
import type { TlsDialer } from "../tls/index.js";
import { type SpaceReserves, type Storage, storageOf } from "./storage.js";

/** The parts of logins that others must not foresee. */
export interface Secrets {
  readonly passwords: Passwords;
  /** Returns a random whole number in `[0, bound)`. */
  readonly randomBelow: (bound: number) => number;
}

/** The surroundings of a member, besides its configuration. */
export interface MemberEnvironment {
  readonly clock: Clock;
  /** Returns a uniform number in [0, 1), for election timeouts and ids. */
  readonly random: () => number;
  readonly logger: Logger;
  /** Hashes passwords and makes tokens; absent: in a thread of its own, and as Node's secure random numbers have it. */
  readonly secrets?: Secrets;
  /** Reports a change of the known leader or its term. */
  readonly onLeaderChange?: (status: CoreStatus) => void;
}

/** The links to the other members. */
export type PeerNetwork = Pick<Peers, "open" | "send" | "sendCalls" | "openSnapshot" | "close">;

/** The parts of its machine that a member acts through. */
export interface MemberParts extends Storage {
  /** Limits of the store that are not the defaults. */
  readonly storeLimits?: Partial<StoreLimits>;
  /** Makes the links to the other members. */
  connect(options: PeersOptions): PeerNetwork;
}

/** The parts of a member in a process. */
export class ProcessParts implements MemberParts {
  readonly disk: MemberDisk;
  readonly segmentBytes: number | undefined;
  readonly reserves: SpaceReserves | undefined;
  readonly descriptors: Storage["descriptors"];
  private peers: Peers | undefined;

  /**
   * @param unknownPeers connections on the peer port that have not said hello; one more is closed at once
   * @param tls connects to members whose URLs say https
   */
  constructor(
    private readonly unknownPeers = maxUnknownPeerConnections,
    private readonly storage: Storage = storageOf("disk"),
    private readonly tls?: TlsDialer,
  ) {
    ({ disk: this.disk, segmentBytes: this.segmentBytes, reserves: this.reserves } = storage);
    this.descriptors = storage.descriptors;
  }

  openBackend(path: string): Promise<Backend> {
    return this.storage.openBackend(path);
  }

  connect(options: PeersOptions): PeerNetwork {
    this.peers = new Peers(options, { maxUnknownConnections: this.unknownPeers, tls: this.tls });
    return this.peers;
  }

  /** Takes over a connection that was accepted on the peer port; before there are links, it is closed. */
  accept(socket: Socket): void {
    if (this.peers === undefined) socket.destroy();
    else this.peers.accept(socket);
  }
}
