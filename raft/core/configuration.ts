import type { LogIndex, LogPosition, MemberId } from "./ids.js";
import { invariant } from "./invariant.js";
import { quorumSize } from "./quorum.js";

/** A member as a configuration lists it. */
export interface ConfigurationMember {
  readonly id: MemberId;
  /** A learner is sent the log, and neither votes nor counts for a quorum. Raft thesis §4.2.1. */
  readonly isLearner: boolean;
  /** The addresses of its peer port, in the order to try; consensus does not read them. */
  readonly addresses: readonly string[];
}

/** The members of a cluster: voters and learners. Immutable. Raft thesis §4.1. */
export class Configuration {
  /** All members, by id, ascending. */
  readonly members: readonly ConfigurationMember[];
  /** The ids of the voters, ascending. */
  readonly voters: readonly MemberId[];
  /** The size of a majority of the voters. */
  readonly quorum: number;
  private readonly voterIds: ReadonlySet<MemberId>;

  /** @throws InvariantError without a voter, or with one id twice */
  constructor(members: readonly ConfigurationMember[]) {
    this.members = members.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    this.voters = this.members.flatMap(({ id, isLearner }) => (isLearner ? [] : [id]));
    this.voterIds = new Set(this.voters);
    this.quorum = quorumSize(this.voters.length);
    invariant(this.voters.length > 0, "a configuration without a voter");
    invariant(
      new Set(members.map(({ id }) => id)).size === members.length,
      "a configuration that lists a member twice",
    );
  }

  /** The ids of the learners, ascending. */
  get learners(): readonly MemberId[] {
    return this.members.flatMap(({ id, isLearner }) => (isLearner ? [id] : []));
  }

  /** Tells whether the vote and the acknowledgements of `id` count. */
  isVoter(id: MemberId): boolean {
    return this.voterIds.has(id);
  }

  /** Tells whether `ids` contains a majority of the voters. Any two majorities share a voter. */
  hasQuorum(ids: ReadonlySet<MemberId>): boolean {
    let count = 0;
    for (const voter of this.voters) if (ids.has(voter)) count++;
    return count >= this.quorum;
  }

  /** Counts the members that vote in one of the two configurations only. If at most 1, any two majorities share a voter. Raft thesis §4.1. */
  countVoterChanges(other: Configuration): number {
    const added = other.voters.filter((voter) => !this.isVoter(voter));
    const removed = this.voters.filter((voter) => !other.isVoter(voter));
    return added.length + removed.length;
  }

  /** Tells whether `other` has the same members, with the same roles and addresses. */
  isEqual(other: Configuration): boolean {
    return (
      this.members.length === other.members.length &&
      this.members.every((member, at) => {
        const { id, isLearner, addresses } = member;
        const twin = other.members[at];
        const isSame = id === twin?.id && isLearner === twin.isLearner;
        return isSame && JSON.stringify(addresses) === JSON.stringify(twin.addresses);
      })
    );
  }
}

/** The position before the first entry of a log, and the configuration in force there. Raft paper §7, thesis §4.1. */
export interface LogBase extends LogPosition {
  readonly configuration: Configuration;
}

/** A configuration, and the index of its entry; for the first one of a log, the index of the log's base. */
export interface PlacedConfiguration {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/**
 * The configurations of a log, oldest first. Each is in force from the index of its entry on, committed or not, and is rolled
 * back when that entry is truncated. Raft thesis §4.1. Immutable; for example, of the entries 4 (adds a learner), 5, and
 * 6 (makes it a voter):
 *
 * | event | configurations | in force |
 * | --- | --- | --- |
 * | the log begins after 3 | 3: A | A |
 * | 4, 5 and 6 are appended | 3: A, 4: B, 6: C | C |
 * | a new leader replaces 6 | 3: A, 4: B | B |
 * | 5 is committed | 4: B | B |
 */
export class ConfigurationHistory {
  readonly placed: readonly PlacedConfiguration[];

  /** @param placed at least one, in ascending order of index */
  constructor(placed: readonly PlacedConfiguration[]) {
    invariant(placed.length > 0, "a log without a configuration");
    this.placed = placed.map(({ index, configuration }) => ({ index, configuration }));
  }

  /** The configuration in force, and the index of the entry that brought it. */
  get newest(): PlacedConfiguration {
    const newest = this.placed.at(-1);
    invariant(newest !== undefined, "a log without a configuration");
    return newest;
  }

  /** Returns the configuration in force at `index`, and the index of its entry. @throws InvariantError before the first one */
  at(index: LogIndex): PlacedConfiguration {
    const placed = this.placed.findLast((each) => each.index <= index);
    invariant(placed !== undefined, `no configuration is known at ${index}`);
    return placed;
  }

  /** Returns the history with one more configuration, in force from its index on. */
  append({ index, configuration }: PlacedConfiguration): ConfigurationHistory {
    return new ConfigurationHistory([...this.placed, { index, configuration }]);
  }

  /** Returns the history without the configurations of the entries from `index` on. */
  truncateFrom(index: LogIndex): ConfigurationHistory {
    if (this.newest.index < index) return this;
    return new ConfigurationHistory(this.placed.filter((each) => each.index < index));
  }

  /** Returns the history without the configurations that are superseded at `index`, a committed index. */
  compact(index: LogIndex): ConfigurationHistory {
    const from = this.placed.findLastIndex((each) => each.index <= index);
    return from <= 0 ? this : new ConfigurationHistory(this.placed.slice(from));
  }

  /** Tells whether `other` has equal configurations at the same indexes. */
  isEqual(other: ConfigurationHistory): boolean {
    return (
      this.placed.length === other.placed.length &&
      this.placed.every(({ index, configuration }, at) => {
        const twin = other.placed[at];
        return index === twin?.index && configuration.isEqual(twin.configuration);
      })
    );
  }
}
