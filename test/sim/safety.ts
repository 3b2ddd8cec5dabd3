import { ConfigurationHistory, type Configuration, type LogBase } from "../../raft/core/configuration.js";
import assert from "node:assert/strict";
import type { LogIndex, LogPosition, MemberId, Term } from "../../raft/core/ids.js";
import type { CoreStatus, Entry, Outgoing, Unsaved } from "../../raft/core/types.js";
import { endOf, entryAt, type Disk } from "./member.js";

/** An entry as it was first applied, and the position before it. */
interface Sighting {
  readonly entry: Entry;
  readonly previousTerm: Term | undefined;
}

const isSame = (a: Entry, b: Entry): boolean =>
  a.index === b.index && a.term === b.term && a.kind === b.kind && contentOf(a) === contentOf(b);

/** Returns an object that identifies an entry's content: no core copies it. */
const contentOf = (entry: Entry): unknown => {
  switch (entry.kind) {
    case "empty":
      return undefined;
    case "command":
      return entry.data;
    case "configuration":
      return entry.configuration;
  }
};

/**
 * Checks the safety of a whole cluster. It uses no statement of a core about itself, but disks, messages, writes and applied entries,
 * each once, so that a check costs no more than the event.
 */
export class Safety {
  private readonly leaders = new Map<Term, MemberId>();
  private readonly sightings = new Map<string, Sighting>();
  /** Applied entries; the entry of index n is at n - 1. */
  readonly applied: Entry[] = [];
  /** The term of the member that applied each entry first, at index - 1; the entry was committed in that term or an earlier one. */
  private readonly committedIn: Term[] = [];
  private readonly statuses = new Map<MemberId, CoreStatus>();
  /** The committed configurations. */
  private configurations: ConfigurationHistory;

  constructor(initial: Configuration) {
    this.configurations = new ConfigurationHistory([{ index: 0 as LogIndex, configuration: initial }]);
  }

  /** Checks that a term has at most one leader. Raft paper §5.2, election safety. */
  onStatus(status: CoreStatus): void {
    const { id, term, role, commit, lastIndex, savedIndex } = status;
    if (role === "leader") {
      const known = this.leaders.get(term) ?? id;
      assert.equal(known, id, `two leaders in term ${term}`);
      this.leaders.set(term, id);
    }
    assert.ok(commit <= lastIndex && savedIndex <= lastIndex, `member ${id} is ahead of its own log`);
    const before = this.statuses.get(id);
    if (before !== undefined) {
      assert.ok(term >= before.term, `the term of member ${id} went back`);
      assert.ok(commit >= before.commit, `the commit of member ${id} went back`);
      if (term === before.term && before.vote !== 0n)
        assert.equal(status.vote, before.vote, `member ${id} voted twice`);
    }
    this.statuses.set(id, status);
  }

  /** Forgets the status of a crashed member, which may restart with a lower commit index. */
  onCrash(id: MemberId): void {
    this.statuses.delete(id);
  }

  /** Checks that two logs with an entry of the same index and term agree up to it. Raft paper §5.3, log matching. */
  onWrite(id: MemberId, unsaved: Unsaved, log: Pick<Disk, "base" | "entries">): void {
    if (unsaved.restart !== undefined) this.checkCommitted(unsaved.restart, `member ${id} begins its log anew`);
    for (const entry of unsaved.entries) {
      const previous = (entry.index - 1) as LogIndex;
      const previousTerm = previous === log.base.index ? log.base.term : entryAt(log, previous)?.term;
      const name = `${entry.index}/${entry.term}`;
      const seen = this.sightings.get(name);
      if (seen === undefined) this.sightings.set(name, { entry, previousTerm });
      else {
        assert.ok(isSame(seen.entry, entry), `entry ${name} of member ${id} differs from another's`);
        assert.equal(previousTerm, seen.previousTerm, `what precedes entry ${name} of member ${id} differs`);
      }
    }
    const last = unsaved.entries.at(-1);
    if (last !== undefined && this.leaders.get(last.term) === id) this.checkCompleteness(id, last.term, log);
  }

  /**
   * Checks that a leader's log contains all entries that were committed in earlier terms. (Not: all entries of earlier terms that are
   * committed by now; a later leader may have committed them before this one learns that it was deposed.)
   * Raft paper §5.4, leader completeness.
   */
  private checkCompleteness(leader: MemberId, term: Term, log: Pick<Disk, "base" | "entries">): void {
    this.checkCommitted(log.base, `member ${leader} leads term ${term}`);
    for (const committed of this.applied.slice(log.base.index)) {
      if ((this.committedIn[committed.index - 1] ?? term) >= term) continue;
      const own = entryAt(log, committed.index);
      const isHeld = own !== undefined && isSame(own, committed);
      assert.ok(isHeld, `member ${leader} leads term ${term} without committed entry ${committed.index}`);
    }
  }

  /**
   * Checks that a member's message states only what is on its disk. Raft paper, figure 2: "updated on stable storage before responding".
   */
  onSend(id: MemberId, { to, message }: Outgoing, disk: Disk): void {
    switch (message.kind) {
      case "vote":
        assert.deepEqual(
          [disk.hardState.term, disk.hardState.vote],
          [message.term, id],
          "a vote request before its vote",
        );
        return;
      case "voteReply":
        assert.ok(disk.hardState.term >= message.term, `member ${id} answers in a term that is not on disk`);
        if (message.granted) assert.equal(disk.hardState.vote, to, `member ${id} grants a vote that is not on disk`);
        return;
      case "appendReply":
        assert.ok(disk.hardState.term >= message.term, `member ${id} answers in a term that is not on disk`);
        if (message.accepted)
          assert.ok(endOf(disk).index >= message.index, `member ${id} acknowledges what is not on disk`);
        return;
      case "append":
      case "commit":
      case "heartbeat":
      case "heartbeatReply":
      case "timeoutNow":
        assert.ok(disk.hardState.term >= message.term, `member ${id} speaks in a term that is not on disk`);
        return;
      case "preVote":
      case "preVoteReply":
      case "forwardedProposal":
      case "forwardedRead":
      case "forwardedReadReply":
        return;
    }
  }

  /** Checks that no two members apply different entries at an index. Raft paper §5.4.3, state machine safety. */
  onApplied(id: MemberId, entry: Entry, disk: Disk, term: Term): void {
    const known = this.applied[entry.index - 1];
    if (known === undefined) {
      assert.equal(entry.index, this.applied.length + 1, `member ${id} applied ${entry.index} out of order`);
      this.applied.push(entry);
      if (entry.kind === "configuration") this.configurations = this.configurations.append(entry);
      this.committedIn.push(term);
    } else assert.ok(isSame(known, entry), `member ${id} applied another entry ${entry.index}`);
    const durable = entryAt(disk, entry.index);
    assert.ok(
      durable !== undefined && isSame(durable, entry),
      `member ${id} applied ${entry.index} before it was durable`,
    );
  }

  /** Checks that the base of a log was committed, as a snapshot contains only committed entries. */
  checkCommitted({ index, term }: LogPosition, what: string): void {
    if (index > 0) assert.equal(this.applied[index - 1]?.term, term, `${what} after ${index}/${term}`);
  }

  /** Returns the position of an entry that a member has applied. */
  positionOf(index: LogIndex): LogBase {
    const entry = this.applied[index - 1];
    assert.ok(entry !== undefined);
    return { index, term: entry.term, configuration: this.configurationAt(index) };
  }

  /** Number of committed configurations, without the initial one. */
  get configured(): number {
    return this.configurations.placed.length - 1;
  }

  /** Returns the configuration as of entry `index`, which a member has applied. */
  configurationAt(index: LogIndex): Configuration {
    return this.configurations.at(index).configuration;
  }

  /** The configuration as of the last applied entry of all members. */
  get newestConfiguration(): Configuration {
    return this.configurations.newest.configuration;
  }
}
