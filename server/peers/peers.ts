import type { Socket } from "node:net";
import type { Calls } from "../../proto/index.js";
import type { Clock } from "../../platform/index.js";
import { encodePeerMessage, type MemberId, type Outgoing, type PeerMessage, type Transport } from "../../raft/index.js";
import {
  type Address,
  type ClusterId,
  formatId,
  type Logger,
  maxUnknownPeerConnections,
  refusalCounter,
} from "../base/index.js";
import { ChannelClosedError, type SnapshotChannel } from "./channel.js";
import { encodeCalls } from "./calls-frame.js";
import type { DialOptions } from "./dial.js";
import type { Incarnation, Refusal } from "./hello.js";
import { IncomingLinks } from "./incoming-links.js";
import { OutgoingLink } from "./outgoing-link.js";
import { SnapshotConnections } from "./snapshot-connection.js";

/** Another member and its peer addresses. */
export interface Peer {
  readonly id: MemberId;
  readonly addresses: readonly Address[];
}

/** The options of `Peers`. */
export interface PeersOptions {
  readonly clusterId: ClusterId;
  readonly self: MemberId;
  /** The incarnation of this member. */
  readonly incarnation: Incarnation;
  /** The other members. */
  readonly peers: readonly Peer[];
  /** Admits a peer's incarnation, durably, or returns a refusal. */
  readonly admitPeer: (member: MemberId, incarnation: Incarnation) => Promise<Refusal | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The bound on connections without a valid hello; one more is closed at once. `maxUnknownPeerConnections` by default. */
  readonly maxUnknownConnections?: number;
  /** Reports a consensus message. */
  readonly onMessage: (from: MemberId, message: PeerMessage) => void;
  /** Reports calls of a peer, or responses to calls of this member. */
  readonly onCalls: (from: MemberId, calls: Calls) => void;
  /** Reports a channel over which a peer will send a snapshot. */
  readonly onSnapshot: (from: MemberId, channel: SnapshotChannel) => void;
  /** Reports that a peer refused this member as stale: it must stop. */
  readonly onFenced: (reason: string) => void;
  /** Reports that the link to a peer is established; earlier messages may be lost. */
  readonly onLinkOpened: (peer: MemberId) => void;
  /** Reports that the link to or from a peer closed. */
  readonly onLinkClosed: (peer: MemberId) => void;
}

/** The number of refusal reasons remembered so that each is logged once. */
const maxLoggedReasons = 16;

/** The connections to all peers. Each pair has two: a member sends over the one it dialled. */
export class Peers implements Transport {
  private readonly incoming: IncomingLinks;
  private readonly outgoing = new Map<MemberId, OutgoingLink>();
  private readonly batches = new Map<MemberId, PeerMessage[]>();

  private readonly snapshots = new SnapshotConnections();

  constructor(private readonly options: PeersOptions) {
    const { clusterId, self, admitPeer, clock, logger, onLinkClosed } = options;
    const lastRefusal = new Map<MemberId, string>();
    const logged: string[] = [];
    this.incoming = new IncomingLinks({
      clusterId,
      self,
      isMember: (id) => this.outgoing.has(id),
      admitPeer,
      clock,
      maxUnknownConnections: options.maxUnknownConnections ?? maxUnknownPeerConnections,
      onTooManyUnknown: refusalCounter(clock, (count) =>
        logger.warn("closed peer connections: too many without a hello", { count }),
      ),
      onMessage: options.onMessage,
      onCalls: options.onCalls,
      onSnapshot: options.onSnapshot,
      // Dials back at once: the first message to a peer that has returned does not wait for the next attempt.
      onOpened: (id) => this.outgoing.get(id)?.redial(),
      onClosed: onLinkClosed,
      onRefused: (reason) => {
        if (logged.includes(reason)) return; // the peer retries every second; one line is enough
        logged.push(reason);
        if (logged.length > maxLoggedReasons) logged.shift();
        logger.warn("refused a peer connection", { reason });
      },
    });
    for (const { id, addresses } of options.peers) {
      const link = new OutgoingLink({
        ...this.dialOptionsFor(id),
        addresses,
        onOpened: () => {
          lastRefusal.delete(id);
          options.onLinkOpened(id);
        },
        onClosed: () => onLinkClosed(id),
        onRefused: ({ reason, isStale }) => {
          if (isStale) options.onFenced(reason);
          if (lastRefusal.get(id) === reason) return; // the link is dialled every second; one line is enough
          lastRefusal.set(id, reason);
          logger.warn("peer refused connection", { peer: formatId(id), reason });
        },
      });
      this.outgoing.set(id, link);
      this.batches.set(id, []);
    }
  }

  /** Starts dialling. Resolves once each peer has answered or could not be reached. */
  async open(): Promise<void> {
    const links = [...this.outgoing.values()];
    for (const link of links) link.open();
    await Promise.all(links.map(({ whenTried }) => whenTried));
  }

  /** Adds a connection that was accepted on the peer port. */
  accept(socket: Socket): void {
    this.incoming.accept(socket);
  }

  /** Sends consensus messages; without a link they are dropped. */
  send(messages: readonly Outgoing[]): void {
    if (messages.length === 0) return;
    for (const { to, message } of messages) this.batches.get(to)?.push(message);
    for (const [id, batch] of this.batches) {
      if (batch.length === 0) continue;
      this.outgoing.get(id)?.send(batch.map(encodePeerMessage));
      batch.length = 0;
    }
  }

  /** Sends calls or responses; without a link they are dropped. */
  sendCalls(to: MemberId, calls: Calls): void {
    this.outgoing.get(to)?.send([encodeCalls(calls)]);
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
    this.incoming.close();
  }

  private dialOptionsFor(to: MemberId): DialOptions {
    const { clusterId, self, incarnation, clock } = this.options;
    return { clusterId, from: self, incarnation, to, clock };
  }
}
