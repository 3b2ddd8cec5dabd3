import type { CallRequest, CallResponse, Calls } from "../../proto/index.js";
import type { Clock } from "../../platform/index.js";
import type { MemberId } from "../../raft/index.js";
import { LeaderCalls, type LeaderStatus, type RequestSender } from "./leader-calls.js";
import {
  type CallServer,
  type LeaderRequest,
  type LeaderResponse,
  type LeaderResponseSender,
  ServedCalls,
} from "./served-calls.js";

/** The options of `PeerCalls`. */
export interface PeerCallsOptions {
  readonly self: MemberId;
  /** The number of this incarnation, greater than every earlier one. */
  readonly incarnation: number;
  /** The deadline of a call, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Sends frames of calls to members, which may be lost; `Peers` implements it. */
export interface CallsSender {
  sendCalls(to: MemberId, calls: Calls): void;
}

/** The numbers reserved for the calls of one incarnation; the next incarnation starts behind them. */
const callsPerIncarnation = 2 ** 32;

interface Outbox {
  requests: CallRequest[];
  responses: CallResponse[];
}

/** Calls between members, both sides: all calls and responses to a member in one turn of the event loop share a frame. */
export class PeerCalls implements RequestSender, LeaderResponseSender {
  /** The client side: calls of this member to its leader. */
  readonly leader: LeaderCalls;
  private readonly served: ServedCalls;
  private readonly outboxes = new Map<MemberId, Outbox>();

  /** @param server serves the calls of members while this member leads */
  constructor(
    private readonly options: PeerCallsOptions,
    server: CallServer,
    private readonly peers: CallsSender,
  ) {
    const { incarnation, timeoutMs, clock } = options;
    this.leader = new LeaderCalls({ timeoutMs, clock, firstNumber: incarnation * callsPerIncarnation }, this);
    this.served = new ServedCalls(server, this);
  }

  /** Sends a request with the other calls of this turn. */
  sendRequest(to: MemberId, number: number, request: LeaderRequest): void {
    if (to === this.options.self) this.served.onRequest(to, number, request);
    else this.outboxFor(to).requests.push({ number: BigInt(number), request });
  }

  /** Sends a response with the other calls of this turn. */
  sendResponse(to: MemberId, number: number, response: LeaderResponse): void {
    if (to === this.options.self) this.leader.onResponse(number, response);
    else this.outboxFor(to).responses.push({ number: BigInt(number), response });
  }

  /** Handles calls and responses of a peer. */
  onCalls(from: MemberId, { requests, responses }: Calls): void {
    this.served.onRequests(from, requests);
    for (const { number, response } of responses)
      if (response !== undefined) this.leader.onResponse(Number(number), response);
  }

  /** Handles a change of leader or term. */
  onLeaderChange(status: LeaderStatus): void {
    this.leader.onLeaderChange(status);
  }

  /** Retransmits the pending calls: there is a new link to the leader. */
  onLeaderReachable(): void {
    this.leader.onLeaderReachable();
  }

  /** Drops the calls of a peer whose link closed: the peer retransmits them. */
  onLinkClosed(peer: MemberId): void {
    this.served.onLinkClosed(peer);
  }

  /** Fails the pending calls. */
  stop(): void {
    this.leader.stop();
  }

  private outboxFor(to: MemberId): Outbox {
    let outbox = this.outboxes.get(to);
    if (outbox === undefined) {
      outbox = { requests: [], responses: [] };
      this.outboxes.set(to, outbox);
      this.options.clock.soon(() => this.flush(to));
    }
    return outbox;
  }

  private flush(to: MemberId): void {
    const outbox = this.outboxes.get(to);
    this.outboxes.delete(to);
    if (outbox !== undefined) this.peers.sendCalls(to, outbox);
  }
}
