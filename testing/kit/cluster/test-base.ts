// The common base of test servers and test clusters.

import { Client, type Transport } from "../../../client/index.js";
import { type SeedEntries, dump, history, type HistoryEntry, seed } from "./contents.js";
import { InProcessTransport, StreamHold } from "../in-process/index.js";
import { endpointOf } from "../machine/index.js";
import type { TestClientOptions } from "./options.js";
import { Recording } from "./recording.js";
import type { RpcFaults } from "../faults/index.js";
import type { TestClock } from "../clock/index.js";
import { cloneParts, type ClusterParts, endParts, resetMachines } from "./start-parts.js";
import { addUsers } from "./users.js";

/** A key that is put and deleted if a compaction needs changes. */
const ownKey = "\0minietcd/testing";

/** Members in this process, their clients, contents and faults of requests. Closing them ends their clients, too. */
export abstract class TestBase implements AsyncDisposable {
  /** The clock that members and clients share. */
  readonly clock: TestClock;
  /** Faults of requests, at all members. */
  readonly faults: RpcFaults;
  private readonly clients = new Set<Client>();
  private readonly transport: InProcessTransport;
  /** The transport of the test's own clients, which is not affected by the faults of requests. */
  private readonly ownTransport: InProcessTransport;
  private closing: Promise<void> | undefined;
  /** Settles when no reset is in progress: resets run one after the other. */
  private lastReset: Promise<void> = Promise.resolve();

  /** Used by `startTestServer` and `startTestCluster` only. */
  constructor(protected readonly parts: ClusterParts) {
    const { machines, time, faults } = parts;
    this.clock = time;
    this.faults = faults;
    const byEndpoint = new Map(machines.map((machine) => [endpointOf(machine), machine]));
    const hold = new StreamHold(!time.isVirtual);
    this.transport = new InProcessTransport(byEndpoint, hold, ({ services }) => services);
    this.ownTransport = new InProcessTransport(byEndpoint, hold, ({ plainServices }) => plainServices);
  }

  /** `127.0.0.1:port` of each member, for any client of etcd; with TLS, `https://127.0.0.1:port`. */
  get endpoints(): readonly string[] {
    return this.parts.machines.map(endpointOf);
  }

  /** The TLS that clients of the endpoints need: the authority to trust, as PEM. Undefined: the option `tls` was not given. */
  get tls(): { readonly ca: string } | undefined {
    const { ca } = this.parts;
    return ca === undefined ? undefined : { ca };
  }

  /**
   * Returns a client in this process, without a socket and on the same clock. It is closed with the server.
   *
   * @throws Error if the server is closed
   */
  client(options: TestClientOptions = {}): Client {
    return this.clientOver(options, this.transport);
  }

  /**
   * Begins a recording, for `checkLinearizable`: it contains the operations on keys of the clients that the recording's
   * `client()` returns.
   */
  record(): Promise<Recording> {
    const { transport, parts } = this;
    const client = (options: TestClientOptions, recorded: Transport): Client => this.clientOver(options, recorded);
    return parts.time.until(Recording.start({ transport, client, now: () => parts.time.now() }));
  }

  /** Adds the users of the options to the empty members. Used by `startTestServer` and `startTestCluster` only. */
  async addFirstUsers(): Promise<this> {
    try {
      await this.parts.time.until(this.addUsers());
      return this;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Returns the last log lines of all members. */
  log(): readonly string[] {
    return this.parts.world.log.text;
  }

  /** Adds a line of the test to the log. */
  note(text: string): void {
    this.parts.world.log.add("test", "info", text);
  }

  /**
   * Puts entries in their order, each at a revision of its own. A map keeps the order of all keys; an object has keys such as
   * "10" first.
   */
  seed(entries: SeedEntries): Promise<void> {
    return this.withOwnClient((client) => seed(client, entries));
  }

  /** Returns all keys and values, in key order. Bytes that are not UTF-8 are shown as `\xff`. */
  dump(): Promise<Record<string, string>> {
    return this.withOwnClient(dump);
  }

  /** Returns the changes of every revision since the last compaction. */
  history(): Promise<HistoryEntry[]> {
    return this.withOwnClient(history);
  }

  /**
   * Makes all watches miss the changes of `write`: they lose their connections, and find the history compacted when they
   * reconnect. Two changes of a key of the test server follow: without them, a watch could still receive one change.
   *
   * @param write makes changes while no watch is served; absent: only the test server's own changes are made
   */
  async compactUnderWatchers(write?: () => Promise<unknown>): Promise<void> {
    const admitWatchers = this.faults.cutWatchers();
    try {
      await write?.();
      await this.withOwnClient(async (client) => {
        await client.kv.put(ownKey, "");
        const { header } = await client.kv.delete(ownKey);
        await client.kv.compact(header.revision, { physical: true });
      });
    } finally {
      admitWatchers();
    }
  }

  /**
   * Replaces the members by empty members at the same endpoints, with the users of the options, without faults, at revision 1.
   * The clients of `client()` stay usable; their earlier requests, watches and leases end with an error (FAILED_PRECONDITION), so
   * that they cannot affect the next test.
   */
  reset(): Promise<void> {
    const reset = this.parts.time.until(this.lastReset.then(() => this.resetNow()));
    this.lastReset = reset.catch(() => undefined);
    return reset;
  }

  /** Ends members and clients, closes the ports and removes the files. May be called twice. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Removes all faults. */
  protected clearFaults(): void {
    this.faults.clear();
    for (const faults of this.parts.memberFaults.values()) faults.clear();
  }

  /** Starts a copy of all members. @throws Error if the server is closed meanwhile */
  protected async copyParts(): Promise<ClusterParts> {
    const { lifetime } = this.parts.time;
    lifetime.check();
    const copy = cloneParts(this.parts);
    try {
      return await lifetime.during(copy);
    } catch (error) {
      copy.then(endParts).catch(() => undefined); // the copy is not returned, so it is ended here
      throw error;
    }
  }

  private clientOver(options: TestClientOptions, transport: Transport): Client {
    const { endpoints, parts } = this;
    parts.time.lifetime.check();
    const client = new Client({ ...options, endpoints, transport }, parts.time.clientClock);
    this.clients.add(client);
    return client;
  }

  private async resetNow(): Promise<void> {
    this.parts.time.lifetime.check();
    this.clearFaults();
    await resetMachines(this.parts);
    await this.addUsers();
  }

  private async addUsers(): Promise<void> {
    const { auth } = this.parts.options;
    if (auth !== undefined) await this.useOwnClient((client) => addUsers(client, auth));
  }

  private async shutDown(): Promise<void> {
    this.parts.time.lifetime.rejectCalls();
    await Promise.all([...this.clients].map((client) => client.close()));
    await endParts(this.parts);
  }

  private withOwnClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
    return this.useOwnClient((client) => this.parts.time.until(use(client)));
  }

  /** Calls `use` with a client of the test server. The caller must let time pass. */
  private async useOwnClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const { endpoints, ownTransport, parts } = this;
    parts.time.lifetime.check();
    await using client = new Client({ endpoints, transport: ownTransport }, parts.time.clientClock);
    return await use(client);
  }
}
