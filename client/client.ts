// What an application holds.
import { Cluster } from "./cluster.js";
import { Endpoints } from "./endpoints.js";
import { Kv } from "./kv.js";
import { Maintenance } from "./maintenance.js";
import { settingsOf, type ClientOptions } from "./options.js";

/**
 * A client of a cluster, minietcd's or etcd's. Connects with the first request; all its requests share the connections.
 * Close it, or the program does not end: `await using client = new Client({ endpoints: ["127.0.0.1:2379"] })`.
 *
 * Revisions, versions and counts are numbers; ids of members, clusters and leases are bigints.
 */
export class Client implements AsyncDisposable {
  readonly kv: Kv;
  readonly cluster: Cluster;
  readonly maintenance: Maintenance;
  private readonly endpoints: Endpoints;

  /**
   * @throws TypeError if an endpoint is malformed or needs TLS
   * @throws RangeError if a time or size is not above 0
   */
  constructor(options: ClientOptions) {
    this.endpoints = new Endpoints(options.endpoints, settingsOf(options));
    this.kv = new Kv(this.endpoints);
    this.cluster = new Cluster(this.endpoints);
    this.maintenance = new Maintenance(this.endpoints);
  }

  /** Gives up all requests and connections. May be called twice. */
  close(): Promise<void> {
    this.endpoints.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
