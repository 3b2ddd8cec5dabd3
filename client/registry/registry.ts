// Registers and resolves addresses of services, in the layout of Go's clientv3/naming/endpoints.
import {
  type Clock,
  EtcdError,
  LeavableIterator,
  onAbort,
  settleQuietly,
  type RequestOptions,
  retryUntil,
  Wakeup,
} from "../transport/index.js";
import { type KeyValue, type Kv, toText } from "../kv/index.js";
import type { Lease, LeaseKeepAlive } from "../lease/index.js";
import type { Mirror } from "../watch/index.js";

/** An instance of a service. */
export interface ServiceEndpoint {
  /** Address that clients of the service connect to, such as `10.0.0.7:8080`. */
  readonly address: string;
  /** Data for clients that choose among instances; any JSON value. Undefined: none. */
  readonly metadata: unknown;
}

/** Options of `Client.register`; the limits of `RequestOptions` apply to the first registration. */
export interface RegisterOptions extends RequestOptions {
  /** Name of the service, such as `web`. */
  readonly service: string;
  /** Address of this instance, unique in the service. */
  readonly address: string;
  /** TTL of the lease, after which a dead instance is removed. Default: 10. */
  readonly ttlSeconds?: number | undefined;
  /** Data for clients that choose among instances; any JSON value. Default: none. */
  readonly metadata?: unknown;
}

/** The services that a registry uses. */
export interface RegistryServices {
  readonly kv: Kv;
  readonly lease: Lease;
  readonly clock: Clock;
  mirror(prefix: string, options: RequestOptions): Promise<Mirror>;
}

const defaultTtlSeconds = 10;

const isName = (value: unknown): boolean => typeof value === "string" && value !== "";

/** Pause before a lost registration is repeated. */
const pauseMs = 250;

/**
 * A registered instance: `await using registration = await client.register({ service: "web", address: "10.0.0.7:8080" })`. Its key
 * is `<service>/<address>`, its value `{"Op":0,"Addr":"<address>","Metadata":<metadata>}`. When the lease is lost, the instance is
 * registered again with another lease, until `close()`. If only its key is deleted, it stays unregistered.
 */
export class Registration implements AsyncDisposable {
  /** The key of the instance. */
  readonly key: string;
  private readonly value: string;
  private readonly ttlSeconds: number;
  private readonly ending = new AbortController();
  private lease: LeaseKeepAlive | undefined;
  private following: Promise<void> = Promise.resolve();

  /** @throws TypeError without a service or an address */
  constructor(
    private readonly services: RegistryServices,
    { service, address, ttlSeconds = defaultTtlSeconds, metadata = null }: RegisterOptions,
  ) {
    if (!isName(service) || !isName(address))
      throw new TypeError('Cannot register: expected { service: "web", address: "10.0.0.7:8080" }, neither empty');
    this.key = `${service}/${address}`;
    this.value = JSON.stringify({ Op: 0, Addr: address, Metadata: metadata });
    this.ttlSeconds = ttlSeconds;
  }

  /** Whether other clients can find the instance, as far as this client knows. */
  get isRegistered(): boolean {
    return this.lease !== undefined && !this.lease.lossSignal.aborted && !this.ending.signal.aborted;
  }

  /** Registers the instance, and registers it again whenever the lease is lost. */
  async open(limits: RequestOptions): Promise<void> {
    const lease = await this.enter(limits);
    this.following = this.follow(lease);
  }

  /**
   * Removes the instance. May be called twice.
   *
   * @throws EtcdError if the lease could not be revoked: the instance is removed when the lease expires
   */
  async close(): Promise<void> {
    this.ending.abort();
    await this.following;
    await this.lease?.close();
  }

  /** Removes the instance, as `close` does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async enter(limits: RequestOptions): Promise<LeaseKeepAlive> {
    const lease = await this.services.lease.hold({ ttlSeconds: this.ttlSeconds, ...limits });
    try {
      await this.services.kv.put(this.key, this.value, { lease: lease.id, ...limits });
    } catch (error) {
      await settleQuietly(lease.close());
      throw error;
    }
    this.lease = lease;
    return lease;
  }

  private async follow(first: LeaseKeepAlive): Promise<void> {
    const { signal } = this.ending;
    const { clock } = this.services;
    for (let lease = first; ;) {
      if (await waitForEnd(lease, signal)) return;
      try {
        lease = await retryUntil(clock, { signal }, (limits) => this.enter(limits));
      } catch (error) {
        if (signal.aborted || (error instanceof EtcdError && error.code === "cancelled")) return; // the client is closed
        await new Wakeup(clock).wait(pauseMs, signal);
      }
    }
  }
}

/** Waits until a lease has ended or the signal is aborted. @returns whether the signal is aborted */
async function waitForEnd(lease: LeaseKeepAlive, signal: AbortSignal): Promise<boolean> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (stop = () => resolve()));
  const stopListening = onAbort(signal, stop);
  await Promise.race([lease.whenEnded, stopped]);
  stopListening();
  return signal.aborted;
}

/** Registers an instance, as documented at `Client.register`. */
export async function register(services: RegistryServices, options: RegisterOptions): Promise<Registration> {
  const { timeoutMs, signal } = options;
  const registration = new Registration(services, options);
  await registration.open({ timeoutMs, signal });
  return registration;
}

/** Yields the instances of a service, now and after each change, as documented at `Client.resolve`. */
export function resolve(
  services: RegistryServices,
  service: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<readonly ServiceEndpoint[], void, void> {
  const ending = new AbortController();
  const abort = () => ending.abort(signal?.reason);
  const stopListening = onAbort(signal, abort);
  const lists = listsOf(services, `${service}/`, ending.signal);
  const take = async () => (await lists.next()).value ?? undefined;
  const leave = () => {
    stopListening();
    ending.abort();
    void lists.return(); // otherwise an iterator that is left between two lists would keep its mirror
  };
  return new LeavableIterator(take, leave);
}

async function* listsOf(
  services: RegistryServices,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<readonly ServiceEndpoint[], void, void> {
  const open = (limits: RequestOptions) => services.mirror(prefix, limits);
  await using mirror = await retryUntil(services.clock, { signal }, open);
  const revisions = mirror[Symbol.asyncIterator]();
  onAbort(signal, () => void revisions.return());
  let reported: string | undefined;
  while ((await revisions.next()).done !== true) {
    const endpoints = mirror.entries().flatMap(endpointOf);
    const text = JSON.stringify(endpoints);
    if (text !== reported) yield endpoints;
    reported = text;
  }
}

/** Returns the instance of a key; none if the value is malformed, as in Go. */
function endpointOf({ value }: KeyValue): ServiceEndpoint[] {
  try {
    const { Addr, Metadata } = JSON.parse(toText(value)) as { readonly Addr?: unknown; readonly Metadata?: unknown };
    return typeof Addr === "string" ? [{ address: Addr, metadata: Metadata ?? undefined }] : [];
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return [];
    throw error;
  }
}
