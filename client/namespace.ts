// Operations on keys, and recipes such as locks and elections: for all keys, or for the keys under a prefix.
import {
  Barrier,
  DoubleBarrier,
  Election,
  lock,
  type Lock,
  type LockOptions,
  type LockServices,
  PriorityQueue,
  Queue,
  stm,
  type StmOptions,
  type StmTransaction,
  tryLock,
} from "./concurrency/index.js";
import type { Endpoints } from "./transport/index.js";
import { type Bytes, type KeySpace, Kv, toBytes } from "./kv/index.js";
import {
  register,
  type RegisterOptions,
  type Registration,
  type RegistryServices,
  resolve,
  type ServiceEndpoint,
} from "./registry/index.js";
import type { Lease } from "./lease/index.js";
import {
  type Mirror,
  type MirrorOptions,
  openMirror,
  Watch,
  type WatchOptions,
  type WatchServices,
  type WatchStream,
} from "./watch/index.js";

/** The parts of a client that all its namespaces share. */
export interface SharedServices {
  readonly endpoints: Endpoints;
  readonly watches: WatchStream;
  readonly lease: Lease;
}

/**
 * The keys under a prefix, without the prefix: reads, writes, watches, locks and elections see only these keys. The client itself
 * is the namespace of all keys. A namespace uses the client's connection and ends when the client is closed. An empty key is
 * refused, as without a namespace.
 *
 * @see etcd, client/v3/namespace: the same keys
 */
export class Namespace {
  /** Reads, writes and deletes keys, and runs transactions. */
  readonly kv: Kv;
  /** Leases are common to all namespaces; `timeToLive` lists the keys of this one. */
  readonly lease: Lease;
  /** Default of `timeoutMs` of a request. */
  readonly requestTimeoutMs: number;
  private readonly watchServices: WatchServices;
  private readonly lockServices: LockServices;
  private readonly registryServices: RegistryServices;

  constructor(
    private readonly shared: SharedServices,
    private readonly keys: KeySpace,
  ) {
    const { endpoints, watches: stream } = shared;
    const { requestTimeoutMs } = endpoints.settings;
    const kv = new Kv(endpoints, keys);
    const lease = shared.lease.within(keys);
    this.kv = kv;
    this.lease = lease;
    this.requestTimeoutMs = requestTimeoutMs;
    this.watchServices = { stream, kv, keys, requestTimeoutMs };
    const watch = (key: Bytes, options: WatchOptions) => this.watch(key, options);
    const mirror = (prefix: string, options: MirrorOptions) => this.mirror(prefix, options);
    this.registryServices = { kv, lease, clock: endpoints.clock, mirror };
    this.lockServices = { kv, lease, requestTimeoutMs, clock: endpoints.clock, watch };
  }

  /** The namespace of a prefix within this one: `client.namespace("app/")`. */
  namespace(prefix: Bytes): Namespace {
    return new Namespace(this.shared, this.keys.within(toBytes(prefix)));
  }

  /**
   * Watches one key, or the keys of an interval, from this call on. All watches of a client share a stream.
   *
   * @throws RangeError or TypeError if an option is malformed
   */
  watch(key: Bytes, options: WatchOptions = {}): Watch {
    return new Watch(this.watchServices, key, options);
  }

  /**
   * Copies the keys under a prefix into memory, and keeps the copy up to date.
   *
   * @throws ConnectError if no server can be reached within the request timeout, or another EtcdError if the keys cannot be
   * listed
   */
  mirror(prefix: Bytes, options: MirrorOptions = {}): Promise<Mirror> {
    return openMirror(this.watchServices, prefix, options);
  }

  /**
   * Waits until this caller holds the lock of this name; waiting callers get it in the order of their calls.
   *
   * @throws LeaseLostError if the lease is lost first, EtcdError "cancelled" or "deadline-exceeded" if waiting is given up
   */
  lock(name: Bytes, options: LockOptions = {}): Promise<Lock> {
    return lock(this.lockServices, name, options);
  }

  /** Takes the lock of this name if it is free. @returns undefined if another client holds it or waits for it */
  tryLock(name: Bytes, options: Omit<LockOptions, "timeoutMs"> = {}): Promise<Lock | undefined> {
    return tryLock(this.lockServices, name, options);
  }

  /** Returns the election of this name. No request is sent until it is used. */
  election(name: Bytes): Election {
    return new Election(this.lockServices, name);
  }

  /**
   * Runs a function that reads and writes keys as one transaction: all reads are of one revision, and all writes are made
   * together if no key that the function has read has changed meanwhile. Otherwise the function runs again, so it must have no
   * other effects.
   *
   * @throws EtcdError "aborted" if there are too many conflicts; the function's own error, then nothing is written
   */
  stm<T>(work: (tx: StmTransaction) => Promise<T> | T, options: StmOptions = {}): Promise<T> {
    return stm(this.kv, work, options);
  }

  /** Returns the queue of this name. No request is sent until it is used. */
  queue(name: Bytes): Queue {
    return new Queue(this.lockServices, name);
  }

  /** Returns the priority queue of this name. No request is sent until it is used. */
  priorityQueue(name: Bytes): PriorityQueue {
    return new PriorityQueue(this.lockServices, name);
  }

  /** Returns the barrier of this name. No request is sent until it is used. */
  barrier(name: Bytes): Barrier {
    return new Barrier(this.lockServices, name);
  }

  /** Returns the barrier of this name, which `count` programs enter and leave together. @throws RangeError if `count` is not above 0 */
  doubleBarrier(name: Bytes, count: number): DoubleBarrier {
    return new DoubleBarrier(this.lockServices, name, count);
  }

  /**
   * Registers an instance of a service until it is closed or this program ends, in the layout of Go's `clientv3/naming/endpoints`.
   *
   * @throws EtcdError if the first registration fails
   */
  register(options: RegisterOptions): Promise<Registration> {
    return register(this.registryServices, options);
  }

  /**
   * Yields the instances of a service: first the current list, which may be empty, then a list after each change. A slow loop
   * skips to the newest list. Waits while no server can be reached. Leaving the loop ends it.
   */
  resolve(
    service: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<readonly ServiceEndpoint[], void, void> {
    return resolve(this.registryServices, service, options);
  }
}
