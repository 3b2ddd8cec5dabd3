import type { Socket } from "node:net";
import type { Calls } from "../../proto/index.js";
import type { Clock } from "../../platform/index.js";
import { type MemberId, type Outgoing, type PeerMessage, PeerMessageBuffer, type Transport } from "../../raft/index.js";
import { type ClusterId, formatId, type Logger, maxUnknownPeerConnections, type PortAddress } from "../base/index.js";
import { TlsDialer } from "../tls/index.js";
import { ChannelClosedError, type SnapshotChannel } from "./channel.js";
import { encodeCalls } from "./calls-frame.js";
import type { DialOptions } from "./dial.js";
import { fillFrameHeader, peerFrameHeaderBytes } from "./frame.js";
import { IncomingLinks } from "./incoming-links.js";
import type { PeerAdmission } from "./peer-admission.js";
import { OutgoingLink } from "./outgoing-link.js";
import { PeerStats } from "./peer-stats.js";
import type { PeersListener } from "./peers-listener.js";
import { SnapshotConnections } from "./snapshot-connection.js";

/** A peer: another member and its addresses. */
export interface Peer {
  readonly id: MemberId;
  readonly addresses: readonly PortAddress[];
}

/** The options of `Peers`. */
export interface PeersOptions {
  readonly clusterId: ClusterId;
  readonly self: MemberId;
  /** The incarnations of this member and of its peers. */
  readonly incarnations: PeerAdmission;
  /** The peers. */
  readonly peers: readonly Peer[];
  /** The name for which the certificates of peers must be valid; undefined: the hosts of their addresses. */
  readonly certificateName?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts the traffic with each peer; absent: not counted. */
  readonly stats?: PeerStats;
}

/** Conditions on the sockets of `Peers`. */
export interface PeerSocketOptions {
  /** The bound on connections without a valid hello; one more is closed at once. `maxUnknownPeerConnections` by default. */
  readonly maxUnknownConnections?: number;
  /** Connects to addresses with TLS. */
  readonly tls?: TlsDialer | undefined;
}

/** The connections to all peers. Each pair has two: a member sends over the one it dialled. */
export class Peers implements Transport {
  private readonly outgoing = new Map<MemberId, OutgoingLink>();
  private readonly batches = new Map<MemberId, PeerMessage[]>();
  private readonly frames = new PeerMessageBuffer(peerFrameHeaderBytes, fillFrameHeader);
  private readonly snapshots = new SnapshotConnections();
  private readonly stats: PeerStats;
  /** Undefined before `open`. */
  private incoming: IncomingLinks | undefined;

  constructor(
    private readonly options: PeersOptions,
    private readonly sockets: PeerSocketOptions = {},
  ) {
    const { peers, logger, stats = new PeerStats() } = options;
    this.stats = stats;
    for (const { id, addresses } of peers) {
      this.outgoing.set(id, new OutgoingLink({ ...this.dialOptionsFor(id), addresses, logger }, stats.of(id)));
      this.batches.set(id, []);
    }
  }

  /** Starts dialling and accepting. Resolves once each peer has answered or could not be reached. */
  async open(listener: PeersListener): Promise<void> {
    const { maxUnknownConnections = maxUnknownPeerConnections } = this.sockets;
    const { stats } = this;
    this.incoming = new IncomingLinks({ ...this.options, maxUnknownConnections, stats }, this.outgoing, listener);
    const links = [...this.outgoing.values()];
    for (const link of links) link.open(listener);
    await Promise.all(links.map(({ whenTried }) => whenTried));
  }

  /** Adds a connection that was accepted on the peer port; before `open` it is closed. */
  accept(socket: Socket): void {
    if (this.incoming === undefined) socket.destroy();
    else this.incoming.accept(socket);
  }

  /** Sends consensus messages, those for a member with one write; without a link they are dropped. */
  send(messages: readonly Outgoing[]): void {
    if (messages.length === 0) return;
    for (const { to, message } of messages) {
      this.batches.get(to)?.push(message);
      if (message.kind === "heartbeat") this.stats.of(to).onHeartbeat(message.round, this.options.clock.now());
    }
    this.sendBatches();
    for (const batch of this.batches.values()) batch.length = 0;
  }

  /** Members with the same batch of messages, such as an append, get the same encoded bytes. */
  private sendBatches(): void {
    let encoded: readonly PeerMessage[] = [];
    let frames: readonly Uint8Array[] = [];
    for (const [id, batch] of this.batches) {
      const link = this.outgoing.get(id);
      if (batch.length === 0) continue;
      const traffic = this.stats.of(id);
      if (link?.isUp !== true) {
        traffic.sentFailures += batch.length;
        continue;
      }
      if (!areSame(batch, encoded)) {
        frames = this.frames.encode(batch);
        encoded = batch;
      }
      for (const piece of frames) traffic.sentBytes += piece.length;
      if (!link.sendFrames(frames)) this.frames.keepBytes();
    }
  }

  /** Sends calls or responses; without a link they are dropped. */
  sendCalls(to: MemberId, calls: Calls): void {
    const link = this.outgoing.get(to);
    const payload = encodeCalls(calls);
    if (link?.isUp === true) this.stats.of(to).sentBytes += peerFrameHeaderBytes + payload.length;
    link?.send([payload]);
  }

  /** Opens a channel for a snapshot. @throws ChannelClosedError */
  async openSnapshot(to: MemberId): Promise<SnapshotChannel> {
    const addresses = this.options.peers.find(({ id }) => id === to)?.addresses;
    if (addresses === undefined) throw new ChannelClosedError(`unknown peer ${formatId(to)}`);
    return this.snapshots.open(addresses, this.dialOptionsFor(to));
  }

  /** Closes all connections for good. */
  close(): void {
    this.snapshots.close();
    for (const link of this.outgoing.values()) link.close();
    this.incoming?.close();
  }

  private dialOptionsFor(to: MemberId): DialOptions {
    const { clusterId, self, incarnations, certificateName, clock } = this.options;
    const { tls = new TlsDialer(undefined) } = this.sockets;
    const dialer = certificateName === undefined ? tls : tls.expectName(certificateName);
    return { clusterId, from: self, incarnation: incarnations.own, to, clock, tls: dialer };
  }
}

/** Whether two batches have the same message objects. */
const areSame = (a: readonly PeerMessage[], b: readonly PeerMessage[]): boolean =>
  a.length === b.length && a.every((message, at) => message === b[at]);
