// The client of a cluster: one object with all of etcd's services.
import { Auth } from "./auth.js";
import { Cluster } from "./cluster.js";
import {
  type ClientOptions,
  type Clock,
  Endpoints,
  machineClock,
  type RequestOptions,
  settingsOf,
} from "./transport/index.js";
import { allKeys } from "./kv/index.js";
import { Maintenance } from "./maintenance.js";
import { Lease } from "./lease/index.js";
import { Namespace } from "./namespace.js";
import { WatchStream } from "./watch/index.js";

/**
 * A client of a cluster, minietcd's or etcd's. Connects with the first request; all its requests share the connections.
 * Close it, or the program does not end: `await using client = new Client({ endpoints: ["127.0.0.1:2379"] })`.
 *
 * Revisions, versions and counts are numbers; ids of members, clusters and leases are bigints.
 */
export class Client extends Namespace implements AsyncDisposable {
  /** The members of the cluster. */
  readonly cluster: Cluster;
  /** Status, alarms, leadership, hashes and backups. */
  readonly maintenance: Maintenance;
  /** Users and roles. */
  readonly auth: Auth;
  private readonly endpoints: Endpoints;
  private readonly watches: WatchStream;

  /**
   * @param clock an injected clock, for tests
   * @throws TypeError if an endpoint is malformed, a certificate or credentials are invalid, or an option is unknown
   * @throws RangeError if a time or size is not above 0
   */
  constructor(options: ClientOptions, clock: Clock = machineClock) {
    const endpoints = new Endpoints(options.endpoints, settingsOf(options), clock);
    const watches = new WatchStream(endpoints);
    super({ endpoints, watches, lease: new Lease(endpoints, allKeys) }, allKeys);
    this.endpoints = endpoints;
    this.watches = watches;
    this.cluster = new Cluster(endpoints);
    this.maintenance = new Maintenance(endpoints);
    this.auth = new Auth(endpoints);
  }

  /**
   * Requests a progress notice for all watches from their server. Each watch receives it in its `responses()`; newer servers
   * answer only when no watch is behind. This notice changes neither `revision` nor `batches()`, because etcd before 3.4.25 and
   * 3.5.8 may send it before events of earlier revisions.
   */
  requestWatchProgress(): void {
    this.watches.requestProgress();
  }

  /** The endpoints in use. */
  get endpointList(): readonly string[] {
    return this.endpoints.list;
  }

  /**
   * Lists the members through a quorum, and uses their client addresses from now on, as `Sync` of etcd's Go client does. Requests
   * in flight stay at their server; watches and renewals at a removed member continue at another member. Learners and members
   * that have not started are omitted.
   *
   * @returns the endpoints in use
   * @throws TypeError if a member's address is malformed; the endpoints are not changed then
   */
  async syncEndpoints(options: RequestOptions = {}): Promise<readonly string[]> {
    const { members } = await this.cluster.memberList(options);
    const voters = members.filter(({ name, isLearner }) => name !== "" && !isLearner);
    const endpoints = voters.flatMap(({ clientURLs }) => clientURLs);
    if (endpoints.length > 0) this.endpoints.replace(endpoints);
    return this.endpointList;
  }

  /** Ends all requests, watches, renewals and connections. May be called twice. */
  close(): Promise<void> {
    this.endpoints.close();
    return Promise.resolve();
  }

  /** Closes the client. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
