import type { Socket } from "node:net";
import type { Calls } from "../../proto/index.js";
import type { Clock } from "../../platform/index.js";
import { encodePeerMessage, type MemberId, type Outgoing, type PeerMessage, type Transport } from "../../raft/index.js";
import { type Address, formatId, type Logger, maxUnknownPeerConnections, refusalCounter } from "../base/index.js";
import { ChannelClosedError, type SnapshotChannel } from "./channel.js";
import { encodeCalls } from "./calls-frame.js";
import type { DialOptions } from "./dial.js";
import type { Incarnation, Refusal } from "./hello.js";
import { IncomingLinks } from "./incoming-links.js";
import { OutgoingLink } from "./outgoing-link.js";
import { SnapshotConnections } from "./snapshot-connection.js";

export interface Peer {
  readonly id: MemberId;
  readonly addresses: readonly Address[];
}

export interface PeersOptions {
  readonly clusterId: bigint;
  readonly self: MemberId;
  /** Which incarnation of this member speaks. */
  readonly incarnation: Incarnation;
  /** The other members. */
  readonly peers: readonly Peer[];
  /** Whether a member may be heard in that incarnation, or why not; it is remembered then. */
  readonly admitPeer: (member: MemberId, incarnation: Incarnation) => Promise<Refusal | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Connections that have not said who they are; one more is closed at once. Absent: the most there are anywhere. */
  readonly maxUnknownConnections?: number;
  readonly onMessage: (from: MemberId, message: PeerMessage) => void;
  /** What members ask of each other beside consensus. */
  readonly onCalls: (from: MemberId, calls: Calls) => void;
  /** A member has opened a connection of its own to send a snapshot. */
  readonly onSnapshot: (from: MemberId, channel: SnapshotChannel) => void;
  /** A member knows better what this one has promised: it must take no part any more. */
  readonly onFenced: (reason: string) => void;
  /** Messages to the member have a way to go; what was sent before may have been lost. */
  readonly onLinkOpened: (peer: MemberId) => void;
  /** A connection to or from the member closed: it is gone, or the way to it is. */
  readonly onLinkClosed: (peer: MemberId) => void;
}

/** Reasons to refuse a connection that are not logged again; with one more, the oldest may be. */
const maxLoggedReasons = 16;

/** All connections to other members. Each pair has two: a member speaks over the one it dialled. */
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
        logger.warn("closed peer connections at once: too many have not said hello", { count }),
      ),
      onMessage: options.onMessage,
      onCalls: options.onCalls,
      onSnapshot: options.onSnapshot,
      // A member that was away is heard, and hears, at once: its first heartbeat does not wait for our next attempt.
      onOpened: (id) => this.outgoing.get(id)?.redial(),
      onClosed: onLinkClosed,
      onRefused: (reason) => {
        if (logged.includes(reason)) return; // it comes back every second; one line is enough
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
          if (lastRefusal.get(id) === reason) return; // it is asked every second; one line is enough
          lastRefusal.set(id, reason);
          logger.warn("a member refuses to talk to this one", { peer: formatId(id), reason });
        },
      });
      this.outgoing.set(id, link);
      this.batches.set(id, []);
    }
  }

  /** Starts dialling. Resolves once each of the others has answered, or cannot be reached at present. */
  async open(): Promise<void> {
    const links = [...this.outgoing.values()];
    for (const link of links) link.open();
    await Promise.all(links.map(({ whenTried }) => whenTried));
  }

  accept(socket: Socket): void {
    this.incoming.accept(socket);
  }

  send(messages: readonly Outgoing[]): void {
    if (messages.length === 0) return;
    for (const { to, message } of messages) this.batches.get(to)?.push(message);
    for (const [id, batch] of this.batches) {
      if (batch.length === 0) continue;
      this.outgoing.get(id)?.send(batch.map(encodePeerMessage));
      batch.length = 0;
    }
  }

  /** Lost if there is no connection. */
  sendCalls(to: MemberId, calls: Calls): void {
    this.outgoing.get(to)?.send([encodeCalls(calls)]);
  }

  /** @throws ChannelClosedError */
  async openSnapshot(to: MemberId): Promise<SnapshotChannel> {
    const addresses = this.options.peers.find(({ id }) => id === to)?.addresses;
    if (addresses === undefined) throw new ChannelClosedError(`${formatId(to)} is not another member`);
    return this.snapshots.open(addresses, this.dialOptionsFor(to));
  }

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
