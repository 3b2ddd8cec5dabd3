// A cluster in this process, for tests.

import { Client, type ClientOptions } from "../../client/index.js";
import type { Application } from "../../server/app/index.js";
import { fairWeather, seededRandom, SimNetwork } from "../index.js";
import { InProcessTransport } from "./in-process-transport.js";
import { LogRing } from "./log-ring.js";
import type { Machine, World } from "./machine.js";
import { endpointOf, makeMachines } from "./machines.js";
import { memberNames, type TestClusterOptions } from "./options.js";
import { RealServerTime, type ServerTime, type TestClock, VirtualServerTime } from "./server-time.js";
import { StreamHold } from "./stream-hold.js";
import { TemporaryDirectory } from "./temporary-directory.js";
import { TestMember } from "./test-member.js";

/** Options of a client in the same process: those of `Client`, without what the cluster gives it. */
export type TestClientOptions = Omit<ClientOptions, "endpoints" | "transport">;

/** The parts of a cluster that runs. */
interface ClusterParts {
  readonly time: ServerTime;
  readonly world: World;
  readonly machines: readonly Machine[];
  readonly directory: TemporaryDirectory | undefined;
}

/** Messages between members arrive at once. */
const noDelay = { ...fairWeather, minDelayMs: 0, maxDelayMs: 0 };

const quietStory = { tell: () => undefined, detail: () => undefined };

/** A cluster of real members in this process. Closing it ends its clients, too. */
export class TestCluster implements AsyncDisposable {
  readonly members: readonly TestMember[];
  readonly clock: TestClock;
  private readonly clients = new Set<Client>();
  private readonly transport: InProcessTransport;
  private closing: Promise<void> | undefined;

  private constructor(private readonly parts: ClusterParts) {
    const { machines, time } = parts;
    this.members = machines.map((machine) => new TestMember(machine, time));
    this.clock = time;
    const byEndpoint = new Map(machines.map((machine) => [endpointOf(machine), machine]));
    this.transport = new InProcessTransport(byEndpoint, new StreamHold(!time.isVirtual));
  }

  /** Starts a cluster. Used by `startTestCluster`. */
  static async start(options: TestClusterOptions): Promise<TestCluster> {
    const names = memberNames(options);
    const { clock = "machine", disk = false, listen = true, seed = 1, flags = {} } = options;
    if (disk && clock === "virtual")
      throw new TypeError("Cannot start a test cluster on disk in virtual time: a disk takes real time");
    const time = clock === "virtual" ? new VirtualServerTime() : new RealServerTime();
    const { timeline } = time;
    const network = new SimNetwork(timeline, seededRandom(seed + 1), quietStory);
    network.weather = noDelay;
    const world = { timeline, network, random: seededRandom(seed), log: new LogRing(() => time.now()) };
    const directory = disk ? new TemporaryDirectory() : undefined;
    const wrap = (_: string, application: Application): Application => application;
    const machines = await makeMachines(world, { names, listen, directory: directory?.path, flags, wrap });
    const cluster = new TestCluster({ time, world, machines, directory });
    try {
      await time.until(Promise.all(machines.map((machine) => machine.start())));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** `127.0.0.1:port` of each member. */
  get endpoints(): readonly string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  /** Returns a client in this process, on the same clock. It is closed with the cluster. */
  client(options: TestClientOptions = {}): Client {
    const { endpoints, transport, parts } = this;
    const client = new Client({ ...options, endpoints, transport }, parts.time.clientClock);
    this.clients.add(client);
    return client;
  }

  /** Returns the member of this name. @throws TypeError if there is none */
  member(name: string): TestMember {
    const found = this.members.find((each) => each.name === name);
    if (found === undefined) throw new TypeError(`There is no member ${JSON.stringify(name)}`);
    return found;
  }

  /** Returns the last log lines of all members. */
  log(): readonly string[] {
    return this.parts.world.log.text;
  }

  /** Ends members and clients, closes the ports and removes the files. May be called twice. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async shutDown(): Promise<void> {
    const { time, machines, directory } = this.parts;
    await Promise.all([...this.clients].map((client) => client.close()));
    await Promise.all(machines.map((machine) => machine.close()));
    time.close();
    directory?.close();
  }
}
