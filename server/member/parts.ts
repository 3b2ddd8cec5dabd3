// The files and sockets of a member, or their simulated counterparts.

import type { Socket } from "node:net";
import type { CoreStatus } from "../../raft/index.js";
import type { Backend, StoreLimits } from "../../store/index.js";
import { type Logger, maxUnknownPeerConnections } from "../base/index.js";
import type { MemberDisk, Clock } from "../../platform/index.js";
import type { Passwords } from "../auth/index.js";
import { Peers, type PeersOptions } from "../peers/index.js";
import type { TlsDialer } from "../tls/index.js";
import { type SpaceReserves, type Storage, storageOf } from "./storage.js";

/** The sources of secrets, which must be unpredictable. */
export interface Secrets {
  readonly passwords: Passwords;
  /** Returns a random integer in `[0, bound)`. */
  readonly randomBelow: (bound: number) => number;
}

/** The environment of a member, beside its configuration. */
export interface MemberEnvironment {
  readonly clock: Clock;
  /** Returns a uniform number in [0, 1), for election timeouts and ids. */
  readonly random: () => number;
  readonly logger: Logger;
  /** Hashes passwords and generates tokens; absent: a thread for passwords, and Node's secure random numbers. */
  readonly secrets?: Secrets;
  /** Reports a change of the known leader or its term. */
  readonly onLeaderChange?: (status: CoreStatus) => void;
}

/** The links to the peers. */
export type PeerNetwork = Pick<Peers, "open" | "send" | "sendCalls" | "openSnapshot" | "close">;

/** The parts of the machine that a member uses. */
export interface MemberParts extends Storage {
  /** Limits of the store that differ from the defaults. */
  readonly storeLimits?: Partial<StoreLimits>;
  /** Creates the links to the peers. */
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
   * @param unknownPeers the maximum number of unknown connections on the peer port; a further one is closed at once
   * @param tls connects to members with https URLs
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

  /** Accepts a connection on the peer port; closes it while there are no links. */
  accept(socket: Socket): void {
    if (this.peers === undefined) socket.destroy();
    else this.peers.accept(socket);
  }
}
