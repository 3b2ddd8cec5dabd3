// The network between members: connections that carry messages in order until they break, and their faults.

import { crc32 } from "node:zlib";
import { Calls } from "../proto/index.js";
import { decodePeerMessage, encodePeerMessage, type MemberId, type Outgoing, type PeerMessage } from "../raft/index.js";
import type { PeerNetwork } from "../server/member/index.js";
import {
  ChannelClosedError,
  type PeersListener,
  type PeersOptions,
  type HelloRefusal,
  type SnapshotChannel,
} from "../server/peers/index.js";
import type { SeededRandom } from "./random.js";
import type { SimProcess } from "./process.js";
import { SimChannel, type ChannelSide } from "./sim-channel.js";
import type { Timeline } from "./timeline.js";
import type { EventLog } from "./event-log.js";

/** The conditions of the network: delays and faults. */
export interface LinkConditions {
  /** The smallest delay of a message; a random time of up to `maxDelayMs` is added. */
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  /**
   * Probability of loss. A real connection does not lose, repeat or reorder messages, but the core must tolerate it, so some
   * seeds do it.
   */
  readonly loss: number;
  readonly repeat: number;
  readonly reorder: number;
}

/** Conditions without faults: messages take up to a millisecond. */
export const normalConditions: LinkConditions = { minDelayMs: 0.05, maxDelayMs: 1, loss: 0, repeat: 0, reorder: 0 };

/** A direction from one member to another, by name. */
export interface Way {
  readonly from: string;
  readonly to: string;
}

/** A running incarnation of a member to connect to the network. */
export interface Connected {
  readonly name: string;
  readonly process: SimProcess;
  readonly options: PeersOptions;
  /** Called when a message is sent. */
  readonly onSend: (outgoing: Outgoing) => void;
}

interface Endpoint extends Connected {
  /** The receiver of messages; undefined before `open`. */
  listener: PeersListener | undefined;
  isOpen: boolean;
}

/** A connection, over which the dialling member sends. */
interface Link {
  readonly from: Endpoint;
  readonly toId: MemberId;
  /** The incarnation of the other member; undefined: not connected. */
  to: Endpoint | undefined;
  /** The endpoint that was dialled and has not answered. */
  called: Endpoint | undefined;
  /** Called when the first dial was answered or has failed. */
  onTried: () => void;
  /** Deliveries that a blocked direction holds back. */
  stalled: (() => void)[];
  /** Time at which the last message arrives; the next one must not arrive earlier. */
  lastDue: number;
  retryMs: number;
  cancelRetry: () => void;
  missedKeepalives: number;
}

/** First pause before a dial is repeated, as in real links. */
const firstRetryMs = 50;
const longestRetryMs = 1_000;
const keepaliveMs = 1_000;
const maxMissedKeepalives = 3;
/** The longest time until connected members notice the end of a process. */
const maxCloseNoticeMs = 1;

/** The network between simulated members: links and snapshot channels, with delays, losses and cut directions. */
export class SimNetwork {
  conditions: LinkConditions = normalConditions;
  /** Conditions of single directions, by both names; they override the general conditions. */
  private readonly ways = new Map<string, Partial<LinkConditions>>();
  private readonly endpoints = new Map<MemberId, Endpoint>();
  private links: Link[] = [];
  private channels: SimChannel[] = [];
  private readonly cuts = new Set<Way>();

  constructor(
    private readonly scheduler: Timeline,
    private readonly random: SeededRandom,
    private readonly eventLog: Pick<EventLog, "addLine" | "addDetail">,
  ) {
    const look = (): void => {
      for (const link of [...this.links]) this.checkKeepalives(link);
      scheduler.after(keepaliveMs, look);
    };
    scheduler.after(keepaliveMs, look);
  }

  /** Returns the network for one incarnation of a member. */
  connect(member: Connected): PeerNetwork {
    const { options } = member;
    const endpoint: Endpoint = { ...member, listener: undefined, isOpen: true };
    this.endpoints.set(options.self, endpoint);
    return {
      open: async (listener) => {
        endpoint.listener = listener;
        await Promise.all(options.peers.map(({ id }) => this.open(endpoint, id)));
      },
      send: (messages) => this.send(endpoint, messages),
      sendCalls: (to, calls) => this.sendCalls(endpoint, to, calls),
      openSnapshot: (to) => this.openSnapshot(endpoint, to),
      close: () => this.closeEndpoint(endpoint, true),
    };
  }

  // Faults.

  /** Blocks all messages in these directions without closing connections. @returns a function that unblocks them */
  cut(ways: readonly Way[]): () => void {
    const cuts = ways.map(({ from, to }) => ({ from, to }));
    for (const cut of cuts) this.cuts.add(cut);
    return () => {
      for (const cut of cuts) if (this.cuts.delete(cut)) this.goOn(cut);
    };
  }

  /** Tells whether `cut` blocks one of the directions between two members. */
  hasCutBetween(one: string, other: string): boolean {
    return [...this.cuts].some(({ from, to }) => (from === one && to === other) || (from === other && to === one));
  }

  /** Sets the conditions of one direction; undefined: the general conditions apply again. */
  setWay({ from, to }: Way, conditions: Partial<LinkConditions> | undefined): void {
    if (conditions === undefined) this.ways.delete(`${from} ${to}`);
    else this.ways.set(`${from} ${to}`, conditions);
  }

  healAll(): void {
    const cuts = [...this.cuts];
    this.cuts.clear();
    for (const cut of cuts) this.goOn(cut);
  }

  /** Delivers held-back messages, unless another fault blocks the direction. */
  private goOn({ from, to }: Way): void {
    for (const link of this.links)
      if (link.from.name === from && link.to?.name === to)
        for (const arrive of link.stalled.splice(0))
          this.deliverInOrder(link, arrive, this.conditionsOf(link.from, link.to));
    for (const channel of this.channels) channel.goOn();
  }

  /** Breaks both connections between two members; both sides are notified. */
  closeLinks(one: string, other: string): void {
    for (const link of [...this.links]) {
      const names = [link.from.name, link.to?.name];
      if (names.includes(one) && names.includes(other)) this.close(link, true);
    }
    this.cutChannels(({ sides }) => sides.every(({ name }) => name === one || name === other));
  }

  /** A process has died. Its operating system closes the connections, so that connected members notice, except in a power cut. */
  onDied(process: SimProcess, { isNotified }: { readonly isNotified: boolean }): void {
    for (const endpoint of this.endpoints.values())
      if (endpoint.process === process) this.closeEndpoint(endpoint, isNotified);
  }

  private closeEndpoint(endpoint: Endpoint, isNotified: boolean): void {
    if (!endpoint.isOpen) return;
    endpoint.isOpen = false;
    for (const link of this.links.filter(({ from }) => from === endpoint)) {
      link.cancelRetry();
      link.onTried();
      if (link.to !== undefined && isNotified) this.notifyClosed(link.to, endpoint);
    }
    this.links = this.links.filter(({ from }) => from !== endpoint);
    for (const link of this.links) if (link.called === endpoint) this.failLink(link);
    if (!isNotified) return;
    this.cutChannels(({ sides }) => sides.some((side) => side === endpoint));
    for (const link of this.links)
      if (link.to === endpoint && this.passes(endpoint, link.from))
        this.scheduler.after(this.random.next() * maxCloseNoticeMs, () => {
          if (link.to === endpoint) this.close(link, false);
        });
  }

  // Connections.

  /** Opens a link. Resolves when the other member has answered, or could not be reached. */
  private open(from: Endpoint, toId: MemberId): Promise<void> {
    return new Promise((resolve) => {
      const link: Link = {
        from,
        toId,
        to: undefined,
        called: undefined,
        onTried: () => from.process.receive(resolve),
        stalled: [],
        lastDue: 0,
        retryMs: firstRetryMs,
        cancelRetry: () => undefined,
        missedKeepalives: 0,
      };
      this.links.push(link);
      this.dial(link);
    });
  }

  private dial(link: Link): void {
    const { from } = link;
    if (!from.isOpen || link.to !== undefined || link.called !== undefined) return;
    link.cancelRetry();
    const arrives = this.scheduler.after(2 * this.travelMs(this.conditions), () => {
      const to = this.endpoints.get(link.toId);
      if (to !== undefined && from.process.isRunning && this.canReach(from, to)) this.call(link, to);
      else this.failLink(link);
    });
    link.cancelRetry = () => void (arrives.run = undefined);
  }

  /** The other member checks the hello. */
  private call(link: Link, to: Endpoint): void {
    const { self, incarnations } = link.from.options;
    link.called = to;
    to.process.receive(
      () =>
        void to.options.incarnations.admitPeer(self, incarnations.own).then((refusal) => {
          if (link.called !== to || !link.from.isOpen) return;
          if (!this.canReach(link.from, to)) this.failLink(link);
          else if (refusal === undefined) this.onOpened(link, to);
          else this.refuseLink(link, refusal);
        }),
    );
  }

  private refuseLink(link: Link, { reason, isStale }: HelloRefusal): void {
    const { name, process, listener } = link.from;
    this.eventLog.addLine(`${name} is refused: ${reason}`);
    if (isStale) process.receive(() => link.from.isOpen && listener?.onFenced(reason));
    this.failLink(link);
  }

  private failLink(link: Link): void {
    link.called = undefined;
    link.onTried();
    const retry = this.scheduler.after(link.retryMs, () => this.dial(link));
    link.cancelRetry = () => void (retry.run = undefined);
    link.retryMs = Math.min(2 * link.retryMs, longestRetryMs);
  }

  private onOpened(link: Link, to: Endpoint): void {
    link.to = to;
    link.called = undefined;
    link.retryMs = firstRetryMs;
    link.missedKeepalives = 0;
    link.from.process.receive(() => link.to === to && link.from.listener?.onLinkOpened(link.toId));
    link.onTried();
    this.eventLog.addDetail(`${link.from.name} is connected to ${to.name}`);
    // A dialled member dials back at once, if its own link is down.
    const back = this.links.find(({ from, toId }) => from === to && toId === link.from.options.self);
    if (back !== undefined && back.to === undefined) this.dial(back);
  }

  /** Closes a link. @param bothKnow whether the other side is notified, too, if it can be reached */
  private close(link: Link, bothKnow: boolean): void {
    const { from, to } = link;
    if (to === undefined) return;
    this.eventLog.addDetail(`the connection from ${from.name} to ${to.name} closes`);
    link.to = undefined;
    link.stalled = [];
    from.process.receive(() => from.isOpen && from.listener?.onLinkClosed(to.options.self));
    if (bothKnow) this.notifyClosed(to, from);
    const retry = this.scheduler.after(link.retryMs, () => this.dial(link));
    link.cancelRetry = () => void (retry.run = undefined);
  }

  private notifyClosed(to: Endpoint, from: Endpoint): void {
    if (!this.passes(from, to)) return;
    this.scheduler.after(this.random.next() * maxCloseNoticeMs, () =>
      to.process.receive(() => to.isOpen && to.listener?.onLinkClosed(from.options.self)),
    );
  }

  /** The dialled side sends a keepalive every second; the dialling side counts missing ones. */
  private checkKeepalives(link: Link): void {
    const { from, to } = link;
    if (to === undefined || !from.process.isRunning) return;
    const isReceived = to.isOpen && to.process.isRunning && this.passes(to, from);
    link.missedKeepalives = isReceived ? 0 : link.missedKeepalives + 1;
    if (link.missedKeepalives > maxMissedKeepalives) this.close(link, true);
  }

  private passes(from: ChannelSide, to: ChannelSide): boolean {
    for (const cut of this.cuts) if (cut.from === from.name && cut.to === to.name) return false;
    return true;
  }

  /** Whether a dial from one member would reach the other, and the answer would come back. */
  private canReach(from: Endpoint, to: Endpoint): boolean {
    return to.isOpen && to.process.isRunning && this.passes(from, to) && this.passes(to, from);
  }

  // Snapshots.

  private async openSnapshot(from: Endpoint, toId: MemberId): Promise<SnapshotChannel> {
    await from.process.sleep(2 * this.travelMs(this.conditions));
    const to = this.endpoints.get(toId);
    if (to === undefined || !this.canReach(from, to)) throw new ChannelClosedError("peer is unreachable");
    const channel = new SimChannel(
      this.scheduler,
      [from, to],
      (one, other) => this.passes(one, other),
      (one, other) => this.travelMs(this.conditionsOf(one, other)),
    );
    this.channels.push(channel);
    this.eventLog.addDetail(`${from.name} has a channel to ${to.name} for a snapshot`);
    to.process.receive(() => to.isOpen && to.listener?.onSnapshot(from.options.self, channel.accepted));
    return channel.dialled;
  }

  private cutChannels(isMeant: (channel: SimChannel) => boolean): void {
    for (const channel of this.channels) if (isMeant(channel)) channel.cut();
    this.channels = this.channels.filter(({ isCut }) => !isCut);
  }

  // Messages.

  private send(from: Endpoint, messages: readonly Outgoing[]): void {
    for (const outgoing of messages) {
      const { to, message } = outgoing;
      const bytes = encodePeerMessage(message);
      this.transmit(from, to, describe(message, bytes), ({ listener }) =>
        listener?.onMessage(from.options.self, decodePeerMessage(bytes)),
      );
      from.onSend(outgoing);
    }
  }

  private sendCalls(from: Endpoint, to: MemberId, calls: Calls): void {
    const bytes = Calls.encode(calls).finish();
    this.transmit(from, to, `calls ${crc32(bytes)}`, ({ listener }) =>
      listener?.onCalls(from.options.self, Calls.decode(bytes)),
    );
  }

  private transmit(from: Endpoint, toId: MemberId, what: string, deliver: (to: Endpoint) => void): void {
    const link = this.links.find((each) => each.from === from && each.toId === toId);
    const to = link?.to;
    if (link === undefined || to === undefined) return; // no connection: the message is lost
    const arrive = (): void => {
      if (link.to !== to) return; // the connection has broken meanwhile
      if (!this.passes(from, to)) link.stalled.push(arrive);
      else if (!to.isOpen) this.onRefusedConnection(link, to);
      else
        to.process.receive(() => {
          if (!to.isOpen) return;
          this.eventLog.addDetail(`${from.name}→${to.name} ${what}`);
          deliver(to);
        });
    };
    const conditions = this.conditionsOf(from, to);
    const { loss, repeat, reorder } = conditions;
    if (loss > 0 && this.random.chance(loss)) return;
    if (reorder > 0 && this.random.chance(reorder)) this.scheduler.after(2 * this.travelMs(conditions), arrive);
    else this.deliverInOrder(link, arrive, conditions);
    if (repeat > 0 && this.random.chance(repeat)) this.scheduler.after(2 * this.travelMs(conditions), arrive);
  }

  /** Delivers after all earlier messages. */
  private deliverInOrder(link: Link, arrive: () => void, conditions: LinkConditions): void {
    link.lastDue = Math.max(link.lastDue, this.scheduler.now + this.travelMs(conditions));
    this.scheduler.after(link.lastDue - this.scheduler.now, arrive);
  }

  /** The machine runs again, and has no such connection: it refuses the messages. */
  private onRefusedConnection(link: Link, former: Endpoint): void {
    const now = this.endpoints.get(link.toId);
    if (now !== former && now?.isOpen === true && this.passes(now, link.from)) this.close(link, false);
  }

  private conditionsOf(from: ChannelSide, to: ChannelSide): LinkConditions {
    const own = this.ways.size > 0 ? this.ways.get(`${from.name} ${to.name}`) : undefined;
    return own === undefined ? this.conditions : { ...this.conditions, ...own };
  }

  /** Draws the delay of a message between members. */
  private travelMs({ minDelayMs, maxDelayMs }: LinkConditions): number {
    return minDelayMs + this.random.next() * maxDelayMs;
  }
}

/** Returns a short text that differs for different messages. */
const describe = (message: PeerMessage, bytes: Uint8Array): string => {
  const term = "term" in message ? ` term ${message.term}` : "";
  const entries = message.kind === "append" ? ` ${message.prevIndex}+${message.entries.length}` : "";
  return `${message.kind}${term}${entries} #${crc32(bytes).toString(16)}`;
};
