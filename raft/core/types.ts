// The types of consensus: entries, messages between members, inputs and outputs of the core.

import type { Configuration, LogBase } from "./configuration.js";
import type { LogIndex, LogPosition, MemberId, Term } from "./ids.js";

/** An entry without content, with which a leader starts its term. Raft paper §8. */
export interface EmptyEntry extends LogPosition {
  readonly kind: "empty";
}
/** An entry with a command for the state machine. Raft paper §5.3. */
export interface CommandEntry extends LogPosition {
  readonly kind: "command";
  readonly data: Uint8Array;
}
/** An entry that changes the members: its configuration is in force as soon as it is appended. Raft thesis §4.1. */
export interface ConfigurationEntry extends LogPosition {
  readonly kind: "configuration";
  readonly configuration: Configuration;
}

/** A slot of the replicated log. */
export type Entry = EmptyEntry | CommandEntry | ConfigurationEntry;

/** The persistent state beside the entries. Raft paper, figure 2. `commit` may be old: a new commit index alone is not written. */
export interface HardState {
  readonly term: Term;
  /** The candidate that received this member's vote in `term`; `noMember` if none. Paper: `votedFor`. */
  readonly vote: MemberId;
  readonly commit: LogIndex;
}

/** Asks whether an election would succeed, without raising a term. Raft thesis §9.6. */
export interface PreVote {
  readonly kind: "preVote";
  /** The term of the election: the sender's term + 1. */
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The leader sent TimeoutNow, so an active leader is no reason to refuse. Raft thesis §3.10. */
  readonly transfer: boolean;
}
/** Answers a PreVote. */
export interface PreVoteReply {
  readonly kind: "preVoteReply";
  /** Granted: the term of the request. Refused: the replier's own term. */
  readonly term: Term;
  readonly granted: boolean;
}
/** RequestVote. Raft paper §5.2, §5.4. */
export interface Vote {
  readonly kind: "vote";
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The leader sent TimeoutNow, as in the PreVote before. */
  readonly transfer: boolean;
}
/** Answers RequestVote. */
export interface VoteReply {
  readonly kind: "voteReply";
  readonly term: Term;
  readonly granted: boolean;
}
/** AppendEntries; one without entries only asks whether the logs match at `prevIndex`. Raft paper §5.3. */
export interface Append {
  readonly kind: "append";
  readonly term: Term;
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly commit: LogIndex;
  readonly entries: readonly Entry[];
}
/** Answers an append. Raft paper §5.3, with the hint of its last paragraphs. */
export interface AppendReply {
  readonly kind: "appendReply";
  readonly term: Term;
  /** Tells whether the log held `prevIndex` with `prevTerm`. */
  readonly accepted: boolean;
  /** Accepted: the last index known to match. Refused: the `prevIndex` that did not. */
  readonly index: LogIndex;
  /** Refused: the greatest index at or before `index` where the logs may match, and its term. Paper §5.3, end. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}
/**
 * The leader's periodic message; in the paper an AppendEntries without entries. `round` numbers the quorum rounds that ReadIndex
 * waits for. Raft paper §5.2, thesis §6.4.
 */
export interface Heartbeat {
  readonly kind: "heartbeat";
  readonly term: Term;
  /** The commit index, at most the receiver's match. */
  readonly commit: LogIndex;
  readonly round: number;
}
/** Answers a heartbeat. */
export interface HeartbeatReply {
  readonly kind: "heartbeatReply";
  readonly term: Term;
  readonly round: number;
}
/** Carries the commit index at once, and is not answered: reads, watchers and clients at the receiver wait for it. */
export interface Commit {
  readonly kind: "commit";
  readonly term: Term;
  /** The commit index, at most the last entry sent to the receiver. */
  readonly commit: LogIndex;
}
/** Asks the transferee, which holds the leader's whole log, to campaign at once. Raft thesis §3.10. */
export interface TimeoutNow {
  readonly kind: "timeoutNow";
  readonly term: Term;
  /** The last index of both logs; a receiver whose log has grown ignores the message as late. */
  readonly lastIndex: LogIndex;
}
/** A proposal that a follower forwards to the leader. A receiver that does not lead drops it. */
export interface ForwardedProposal {
  readonly kind: "forwardedProposal";
  readonly data: Uint8Array;
}
/** A read that a follower forwards to the leader; `request` is the follower's number of it. */
export interface ForwardedRead {
  readonly kind: "forwardedRead";
  readonly request: number;
}
/** Answers a forwarded read with its read index. Raft thesis §6.4. */
export interface ForwardedReadReply {
  readonly kind: "forwardedReadReply";
  readonly request: number;
  readonly index: LogIndex;
}

/** A message between members. */
export type PeerMessage =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | Commit
  | TimeoutNow
  | ForwardedProposal
  | ForwardedRead
  | ForwardedReadReply;

/** A message and its receiver. */
export interface Outgoing {
  readonly to: MemberId;
  readonly message: PeerMessage;
}

/** An event that the core is stepped with. Time is an event, too: one tick is `tickMs` of the driver. */
export type Input =
  | { readonly kind: "tick" }
  | { readonly kind: "receive"; readonly from: MemberId; readonly message: PeerMessage }
  /** Proposes `data`; `proposal` is the caller's number of it, returned in a refusal. */
  | { readonly kind: "propose"; readonly proposal: number; readonly data: Uint8Array }
  /** Starts a linearizable read; `request` is the caller's number of it, returned in a read state or a refusal. */
  | { readonly kind: "readIndex"; readonly request: number }
  /** A new connection to `peer` is open. Messages to the peer that were sent before without an answer may be lost. */
  | { readonly kind: "linkOpened"; readonly peer: MemberId }
  /** The connection to `peer` closed. */
  | { readonly kind: "linkClosed"; readonly peer: MemberId }
  /** The snapshot for `peer` has ended, successful or not: the leader probes its log. */
  | { readonly kind: "snapshotEnded"; readonly peer: MemberId }
  | ({ readonly kind: "snapshotReceived" } & ReceivedSnapshot)
  /** The state machine holds the snapshot that `takeInstall` returned, and with it the configuration at its position. */
  | { readonly kind: "snapshotInstalled"; readonly configuration: Configuration }
  /** Proposes the next configuration to the leader, which must be this member; a refusal returns `proposal`. Raft thesis §4.1. */
  | { readonly kind: "proposeConfiguration"; readonly proposal: number; readonly configuration: Configuration }
  /** Transfers leadership to `to`; undefined chooses the follower with the longest log. */
  | { readonly kind: "transferLeadership"; readonly to: MemberId | undefined };

/** A received snapshot, complete and verified, not yet installed. */
export interface ReceivedSnapshot {
  readonly from: MemberId;
  /** The term in which `from` led when it sent the snapshot. */
  readonly leaderTerm: Term;
  /** The position of the last entry that it contains. */
  readonly position: LogPosition;
}

/** A confirmed read: it may be answered once `index` is applied. Raft thesis §6.4. */
export interface ReadState {
  readonly request: number;
  readonly index: LogIndex;
}

/**
 * The reason of a refusal. `no-leader`: no leader is known, or the leader has changed or not answered before a read was confirmed.
 * `too-many`: the uncommitted bytes, or a queue, have reached their limit. `transferring`: a leadership transfer is under way; it ends
 * within an election timeout. `changing-members`: the configuration before is not committed yet, or no entry of the leader's term is.
 */
export type RefusalReason = "no-leader" | "too-many" | "transferring" | "changing-members";

/** A proposal or read that was not accepted. Nothing of it is in any log; the caller may try again. */
export interface Refusal {
  readonly kind: "proposal" | "read";
  /** The caller's number of the proposal or read. */
  readonly number: number;
  readonly reason: RefusalReason;
}

/** An event for the member around the core. */
export type Notice =
  /** `peer` needs compacted entries: a snapshot. The driver answers, once, with `snapshotEnded`. Raft paper §7. */
  | { readonly kind: "snapshotNeeded"; readonly peer: MemberId }
  /** The received snapshot is refused: its leader is of an older term, the log already holds as much, or another one is being installed. */
  | { readonly kind: "snapshotRefused"; readonly position: LogPosition }
  /** The end of all transfer requests: `ok` if the transferee leads. */
  | { readonly kind: "transferEnded"; readonly ok: boolean };

/** A write for the log on disk, and the messages to send once it is durable. */
export type Unsaved = UnsavedBatch | UnsavedRestart;

/** A write of entries and hard state. */
export interface UnsavedBatch {
  readonly restart: undefined;
  /** The hard state; undefined if unchanged since the last write. */
  readonly hardState: HardState | undefined;
  /** Replace the log from `entries[0].index` on. May be empty. */
  readonly entries: readonly Entry[];
  /** Votes, vote requests, acknowledgements and others that depend on this write: sent only once it is durable. */
  readonly replies: readonly Outgoing[];
}

/** A write that restarts the log after an installed snapshot. */
export interface UnsavedRestart {
  /** The new base of the log, which is empty. */
  readonly restart: LogBase;
  readonly hardState: HardState;
  readonly entries: readonly [];
  readonly replies: readonly Outgoing[];
}

/** The role of a member in its term. Raft paper §5.1; pre-candidate: thesis §9.6. */
export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** The state of the core, for status answers, logs and tests. */
export interface CoreStatus {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: Term;
  readonly vote: MemberId;
  /** The known leader; `noMember` if there is none. */
  readonly leader: MemberId;
  readonly commit: LogIndex;
  /** The position before the first entry; everything up to it is only in the state machine. */
  readonly base: LogBase;
  /** The configuration in force: the newest one in the log, committed or not. Raft thesis §4.1. */
  readonly configuration: Configuration;
  readonly lastIndex: LogIndex;
  /** The last index known to be on this member's disk. */
  readonly savedIndex: LogIndex;
}
