// What a member acts through: the files and sockets of a process, or what a simulation has in their place.

import type { Socket } from "node:net";
import { nodeDisk, type Disk } from "../raft/index.js";
import { openDiskBackend, type Backend } from "../store/index.js";
import type { MemberConfig } from "./config.js";
import { DataDirectory } from "./data-dir.js";
import { Peers, type PeersOptions } from "./peers/peers.js";

/** A member's directory, held by one member at a time. */
export type MemberDirectory = Pick<DataDirectory, keyof DataDirectory>;

/** The links to the other members; what they bring comes through the options they were made with. */
export type PeerNetwork = Pick<Peers, "open" | "send" | "sendCalls" | "openSnapshot" | "close">;

export interface MemberParts {
  /** @throws StartError naming what stands in the way */
  readonly openDirectory: () => Promise<MemberDirectory>;
  /** Where the log is, at the path that the directory names. */
  readonly disk: Disk;
  /** Size of the log's segments; absent: the log's default. */
  readonly segmentBytes?: number;
  /** Opens, or makes, the rows of a store at a path that the directory names. */
  readonly openBackend: (path: string) => Promise<Backend>;
  readonly connect: (options: PeersOptions) => PeerNetwork;
}

/** The parts of a member that is a process, or in one. */
export class ProcessParts implements MemberParts {
  readonly disk = nodeDisk;
  readonly openBackend = openDiskBackend;
  private peers: Peers | undefined;

  constructor(private readonly config: MemberConfig) {}

  readonly openDirectory = (): Promise<MemberDirectory> => DataDirectory.open(this.config.dataDir);

  readonly connect = (options: PeersOptions): PeerNetwork => (this.peers = new Peers(options));

  /** Takes over a connection that was accepted on the peer port; before there are links, it is closed. */
  accept(socket: Socket): void {
    if (this.peers === undefined) socket.destroy();
    else this.peers.accept(socket);
  }
}
