// Leases: keys that are deleted when their lease is not renewed.
import { webcrypto } from "node:crypto";
import { LeaseDefinition, counterFromResponse } from "../../proto/index.js";
import {
  type Endpoints,
  EtcdError,
  type Header,
  headerOf,
  retryUntil,
  type RequestOptions,
  unaryMethod,
} from "../transport/index.js";
import type { KeySpace } from "../kv/index.js";
import { LeaseKeepAlive } from "./lease-keep-alive.js";
import { LeaseStream } from "./lease-stream.js";

/** Parameters of a lease. @see etcd v3 API, LeaseGrantRequest */
export interface LeaseGrantSettings {
  /** Time without a renewal after which the lease expires; at least the server's minimum. */
  readonly ttlSeconds: number;
  /** Id of the lease. Absent or 0n: the server picks one. */
  readonly id?: bigint | undefined;
}

/** Options of a query for a lease's time. @see etcd v3 API, LeaseTimeToLiveRequest */
export interface LeaseTimeToLiveSettings {
  /** List the attached keys, in no particular order. */
  readonly keys?: boolean | undefined;
}

/** A lease that was granted. @see etcd v3 API, LeaseGrantResponse */
export interface LeaseGrantResult {
  readonly header: Header;
  /** Id of the lease, for `put` and `revoke`. */
  readonly id: bigint;
  /** TTL as granted: at least the server's minimum. */
  readonly ttlSeconds: number;
}

/** The answer to one keep-alive. @see etcd v3 API, LeaseKeepAliveResponse */
export interface LeaseRenewResult {
  readonly header: Header;
  /** The TTL, counted from now. 0: there is no such lease. */
  readonly ttlSeconds: number;
}

/** The state of a lease. @see etcd v3 API, LeaseTimeToLiveResponse */
export interface LeaseTimeToLiveResult {
  readonly header: Header;
  /** Whole seconds left. -1: there is no such lease. */
  readonly ttlSeconds: number;
  /** TTL that a renewal resets the lease to. */
  readonly grantedTtlSeconds: number;
  /** Attached keys of the key space; empty unless requested. */
  readonly keys: readonly Uint8Array[];
}

const grant = unaryMethod("write", LeaseDefinition, LeaseDefinition.methods.leaseGrant);
const revoke = unaryMethod("write", LeaseDefinition, LeaseDefinition.methods.leaseRevoke);
const timeToLive = unaryMethod("read", LeaseDefinition, LeaseDefinition.methods.leaseTimeToLive);
const leases = unaryMethod("read", LeaseDefinition, LeaseDefinition.methods.leaseLeases);
// LeaseKeepAlive called like a unary method: on the wire, a stream of one request is the same. Marked as a read, because renewing
// twice does no harm.
const renew = unaryMethod("read", LeaseDefinition, LeaseDefinition.methods.leaseKeepAlive);

/** Returns 63 random bits, because etcd's ids are positive; not 0, which would leave the choice to the server. */
const newLeaseId = (): bigint => {
  const [bits = 0n] = webcrypto.getRandomValues(new BigUint64Array(1)); // a simulation replaces this function by seeded numbers
  return BigInt.asUintN(63, bits) || 1n;
};

/** Grants, renews and revokes leases. @see etcd v3 API, Lease */
export class Lease {
  /** @param keys the key space of the keys in `timeToLive`; leases themselves have no key space */
  constructor(
    private readonly endpoints: Endpoints,
    private readonly keys: KeySpace,
    private readonly renewals = new LeaseStream(endpoints),
  ) {}

  /** The same leases, with the attached keys of another key space. */
  within(keys: KeySpace): Lease {
    return new Lease(this.endpoints, keys, this.renewals);
  }

  /**
   * Grants a lease that expires after `ttlSeconds` unless it is renewed. `hold` also renews it.
   *
   * @throws TypeError if `ttlSeconds` is not a number
   */
  async grant({ ttlSeconds, id = 0n, ...options }: LeaseGrantSettings & RequestOptions): Promise<LeaseGrantResult> {
    if (typeof ttlSeconds !== "number")
      throw new TypeError("Cannot grant a lease without a number of seconds: grant({ ttlSeconds: 10 })");
    const response = await this.endpoints.call(grant, { TTL: BigInt(ttlSeconds), ID: id }, options);
    return { header: headerOf(response.header), id: response.ID, ttlSeconds: counterFromResponse(response.TTL) };
  }

  /** Ends a lease and deletes its keys. @throws EtcdError "not-found" if there is no such lease */
  async revoke(id: bigint, options: RequestOptions = {}): Promise<{ readonly header: Header }> {
    return { header: headerOf((await this.endpoints.call(revoke, { ID: id }, options)).header) };
  }

  /** Renews a lease once. */
  async renew(id: bigint, options: RequestOptions = {}): Promise<LeaseRenewResult> {
    const response = await this.endpoints.call(renew, { ID: id }, options);
    return { header: headerOf(response.header), ttlSeconds: counterFromResponse(response.TTL) };
  }

  /** Returns the remaining time of a lease; -1 if the lease has ended. */
  async timeToLive(
    id: bigint,
    { keys = false, ...options }: LeaseTimeToLiveSettings & RequestOptions = {},
  ): Promise<LeaseTimeToLiveResult> {
    const response = await this.endpoints.call(timeToLive, { ID: id, keys }, options);
    return {
      header: headerOf(response.header),
      ttlSeconds: counterFromResponse(response.TTL),
      grantedTtlSeconds: counterFromResponse(response.grantedTTL),
      keys: response.keys.filter((key) => this.keys.has(key)).map((key) => this.keys.toRelative(key)),
    };
  }

  /** Lists all leases, from the state of the member that answers. */
  async list(options: RequestOptions = {}): Promise<{ readonly header: Header; readonly ids: readonly bigint[] }> {
    const response = await this.endpoints.call(leases, {}, options);
    return { header: headerOf(response.header), ids: response.leases.map(({ ID }) => ID) };
  }

  /**
   * Renews an existing lease until `close()`, after which the lease expires.
   *
   * @throws EtcdError "not-found" if there is no such lease
   */
  async keepAlive(id: bigint, options: RequestOptions = {}): Promise<LeaseKeepAlive> {
    const sentAt = this.endpoints.clock.now();
    const { ttlSeconds } = await this.renew(id, options);
    if (ttlSeconds <= 0)
      throw new EtcdError("not-found", `Cannot renew lease ${id.toString(16)}: it does not exist`, "failed");
    return new LeaseKeepAlive(this.renewals, { id, ttlSeconds, sentAt }, () => Promise.resolve());
  }

  /**
   * Grants a lease and renews it until `close()`, which revokes it:
   * `await using lease = await client.lease.hold({ ttlSeconds: 10 })`.
   */
  async hold(options: { readonly ttlSeconds: number } & RequestOptions): Promise<LeaseKeepAlive> {
    const sentAt = this.endpoints.clock.now();
    const { id, ttlSeconds } = await this.grantOrRevoke({ ...options, id: newLeaseId() });
    return new LeaseKeepAlive(this.renewals, { id, ttlSeconds, sentAt }, () => this.revokeIfThere(id));
  }

  /**
   * Grants a lease. If the request is given up, the lease may still have been granted; it is revoked in the background, because
   * no other client knows its id.
   */
  private async grantOrRevoke(what: { readonly ttlSeconds: number; readonly id: bigint } & RequestOptions) {
    try {
      return await this.grant(what);
    } catch (error) {
      if (error instanceof EtcdError && error.outcome === "unknown") this.revokeIfThere(what.id).catch(() => undefined); // failing that, it runs out
      throw error;
    }
  }

  private async revokeIfThere(id: bigint): Promise<void> {
    try {
      const { requestTimeoutMs: timeoutMs } = this.endpoints.settings;
      await retryUntil(this.endpoints.clock, { timeoutMs }, (limits) => this.revoke(id, limits));
    } catch (error) {
      if (!(error instanceof EtcdError && error.code === "not-found")) throw error;
    }
  }
}
