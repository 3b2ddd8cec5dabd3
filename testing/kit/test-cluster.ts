// A cluster in this process, for tests.

import type { Duration } from "./duration.js";
import { type LinkFilter, Links } from "./links.js";
import { areEqual, checkHashes, leaderOf } from "./observations.js";
import { type ClusterParts, faultsOf, startParts } from "./start-parts.js";
import { checkStartOptions, serverOptions, type TestClusterOptions } from "./options.js";
import { Restarts } from "./restarts.js";
import { TestBase } from "./test-base.js";
import { TestMember } from "./test-member.js";

/** Longest time that a state is waited for, if nothing else is said. */
const defaultWait: Duration = "30s";

/** A cluster of real members in this process. Closing it ends its clients, too. */
export class TestCluster extends TestBase {
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

  /** Returns the member of this name. @throws TypeError if there is none */
  member(name: string): TestMember {
    const found = this.members.find((each) => each.name === name);
    if (found === undefined) throw new TypeError(`There is no member ${JSON.stringify(name)}`);
    return found;
  }

  /** Returns the member that leads the newest term, among those that run; undefined: none is known. */
  leader(): TestMember | undefined {
    const leader = leaderOf(this.parts.machines);
    return leader && this.member(leader.name);
  }

  /** Waits until a member leads and a majority follows it. Virtual time passes meanwhile. */
  async waitForLeader(timeout: Duration = defaultWait): Promise<TestMember> {
    let leader: TestMember | undefined;
    await this.parts.time.untilTrue(() => (leader = this.leader()) !== undefined, "a leader", timeout);
    if (leader === undefined) throw new Error("Waited for a leader in vain");
    return leader;
  }

  /**
   * Waits until all members that run have applied the same, and compares the hashes of their keys. Virtual time passes meanwhile.
   *
   * @throws Error if they have applied the same and hold other keys
   */
  async waitUntilEqual(timeout: Duration = defaultWait): Promise<void> {
    const { machines, time } = this.parts;
    await time.untilTrue(() => areEqual(machines), "equal members", timeout);
    await time.until(checkHashes(machines));
  }

  /** Lets nothing pass between members of different groups: `partition(["m1"], ["m2", "m3"])`. */
  partition(...groups: (readonly string[])[]): void {
    this.links.partition(groups);
  }

  /** Lets nothing pass from one member to another; the other direction works. */
  cut(from: string, to: string): void {
    this.links.cut({ from, to });
  }

  /** Has messages take so much longer, on all links or those that `filter` names. */
  delay(duration: Duration, filter: LinkFilter = {}): void {
    this.links.delay(duration, filter);
  }

  /** Loses messages with this probability. */
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
   * Starts another cluster with the same contents, on a clock of its own; later changes of the one are not in the other.
   *
   * @throws TypeError if this one is on disk
   */
  async clone(): Promise<TestCluster> {
    return new TestCluster(await this.cloned());
  }
}

/** Starts a cluster. Used by `startTestCluster`. */
export const startCluster = async (options: TestClusterOptions): Promise<TestCluster> => {
  checkStartOptions("start a test cluster", options, [...serverOptions, "members"]);
  return new TestCluster(await startParts(options)).begin();
};
