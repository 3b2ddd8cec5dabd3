// Raft's promises (paper, figures 2 and 3), checked across all incarnations of the members. The check uses only their messages, their
// state at a start, and the applied entries, and trusts no other statement of theirs.

import assert from "node:assert/strict";
import type { CoreStatus, Entry, MemberId, Outgoing, PeerMessage } from "../../../raft/index.js";

type LeaderMessage = Extract<PeerMessage, { kind: "append" | "commit" | "heartbeat" }>;

/** A member. */
export interface Sender {
  readonly name: string;
  readonly id: MemberId;
}

/** The statements of a member in the newest term in which it has sent a message. */
interface Statements {
  readonly term: number;
  vote: MemberId | undefined;
  /** The index up to which it has the leader's log; for a leader, up to which it has counted its own copy. */
  held: number;
}

interface Leadership {
  readonly leader: string;
  /** The commit index of the leader in its first message. */
  readonly commit: number;
  /** The last entry, by member, that it has acknowledged in this term. */
  readonly acknowledged: Map<string, number>;
}

export class RaftPromises {
  private readonly statements = new Map<string, Statements>();
  private readonly votes = new Map<string, MemberId>();
  private readonly leaderships = new Map<number, Leadership>();
  /** The last entry, by term, of the leader's log at the beginning of its term. */
  private readonly logs = new Map<number, number>();
  /** The last entry, by term, that a member in that term was the first to apply, and which was committed by then. */
  private readonly applied = new Map<number, number>();
  private readonly termOf = new Map<number, number>();
  /** The first term, by entry, whose leader sent that it is committed, before any member had applied it. */
  private readonly claims = new Map<number, number>();

  /** @param quorum the number of members in a majority */
  constructor(private readonly quorum: number) {}

  /** Checks that a restarted member still has all that it sent before: "Updated on stable storage before responding". Figure 2. */
  onOpened({ name }: Sender, { term, vote, lastIndex }: CoreStatus): void {
    const sent = this.statements.get(name);
    if (sent === undefined) return;
    assert.ok(term >= sent.term, `${name} spoke in term ${sent.term}, and after a restart knows only of term ${term}`);
    if (term > sent.term) return; // another leader may have replaced entries of its log
    if (sent.vote !== undefined)
      assert.equal(vote, sent.vote, `${name} does not know any more how it voted in ${term}`);
    assert.ok(
      lastIndex >= sent.held,
      `${name} sent that it holds ${sent.held}, and after a restart ends at ${lastIndex}`,
    );
  }

  onSend(from: Sender, { to, message }: Outgoing): void {
    switch (message.kind) {
      case "vote":
        return this.onVote(from, message.term, from.id);
      case "voteReply":
        if (message.granted) this.onVote(from, message.term, to);
        else this.statementsOf(from, message.term);
        return;
      case "append":
      case "commit":
      case "heartbeat":
        return this.onLeaderMessage(from, message);
      case "appendReply":
        this.statementsOf(from, message.term);
        if (message.accepted) this.onAcknowledged(from, message.term, message.index);
        return;
      case "heartbeatReply":
      case "timeoutNow":
        this.statementsOf(from, message.term);
        return;
      case "preVote":
      case "preVoteReply":
      case "forwardedProposal":
      case "forwardedRead":
      case "forwardedReadReply":
        return; // messages that state nothing durable
    }
  }

  /** Checks that a leader has all entries that were committed in earlier terms. Figure 3, leader completeness, §5.4. */
  onLeads({ name }: Sender, { term, lastIndex }: CoreStatus): void {
    this.logs.set(term, lastIndex);
    for (const [before, index] of this.applied)
      if (before < term) assert.ok(index < lastIndex, `${name} leads term ${term} without committed entry ${index}`);
  }

  /** Notes that a member in term `term` is the first to apply an entry. */
  onEntry(entry: Entry, term: number): void {
    const { index } = entry;
    this.applied.set(term, index);
    this.termOf.set(index, entry.term);
    const claimed = this.claims.get(index);
    if (claimed !== undefined) checkClaim(index, entry.term, claimed);
    this.claims.delete(index);
    for (const [later, lastIndex] of this.logs)
      if (later > term) assert.ok(index < lastIndex, `term ${later} was led without entry ${index}, committed before`);
  }

  /** Checks that a member votes at most once in a term, across restarts. §5.2. */
  private onVote(voter: Sender, term: number, vote: MemberId): void {
    const sent = this.statementsOf(voter, term);
    if (sent !== undefined) sent.vote = vote;
    const key = `${voter.name} ${term}`;
    assert.equal(this.votes.get(key) ?? vote, vote, `${voter.name} votes twice in term ${term}`);
    this.votes.set(key, vote);
  }

  /** Checks election safety, and that a leader sends as committed only entries that a majority has acknowledged. §5.2, §5.3. */
  private onLeaderMessage(leader: Sender, message: LeaderMessage): void {
    const { term, commit } = message;
    const sent = this.statementsOf(leader, term);
    const leadership = this.leaderships.get(term) ?? {
      leader: leader.name,
      commit,
      acknowledged: new Map<string, number>(),
    };
    assert.equal(leadership.leader, leader.name, `two leaders in term ${term}`);
    this.leaderships.set(term, leadership);
    if (commit <= leadership.commit) return;
    let holders = 0;
    for (const index of leadership.acknowledged.values()) if (index >= commit) holders++;
    assert.ok(
      holders + 1 >= this.quorum,
      `${leader.name} commits ${commit}, which ${holders} others have acknowledged`,
    );
    if (holders < this.quorum && sent !== undefined) sent.held = Math.max(sent.held, commit); // the leader counted its own copy
    if (message.kind === "append") this.onClaim(commit, term); // the commit index in other messages may be lower than the leader's
  }

  /** Checks that a leader counts copies only of entries of its own term. §5.4.2, figure 8. */
  private onClaim(index: number, term: number): void {
    const entryTerm = this.termOf.get(index);
    if (entryTerm !== undefined) checkClaim(index, entryTerm, term);
    else if (!this.claims.has(index)) this.claims.set(index, term);
  }

  private onAcknowledged({ name }: Sender, term: number, index: number): void {
    const sent = this.statements.get(name);
    if (sent?.term === term) sent.held = Math.max(sent.held, index);
    const acknowledged = this.leaderships.get(term)?.acknowledged;
    acknowledged?.set(name, Math.max(acknowledged.get(name) ?? 0, index));
  }

  /** Returns the statements of a member in `term`; undefined: it has sent messages in a newer one. */
  private statementsOf({ name }: Sender, term: number): Statements | undefined {
    let sent = this.statements.get(name);
    if (sent === undefined || term > sent.term) this.statements.set(name, (sent = { term, vote: undefined, held: 0 }));
    return sent.term === term ? sent : undefined;
  }
}

const checkClaim = (index: number, entryTerm: number, leaderTerm: number): void =>
  assert.ok(
    entryTerm === leaderTerm,
    `the leader of term ${leaderTerm} has committed entry ${index} of term ${entryTerm} by counting its copies`,
  );
