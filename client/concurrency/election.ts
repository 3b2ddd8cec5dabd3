// Elections: one leader at a time, with a value that the leader proclaims and all can read.
import { EtcdError, LeavableIterator, onAbort, settleQuietly, type RequestOptions } from "../transport/index.js";
import { type Bytes, type KeyValue, toBytes } from "../kv/index.js";
import type { Lease } from "../lease/index.js";
import { byAge, Line, type LineServices } from "./line.js";
import { Holder, takeFirstPlace, type FirstPlace, type PlaceOptions } from "./first-place.js";

/** Options of `Election.campaign`. */
export type CampaignOptions = PlaceOptions;

/** The leadership of an election that was won: `await using leadership = await client.election("/jobs").campaign("me")`. */
export class Leadership extends Holder implements AsyncDisposable {
  constructor(
    private readonly services: LineServices,
    place: FirstPlace,
  ) {
    super(place);
  }

  /** Proclaims a new value. @throws EtcdError "failed-precondition" if this candidate is no longer the leader */
  async proclaim(value: Bytes, options: RequestOptions = {}): Promise<void> {
    const put = { op: "put", key: this.key, value, lease: this.place.lease.id } as const;
    const { succeeded } = await this.services.kv.txn({ compare: [this.condition], success: [put] }, options);
    // The text is etcd's.
    if (!succeeded) throw new EtcdError("failed-precondition", "election: not leader", "failed");
  }

  /** Resigns, so that the next candidate leads. May be called twice, and again after a failure. @throws EtcdError if no server answers */
  resign(): Promise<void> {
    return this.place.leaveQueue();
  }

  /** Resigns. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.resign();
  }
}

/** An election under a name. Go's `concurrency.Election` and etcd's Election service can take part under the same name. */
export class Election {
  private readonly line: Line;

  constructor(
    private readonly services: LineServices & { readonly lease: Lease },
    name: Bytes,
  ) {
    this.line = new Line(services, name);
  }

  /**
   * Waits until this candidate leads; candidates lead in the order of their campaigns.
   *
   * @param value the value to proclaim, such as an address
   * @throws LeaseLostError if the lease is lost first, EtcdError "cancelled" or "deadline-exceeded" if waiting is given up
   */
  async campaign(value: Bytes, options: CampaignOptions = {}): Promise<Leadership> {
    const place = await takeFirstPlace(this.services.lease, this.line, value, options);
    const leadership = new Leadership(this.services, place);
    // If the lease had a place already, its key still has the earlier value.
    if (!areSameBytes(place.ownPlace.value, toBytes(value))) await this.restate(leadership, value, options);
    return leadership;
  }

  /** Reads the leader's key with its proclaimed value; undefined if there is no leader. */
  async leader(options: RequestOptions = {}): Promise<KeyValue | undefined> {
    return (await this.services.kv.get(this.line.prefix, { ...byAge, ...options })).kvs[0];
  }

  /**
   * Yields the key of the current leader, then each new value that the leader proclaims, and each new leader. While there is no
   * leader, nothing is yielded. If changes were compacted before they were read, it continues with the current leader. Leaving
   * the loop ends it.
   */
  observe({ signal }: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<KeyValue, void, void> {
    const ending = new AbortController();
    const abort = () => ending.abort(signal?.reason);
    const leaders = this.leaders(ending.signal);
    const take = async () => (await leaders.next()).value ?? undefined;
    const leave = () => {
      stopListening();
      ending.abort();
    };
    const stopListening = onAbort(signal, abort);
    return new LeavableIterator(take, leave);
  }

  private async *leaders(signal: AbortSignal): AsyncGenerator<KeyValue, void, void> {
    let after: number | undefined; // undefined: start with the current leader
    for (;;) {
      try {
        const { kv, revision } = await this.line.first(after, signal);
        const leader = kv ?? (await this.nextCandidate(revision + 1, signal));
        yield leader;
        const startRevision = Math.max(revision, leader.modRevision) + 1;
        for await (const { type, kv } of this.services.watch(leader.key, { startRevision, signal })) {
          after = kv.modRevision;
          if (type === "delete") break;
          yield kv;
        }
      } catch (error) {
        if (!(error instanceof EtcdError && error.code === "out-of-range")) throw error;
        after = undefined;
      }
    }
  }

  /** Proclaims a new value. Resigns if that fails, because `campaign` fails then. */
  private async restate(leadership: Leadership, value: Bytes, { signal }: CampaignOptions): Promise<void> {
    try {
      await leadership.proclaim(value, { signal });
    } catch (error) {
      await settleQuietly(leadership.resign());
      throw error;
    }
  }

  private async nextCandidate(startRevision: number, signal: AbortSignal | undefined): Promise<KeyValue> {
    const options = { prefix: true, only: "put", startRevision, signal } as const;
    for await (const { kv } of this.services.watch(this.line.prefix, options)) return kv;
    throw new EtcdError("cancelled", "The watch was closed", "failed");
  }
}

const areSameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
