// All renewals of a client, on one stream.
import {
  LeaseDefinition,
  counterFromResponse,
  type LeaseKeepAliveRequest,
  type LeaseKeepAliveResponse,
} from "../../proto/index.js";
import {
  type Clock,
  type Endpoints,
  LastingStream,
  type LastingStreamEvents,
  streamMethod,
} from "../transport/index.js";

const keepAlive = streamMethod(LeaseDefinition, LeaseDefinition.methods.leaseKeepAlive);

/** A lease that is being renewed, as the stream sees it; `Renewals` implements it. */
export interface RenewedLease {
  readonly id: bigint;
  /** A new stream is open; renewals that were sent on the previous stream will not be answered. */
  onOpen(): void;
  /** The oldest unanswered `renew` is answered. @param ttlSeconds 0: there is no such lease */
  onRenewed(ttlSeconds: number): void;
  /** The stream has failed for good. */
  onFailure(error: Error): void;
}

/** The stream of all keep-alives of a client; a lease is renewed from `add` to `remove`. */
export class LeaseStream implements LastingStreamEvents<LeaseKeepAliveResponse> {
  private readonly stream: LastingStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;
  private readonly leases = new Set<RenewedLease>();
  /** Unanswered renewals by lease: servers answer in order. */
  private readonly asked = new Map<bigint, RenewedLease[]>();

  constructor(private readonly endpoints: Endpoints) {
    this.stream = new LastingStream(endpoints, keepAlive, this);
  }

  onOpen(): void {
    this.asked.clear();
    for (const each of [...this.leases]) each.onOpen();
  }

  onMessage({ ID, TTL }: LeaseKeepAliveResponse): void {
    const asked = this.asked.get(ID);
    const each = asked?.shift();
    if (asked?.length === 0) this.asked.delete(ID);
    if (each !== undefined && this.leases.has(each)) each.onRenewed(counterFromResponse(TTL));
  }

  onFailure(error: Error): void {
    for (const each of [...this.leases]) each.onFailure(error);
  }

  get clock(): Clock {
    return this.endpoints.clock;
  }

  /** Timeout of an answer, in milliseconds, if the lease does not expire earlier. */
  get answerTimeoutMs(): number {
    return this.endpoints.settings.requestTimeoutMs;
  }

  add(lease: RenewedLease): void {
    this.leases.add(lease);
    this.stream.start();
  }

  /** May be called twice. */
  remove(lease: RenewedLease): void {
    if (!this.leases.delete(lease)) return;
    if (this.leases.size === 0) this.stream.stop();
  }

  /** Requests a renewal. @returns whether the request was sent: not without a connection to a server */
  renew(lease: RenewedLease): boolean {
    if (!this.stream.isOpen) return false;
    const asked = this.asked.get(lease.id);
    if (asked === undefined) this.asked.set(lease.id, [lease]);
    else asked.push(lease);
    this.stream.send({ ID: lease.id });
    return true;
  }

  leaveServer(reason: string): void {
    this.stream.leaveServer(reason);
  }
}
