// A cluster in this process, for tests.

import type { Duration } from "../base/index.js";
import { type LinkFilter, Links } from "../faults/index.js";
import { areEqual, checkHashes, leaderOf } from "./observations.js";
import { type ClusterParts, faultsOf, startParts } from "./start-parts.js";
import { checkStartOptions, serverOptions, type TestClusterOptions } from "./options.js";
import { Restarts } from "./restarts.js";
import { TestBase } from "./test-base.js";
import { TestMember } from "./test-member.js";

/** Default timeout of waits for a state. */
const defaultWait: Duration = "30s";

/** A cluster of real members in this process. Closing it ends its clients, too. */
export class TestCluster extends TestBase {
  /** The members, `m1` first. */
  readonly members: readonly TestMember[];
  private readonly links: Links;

  /** Used by `startTestCluster` only. */
  constructor(parts: ClusterParts) {
    super(parts);
    const { machines, time, world } = parts;
    const restarts = new Restarts(machines);
    this.members = machines.map((machine) => new TestMember(machine, time, restarts, faultsOf(parts, machine)));
    this.links = new Links(
      world.network,
      machines.map(({ name }) => name),
    );
  }

  /** Returns the member with this name. @throws TypeError if there is none */
  member(name: string): TestMember {
    const found = this.members.find((each) => each.name === name);
    if (found === undefined) throw new TypeError(`There is no member ${JSON.stringify(name)}`);
    return found;
  }

  /** Returns the leader of the newest term that a majority follows and can reach; undefined: there is none. */
  leader(): TestMember | undefined {
    const leader = leaderOf(this.parts.machines, this.links);
    return leader && this.member(leader.name);
  }

  /** Waits until a member leads, and a majority follows it and can reach it. Virtual time advances meanwhile. */
  async waitForLeader(timeout: Duration = defaultWait): Promise<TestMember> {
    let leader: TestMember | undefined;
    await this.parts.time.untilTrue(() => (leader = this.leader()) !== undefined, "a leader", timeout);
    if (leader === undefined) throw new Error("No leader was elected");
    return leader;
  }

  /**
   * Waits until all running members have applied the same entries, and compares the hashes of their keys. Virtual time advances meanwhile.
   *
   * @throws Error if they have applied the same entries and have different keys
   */
  async waitUntilEqual(timeout: Duration = defaultWait): Promise<void> {
    const { machines, time } = this.parts;
    await time.untilTrue(() => areEqual(machines), "equal members", timeout);
    await time.until(checkHashes(machines));
  }

  /** Drops all messages between members of different groups: `partition(["m1"], ["m2", "m3"])`. */
  partition(...groups: (readonly string[])[]): void {
    this.links.partition(groups);
  }

  /** Drops all messages from one member to another; the other direction works. */
  cut(from: string, to: string): void {
    this.links.cut({ from, to });
  }

  /** Delays messages, on all links or on the links of `filter`. */
  delay(duration: Duration, filter: LinkFilter = {}): void {
    this.links.delay(duration, filter);
  }

  /** Drops messages with this probability. */
  drop(probability: number, filter: LinkFilter = {}): void {
    this.links.drop(probability, filter);
  }

  /** Delivers messages twice with this probability. */
  duplicate(probability: number, filter: LinkFilter = {}): void {
    this.links.duplicate(probability, filter);
  }

  /** Removes all faults of links. */
  heal(): void {
    this.links.heal();
  }

  protected override clearFaults(): void {
    this.links.heal();
    super.clearFaults();
  }

  /**
   * Starts another cluster with the same contents and a separate clock; later changes of one cluster do not affect the other.
   *
   * @throws TypeError if this one is on disk
   */
  async clone(): Promise<TestCluster> {
    return new TestCluster(await this.copyParts());
  }
}

/** Starts a cluster. Used by `startTestCluster`. */
export const startCluster = async (options: TestClusterOptions): Promise<TestCluster> => {
  checkStartOptions("start a test cluster", options, [...serverOptions, "members"]);
  return new TestCluster(await startParts(options)).addFirstUsers();
};
