import type { CallRequest, CallResponse, Calls } from "../../proto/index.js";
import type { Clock } from "../../platform/index.js";
import type { MemberId } from "../../raft/index.js";
import { LeaderCalls, type LeaderStatus } from "./leader-calls.js";
import { ServedCalls, type Serve } from "./served-calls.js";

export interface PeerCallsOptions {
  readonly self: MemberId;
  /** Grows with each start of this member. */
  readonly incarnation: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Answers while this member leads. */
  readonly serve: Serve;
  /** Sends to another member; may lose it. */
  readonly send: (to: MemberId, calls: Calls) => void;
}

/** Calls that one life of a member can make; the next one begins behind them. */
const callsPerIncarnation = 2 ** 32;

interface Outbox {
  requests: CallRequest[];
  responses: CallResponse[];
}

/** What this member asks its leader, and what others ask it: what is said to a member in one turn of the loop is one frame. */
export class PeerCalls {
  /** What this member asks. */
  readonly leader: LeaderCalls;
  private readonly served: ServedCalls;
  private readonly outboxes = new Map<MemberId, Outbox>();

  constructor(private readonly options: PeerCallsOptions) {
    const { self, incarnation, timeoutMs, clock, serve } = options;
    this.leader = new LeaderCalls({
      timeoutMs,
      clock,
      firstNumber: incarnation * callsPerIncarnation,
      send: (to, number, request) => {
        if (to === self) this.served.onRequest(self, number, request);
        else this.outboxFor(to).requests.push({ number: BigInt(number), request });
      },
    });
    this.served = new ServedCalls({
      serve,
      send: (to, number, response) => {
        if (to === self) this.leader.onResponse(number, response);
        else this.outboxFor(to).responses.push({ number: BigInt(number), response });
      },
    });
  }

  onReceived(from: MemberId, { requests, responses }: Calls): void {
    for (const { number, request } of requests)
      if (request !== undefined) this.served.onRequest(from, Number(number), request);
    for (const { number, response } of responses)
      if (response !== undefined) this.leader.onResponse(Number(number), response);
  }

  onLeaderChanged(status: LeaderStatus): void {
    this.leader.onLeaderChanged(status);
  }

  onLeaderReachable(): void {
    this.leader.onLeaderReachable();
  }

  /** A connection to or from the member closed: what it asked it asks again. */
  onLinkClosed(peer: MemberId): void {
    this.served.onLinkClosed(peer);
  }

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
    if (outbox !== undefined) this.options.send(to, outbox);
  }
}
