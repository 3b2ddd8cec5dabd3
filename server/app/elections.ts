import {
  type CampaignRequest,
  type CampaignResponse,
  KeyValue,
  type LeaderKey,
  type LeaderRequest,
  type ProclaimRequest,
  type ProclaimResponse,
  type RawEvent,
  type RequestOp,
  type ResignRequest,
  type ResignResponse,
} from "../../proto/index.js";
import { type Answer, leaseIdFrom, type Revision } from "../../store/index.js";
import { type Caller, ServerError } from "../base/index.js";
import { EventWatch } from "./event-watch.js";
import { deletionOf, firstOf, type KeyQueue, type Place, type QueuedCall, queueInterval } from "./key-queue.js";

/** The leader's key and value, with the revision of the read. */
export interface ElectedLeader {
  readonly kv: KeyValue;
  readonly revision: Revision;
}

/** Receives the leaders of an election and their proclaimed values. */
export interface LeaderReceiver {
  onLeader(leader: ElectedLeader): void;
  /** Whether there is room for more; if not, the receiver calls `ElectionObservation.resume` later. */
  hasRoom(): boolean;
}

/** etcd's Election: a queue of keys. The owner of the first key is the leader; the key's value is what the leader proclaims. */
export class Elections {
  constructor(private readonly queue: KeyQueue) {}

  /** Waits until elected. A canceled call leaves the election. */
  async campaign(call: QueuedCall, request: CampaignRequest): Promise<Answer<CampaignResponse>> {
    const { name, lease, value } = request;
    const place = await this.queue.enter(call.caller, name, leaseIdFrom(lease), value);
    try {
      if (place.found !== undefined && Buffer.compare(place.found, value) !== 0)
        await this.change(call.caller, place, putOf(place, value));
      await this.queue.whenFirst(call, name, place);
    } catch (error) {
      await this.queue.leave(call.caller, place);
      throw error;
    }
    const leader: LeaderKey = { name, key: place.key, rev: place.revision, lease: place.lease };
    return { response: { header: undefined, leader }, revision: place.takenAt };
  }

  /**
   * Changes the value of the leader's key.
   *
   * @throws ServerError `not-elected` if the key does not exist, or was created by another campaign
   */
  async proclaim(caller: Caller, { leader, value }: ProclaimRequest): Promise<Answer<ProclaimResponse>> {
    const { key, rev, lease } = requireLeaderKey(leader);
    const place = { key, revision: rev, lease: lease === 0n ? await this.queue.grant(caller) : leaseIdFrom(lease) };
    const revision = await this.change(caller, place, putOf(place, value));
    return { response: { header: undefined }, revision };
  }

  /** Deletes the leader's key, if it exists. */
  async resign(caller: Caller, { leader }: ResignRequest): Promise<Answer<ResignResponse>> {
    const { key, rev } = requireLeaderKey(leader);
    const { revision } = await this.queue.changeIf(caller, key, rev, deletionOf(key));
    return { response: { header: undefined }, revision };
  }

  /** Reads the leader. @throws ServerError `no-elected-leader` */
  async leader(caller: Caller, { name }: LeaderRequest): Promise<ElectedLeader> {
    const { response, revision } = await this.queue.readFirst(caller, name);
    const kv = firstOf(response);
    if (kv === undefined) throw new ServerError("no-elected-leader", "there is no candidate");
    return { kv, revision };
  }

  /** Sends the leader, each later leader and each proclaimed value to `observer`. */
  observe(call: QueuedCall, request: LeaderRequest, observer: LeaderReceiver): ElectionObservation {
    return new ElectionObservation(this.queue, call, request.name, observer);
  }

  private async change(
    caller: Caller,
    { key, revision }: Pick<Place, "key" | "revision">,
    change: RequestOp,
  ): Promise<Revision> {
    const changed = await this.queue.changeIf(caller, key, revision, change);
    if (!changed.isDone) throw new ServerError("not-elected", "the key is no longer the leader's");
    return changed.revision;
  }
}

/** An observer of an election, until its call ends. */
export class ElectionObservation {
  /** Rejects with the error that ends the observation. */
  readonly whenOver: Promise<never>;
  private watch: EventWatch | undefined;

  constructor(
    private readonly queue: KeyQueue,
    private readonly call: QueuedCall,
    private readonly name: Uint8Array,
    private readonly observer: LeaderReceiver,
  ) {
    this.whenOver = this.run();
  }

  /** Continues after the observer had no room. */
  resume(): void {
    this.watch?.resume();
  }

  private async run(): Promise<never> {
    this.queue.count(this.call.signal);
    for (;;) {
      const { response, revision } = await this.queue.readFirst(this.call.caller, this.name);
      const kv = firstOf(response);
      const leader = kv === undefined ? await this.whenCandidate(revision) : { kv, revision };
      this.call.signal.throwIfAborted();
      if (leader === undefined) continue; // a compaction removed the revision where the watch starts
      this.observer.onLeader(leader);
      await this.sendValues(leader);
    }
  }

  /** Waits for the first candidate. */
  private async whenCandidate(after: number): Promise<ElectedLeader | undefined> {
    let candidate: ElectedLeader | undefined;
    const takeEvent = (event: RawEvent): boolean => {
      if (event.type !== eventType.put) return false;
      candidate = leaderOf(event);
      return true;
    };
    await this.watchUntil(takeEvent, { ...queueInterval(this.name), startRevision: BigInt(after + 1) });
    return candidate;
  }

  /** Sends the values of a leader until its key is deleted. */
  private sendValues({ kv: { key }, revision }: ElectedLeader): Promise<void> {
    const takeEvent = (event: RawEvent): boolean => {
      if (event.type === eventType.delete) return true;
      this.observer.onLeader(leaderOf(event));
      return false;
    };
    return this.watchUntil(takeEvent, { key, startRevision: BigInt(revision + 1) });
  }

  private watchUntil(
    takeEvent: (event: RawEvent) => boolean,
    request: Parameters<KeyQueue["watch"]>[2],
  ): Promise<void> {
    this.watch = new EventWatch({ hasRoom: () => this.observer.hasRoom(), takeEvent });
    return this.queue.watch(this.call, this.watch, request);
  }
}

const eventType = { put: 0, delete: 1 } as const;

const leaderOf = ({ kv: bytes }: RawEvent): ElectedLeader => {
  const kv = KeyValue.decode(bytes);
  return { kv, revision: Number(kv.modRevision) as Revision };
};

const putOf = ({ key, lease }: Pick<Place, "key" | "lease">, value: Uint8Array): RequestOp => ({
  request: { $case: "requestPut", value: { key, value, lease, prevKv: false, ignoreValue: false, ignoreLease: false } },
});

/** @throws ServerError `leader-key-missing` */
const requireLeaderKey = (leader: LeaderKey | undefined): LeaderKey => {
  if (leader === undefined) throw new ServerError("leader-key-missing", "the request names no leader");
  return leader;
};
