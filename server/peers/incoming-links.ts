import type { Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import { decodePeerMessage, MalformedMessageError, type MemberId, type PeerMessage } from "../../raft/index.js";
import { type ClusterId, formatId, type Logger, refusalCounter } from "../base/index.js";
import { decodeCalls, isCallsFrame } from "./calls-frame.js";
import { describeForeignProtocol } from "./foreign-protocol.js";
import { FrameError, peerFrameHeaderBytes, PeerFrameReader, writeFrames } from "./frame.js";
import {
  decodeHello,
  encodeHelloAnswer,
  maxHelloBytes,
  peerProtocolVersion,
  keepaliveMs,
  type Hello,
  type HelloRefusal,
} from "./hello.js";
import type { OutgoingLink } from "./outgoing-link.js";
import type { PeerAdmission } from "./peer-admission.js";
import type { PeerStats } from "./peer-stats.js";
import type { PeersListener } from "./peers-listener.js";
import { SocketChannel } from "./socket-channel.js";

/**
 * The maximum size of a message, in bytes: larger than any append, which has one entry of the largest proposal or a batch of
 * small ones.
 */
const maxMessageBytes = 512 * 1024 * 1024;
const handshakeMs = 5_000;

/** The number of logged reasons remembered so that each is logged once. */
const maxLoggedReasons = 16;

/** The log line for a connection without a valid hello. */
const refusedLine = "refused a peer connection";

/** The options of `IncomingLinks`. */
export interface IncomingLinksOptions {
  readonly clusterId: ClusterId;
  readonly self: MemberId;
  readonly incarnations: Pick<PeerAdmission, "admitPeer">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The bound on connections without a valid hello; one more is closed at once. */
  readonly maxUnknownConnections: number;
  readonly stats: PeerStats;
}

/** The connections from peers: one link per peer, where a newer one replaces an older, and connections for snapshots. */
export class IncomingLinks {
  private readonly links = new Map<MemberId, Socket>();
  private readonly snapshots = new Set<Socket>();
  private readonly unknown = new Set<Socket>();
  private readonly countRefused: () => void;
  private readonly loggedReasons: string[] = [];
  private isClosed = false;

  /** @param outgoing the links to the peers; a link is dialled at once when its peer connects */
  constructor(
    private readonly options: IncomingLinksOptions,
    private readonly outgoing: ReadonlyMap<MemberId, Pick<OutgoingLink, "redial">>,
    private readonly listener: PeersListener,
  ) {
    this.countRefused = refusalCounter(options.clock, (count) =>
      options.logger.warn("closed peer connections: too many without a hello", { count }),
    );
  }

  /** Adds a connection that was accepted on the peer port. */
  accept(socket: Socket): void {
    if (this.isClosed || this.unknown.size >= this.options.maxUnknownConnections) {
      if (!this.isClosed) this.countRefused();
      socket.destroy();
      return;
    }
    this.unknown.add(socket);
    socket.setNoDelay(true);
    const cancelHandshake = this.options.clock.after(handshakeMs, () => socket.destroy());
    const reader = new PeerFrameReader(maxHelloBytes);
    let take = (payload: Buffer): void => {
      take = () => undefined; // no frame is read before the answer, nor after a refusal
      void greet(decodeHello(payload));
    };
    const greet = async (hello: Hello | undefined): Promise<void> => {
      const refusal = await this.reasonToRefuse(hello);
      if (socket.destroyed) return;
      if (hello === undefined || refusal !== undefined) {
        this.refuse(socket, hello, refusal);
        return;
      }
      cancelHandshake();
      this.unknown.delete(socket);
      reader.setMaxPayload(maxMessageBytes);
      writeFrames(socket, [encodeHelloAnswer(undefined)]);
      take = hello.purpose === "messages" ? this.addLink(hello.from, socket) : this.addSnapshot(hello.from, socket);
    };
    socket.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk, (payload) => take(payload));
      } catch (error) {
        if (!(error instanceof FrameError || error instanceof MalformedMessageError)) throw error;
        const isUnknown = this.unknown.has(socket);
        const header = error instanceof FrameError && isUnknown ? error.header : undefined;
        const reason = (header && describeForeignProtocol(header)) ?? error.message;
        this.logOnce(isUnknown ? refusedLine : "closed a peer connection", reason);
        socket.destroy();
      }
    });
    socket.on("error", () => undefined); // the event "close" follows and is handled above
    socket.on("close", () => {
      cancelHandshake();
      this.unknown.delete(socket);
    });
  }

  /** Closes all connections. */
  close(): void {
    this.isClosed = true;
    for (const socket of [...this.links.values(), ...this.snapshots, ...this.unknown]) socket.destroy();
  }

  private addLink(from: MemberId, socket: Socket): (payload: Buffer) => void {
    const traffic = this.options.stats.of(from);
    const former = this.links.get(from);
    this.links.set(from, socket);
    former?.destroy();
    const stopKeepalives = this.options.clock.every(keepaliveMs, () => sendKeepalive(socket));
    socket.on("close", () => {
      stopKeepalives();
      if (this.links.get(from) !== socket) return;
      this.links.delete(from);
      this.listener.onLinkClosed(from);
    });
    // Dials back at once: the first message to a peer that has returned does not wait for the next attempt.
    this.outgoing.get(from)?.redial();
    return (payload) => {
      if (this.links.get(from) !== socket) return;
      traffic.receivedBytes += peerFrameHeaderBytes + payload.length;
      try {
        if (isCallsFrame(payload)) this.listener.onCalls(from, decodeCalls(payload));
        else this.onMessage(from, decodePeerMessage(payload));
      } catch (error) {
        if (error instanceof MalformedMessageError) traffic.receivedFailures++;
        throw error;
      }
    };
  }

  private onMessage(from: MemberId, message: PeerMessage): void {
    const { stats, clock } = this.options;
    if (message.kind === "heartbeatReply") stats.of(from).onHeartbeatReply(message.round, clock.now());
    this.listener.onMessage(from, message);
  }

  private addSnapshot(from: MemberId, socket: Socket): (payload: Buffer) => void {
    this.snapshots.add(socket);
    socket.on("close", () => this.snapshots.delete(socket));
    const channel = new SocketChannel(socket, this.options.clock);
    this.listener.onSnapshot(from, channel);
    return (payload) => channel.push(payload);
  }

  private refuse(socket: Socket, hello: Hello | undefined, refusal: HelloRefusal | undefined): void {
    const { reason = "", isStale = false } = refusal ?? {};
    this.logOnce(refusedLine, isStale ? `member ${formatId(hello?.from ?? 0n)} is stale: ${reason}` : reason);
    writeFrames(socket, [encodeHelloAnswer(refusal)]);
    socket.end();
  }

  private logOnce(line: string, reason: string): void {
    if (this.loggedReasons.includes(reason)) return; // the peer redials every second; one line is enough
    this.loggedReasons.push(reason);
    if (this.loggedReasons.length > maxLoggedReasons) this.loggedReasons.shift();
    this.options.logger.warn(line, { reason });
  }

  private async reasonToRefuse(hello: Hello | undefined): Promise<HelloRefusal | undefined> {
    const reason = this.mismatchOf(hello);
    if (hello === undefined || reason !== "") return { reason, isStale: false };
    return this.options.incarnations.admitPeer(hello.from, hello.incarnation);
  }

  /** Returns the reason to refuse a hello by version or ids; empty if there is none. */
  private mismatchOf(hello: Hello | undefined): string {
    if (hello === undefined) return "this is the peer port of a minietcd member: clients use the client port";
    if (hello.version !== peerProtocolVersion)
      return `peer protocol ${hello.version} is not ${peerProtocolVersion}: run the same minietcd on all members`;
    if (hello.clusterId !== this.options.clusterId)
      return `cluster ID mismatch: member ${formatId(hello.from)} is of cluster ${formatId(hello.clusterId)}, this one of ${formatId(this.options.clusterId)}`;
    if (hello.to !== this.options.self)
      return `member ID mismatch: ${formatId(hello.to)} is wanted, this is ${formatId(this.options.self)}`;
    if (hello.from === this.options.self || !this.outgoing.has(hello.from))
      return `member ${formatId(hello.from)} is not another member of this cluster`;
    return "";
  }
}

/** Sends a keepalive unless bytes still wait in the socket: a connection that is not read must not buffer keepalives. */
const sendKeepalive = (socket: Socket): void => {
  if (socket.writableLength === 0) writeFrames(socket, [encodeHelloAnswer(undefined)]);
};
