// The client of a cluster: one object with all of etcd's services.
import { Cluster } from "./cluster.js";
import { Election, lock, type Lock, type LockOptions, type LockServices, tryLock } from "./concurrency/index.js";
import { type ClientOptions, type Clock, Endpoints, machineClock, settingsOf } from "./transport/index.js";
import { type Bytes, Kv } from "./kv/index.js";
import { Maintenance } from "./maintenance.js";
import { Lease } from "./lease/index.js";
import { Watch, type WatchOptions, WatchStream } from "./watch/index.js";

/**
 * A client of a cluster, minietcd's or etcd's. Connects with the first request; all its requests share the connections.
 * Close it, or the program does not end: `await using client = new Client({ endpoints: ["127.0.0.1:2379"] })`.
 *
 * Revisions, versions and counts are numbers; ids of members, clusters and leases are bigints.
 */
export class Client implements AsyncDisposable {
  readonly kv: Kv;
  readonly lease: Lease;
  readonly cluster: Cluster;
  readonly maintenance: Maintenance;
  /** Milliseconds that a request may take if it sets no `timeoutMs`. */
  readonly requestTimeoutMs: number;
  private readonly endpoints: Endpoints;
  private readonly watches: WatchStream;
  private readonly services: LockServices;

  /**
   * @param clock for tests, which let time pass
   * @throws TypeError if an endpoint is malformed or needs TLS, or an option is none
   * @throws RangeError if a time or size is not above 0
   */
  constructor(options: ClientOptions, clock: Clock = machineClock) {
    const settings = settingsOf(options);
    this.requestTimeoutMs = settings.requestTimeoutMs;
    this.endpoints = new Endpoints(options.endpoints, settings, clock);
    this.kv = new Kv(this.endpoints);
    this.lease = new Lease(this.endpoints);
    this.cluster = new Cluster(this.endpoints);
    this.maintenance = new Maintenance(this.endpoints);
    this.watches = new WatchStream(this.endpoints);
    const { kv, lease, requestTimeoutMs } = this;
    this.services = { kv, lease, requestTimeoutMs, clock, watch: (key, options) => this.watch(key, options) };
  }

  /**
   * Watches one key, or those of an interval, from this call on. All watches share a stream.
   *
   * @throws RangeError or TypeError if an option is malformed
   */
  watch(key: Bytes, options: WatchOptions = {}): Watch {
    const { kv, requestTimeoutMs } = this;
    return new Watch({ stream: this.watches, kv, requestTimeoutMs }, key, options);
  }

  /**
   * Asks how far the server of all watches is. Each of them is told, in its `responses()`; a watch that is catching up keeps
   * newer servers from answering. Neither `revision` nor `batches()` follow such an answer: etcd before 3.4.25 and 3.5.8 gives
   * it also while changes are on their way.
   */
  requestWatchProgress(): void {
    this.watches.requestProgress();
  }

  /**
   * Waits until the lock of this name is ours; those who wait get it in the order in which they came.
   *
   * @throws LeaseLostError if the lease is lost first, EtcdError "cancelled" or "deadline-exceeded" if waiting is given up
   */
  lock(name: Bytes, options: LockOptions = {}): Promise<Lock> {
    return lock(this.services, name, options);
  }

  /** The same without waiting. @returns undefined if somebody else holds it or waits for it */
  tryLock(name: Bytes, options: Omit<LockOptions, "timeoutMs"> = {}): Promise<Lock | undefined> {
    return tryLock(this.services, name, options);
  }

  /** The election of this name. Costs nothing until it is used. */
  election(name: Bytes): Election {
    return new Election(this.services, name);
  }

  /** Gives up all requests, watches, renewals and connections. May be called twice. */
  close(): Promise<void> {
    this.endpoints.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
