// The vocabulary of consensus: what a log holds, what members say to each other, what the core owes its driver.

/** Election term: 0 before the first election, +1 per election. Raft paper §5.1. */
export type Term = number & { readonly __unit: "term" };

/** Position in the log. The first entry is 1; 0 means "before the log". */
export type LogIndex = number & { readonly __unit: "log index" };

/** A place in the log: an index, and the term of the entry there. By log matching, all that precedes it is known with it. Raft paper §5.3. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/** Before the first entry. */
export const logStart: LogPosition = { index: 0 as LogIndex, term: 0 as Term };

/** A member's random 64-bit identity. 0n is nobody. */
export type MemberId = bigint;

/** "No member": no vote given, no leader known. */
export const noMember: MemberId = 0n;

/** One slot of the replicated log. Empty `data` is the no-op a leader starts its term with. Raft paper §5.3, §8. */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly data: Uint8Array;
}

/** What must survive a crash beside the entries. Raft paper, figure 2 (`commit` is a hint, never worth a sync). */
export interface HardState {
  readonly term: Term;
  /** Whom this member voted for in `term`; `noMember` if nobody. */
  readonly vote: MemberId;
  readonly commit: LogIndex;
}

/** Asks whether a candidacy would succeed, without raising anybody's term. Raft thesis §9.6. */
export interface PreVote {
  readonly kind: "preVote";
  /** The term the candidacy would have: the sender's term + 1. */
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The leader asked for it, so that it works is no reason to refuse. Raft thesis §3.10. */
  readonly transfer: boolean;
}
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
  /** As in the `PreVote` before. */
  readonly transfer: boolean;
}
export interface VoteReply {
  readonly kind: "voteReply";
  readonly term: Term;
  readonly granted: boolean;
}
/** AppendEntries with entries. Raft paper §5.3. */
export interface Append {
  readonly kind: "append";
  readonly term: Term;
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly commit: LogIndex;
  readonly entries: readonly Entry[];
}
export interface AppendReply {
  readonly kind: "appendReply";
  readonly term: Term;
  /** Whether the log held `prevIndex` with `prevTerm`. */
  readonly accepted: boolean;
  /** Accepted: the last index known to match. Refused: the `prevIndex` that did not. */
  readonly index: LogIndex;
  /** Refused: the newest index at or before `index` where the logs might still agree, and its term. Paper §5.3, end. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}
/** AppendEntries without entries; `round` numbers the quorum rounds that ReadIndex waits for. Raft thesis §6.4. */
export interface Heartbeat {
  readonly kind: "heartbeat";
  readonly term: Term;
  /** Never beyond what the receiver is known to hold. */
  readonly commit: LogIndex;
  readonly round: number;
}
export interface HeartbeatReply {
  readonly kind: "heartbeatReply";
  readonly term: Term;
  readonly round: number;
}
/** The leader asks the receiver, which holds its whole log, to campaign at once. Raft thesis §3.10. */
export interface TimeoutNow {
  readonly kind: "timeoutNow";
  readonly term: Term;
  /** Where both logs end: once the receiver's has grown, the message is late and of no meaning. */
  readonly lastIndex: LogIndex;
}
/** A proposal on its way from a follower to the leader. Refused silently if the receiver is not the leader. */
export interface ForwardedProposal {
  readonly kind: "forwardedProposal";
  readonly data: Uint8Array;
}
/** A read on its way from a follower to the leader; `request` is the follower's number for it. */
export interface ForwardedRead {
  readonly kind: "forwardedRead";
  readonly request: number;
}
export interface ForwardedReadReply {
  readonly kind: "forwardedReadReply";
  readonly request: number;
  readonly index: LogIndex;
}

export type PeerMessage =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | TimeoutNow
  | ForwardedProposal
  | ForwardedRead
  | ForwardedReadReply;

/** A message and the member it goes to. */
export interface Outgoing {
  readonly to: MemberId;
  readonly message: PeerMessage;
}

/** Everything that can happen to the core. Time is a message: one tick is `tickMs` of the driver. */
export type Input =
  | { readonly kind: "tick" }
  | { readonly kind: "receive"; readonly from: MemberId; readonly message: PeerMessage }
  /** `proposal` is the caller's number for it, given back in a refusal. */
  | { readonly kind: "propose"; readonly proposal: number; readonly data: Uint8Array }
  /** `request` is the caller's number for it, given back in a read state or a refusal. */
  | { readonly kind: "readIndex"; readonly request: number }
  /** The connection to `peer` closed (not: is silent). */
  | { readonly kind: "linkClosed"; readonly peer: MemberId }
  /** The snapshot that `peer` needed was sent, or could not be: it is asked what it holds now. */
  | { readonly kind: "snapshotEnded"; readonly peer: MemberId }
  | ({ readonly kind: "snapshotReceived" } & ReceivedSnapshot)
  /** The state machine holds the snapshot that `takeInstall` gave. */
  | { readonly kind: "snapshotInstalled" }
  /** To whom leadership is to be handed over; undefined: to whoever holds most. */
  | { readonly kind: "transferLeadership"; readonly to: MemberId | undefined };

/** A whole snapshot, verified, that nothing was done with yet. */
export interface ReceivedSnapshot {
  readonly from: MemberId;
  /** The term that `from` led when it sent it. */
  readonly leaderTerm: Term;
  /** The last entry that it contains. */
  readonly position: LogPosition;
}

/** Read once everything up to `index` is applied. Raft thesis §6.4. */
export interface ReadState {
  readonly request: number;
  readonly index: LogIndex;
}

/**
 * `no-leader`: certain that it was not taken. `too-many`: the leader's uncommitted bytes, or a queue, are full.
 * `transferring`: leadership is being handed over; that ends within an election timeout.
 */
export type RefusalReason = "no-leader" | "too-many" | "transferring";

/** What was not taken. The caller may try again; nothing of it is in any log. */
export interface Refusal {
  readonly what: "proposal" | "read";
  /** The caller's own number of the proposal or read. */
  readonly number: number;
  readonly reason: RefusalReason;
}

/** What the member around the core should know. */
export type Notice =
  /** `peer` lacks entries that are not in the log any more. Answered, once, by `snapshotEnded`. Raft paper §7. */
  | { readonly kind: "snapshotNeeded"; readonly peer: MemberId }
  /** The snapshot received is of no use here: it is an old leader's, or this member holds as much. */
  | { readonly kind: "snapshotRefused"; readonly position: LogPosition }
  /** All requests to hand leadership over have ended: `ok` if the member that was to have it has it. */
  | { readonly kind: "transferEnded"; readonly ok: boolean };

/** One write for the log on disk, and what may leave once it is there. */
export type Unsaved = UnsavedBatch | UnsavedRestart;

export interface UnsavedBatch {
  readonly restart: undefined;
  /** Undefined: unchanged since the last write. */
  readonly hardState: HardState | undefined;
  /** Replace the log from `entries[0].index` on. May be empty. */
  readonly entries: readonly Entry[];
  /** Votes, vote requests, acknowledgements: they speak of what is durable, so they leave only after this write. */
  readonly replies: readonly Outgoing[];
}

/** A snapshot took the place of the whole log. */
export interface UnsavedRestart {
  /** The log begins anew after this, empty. */
  readonly restart: LogPosition;
  readonly hardState: HardState;
  readonly entries: readonly [];
  readonly replies: readonly Outgoing[];
}

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** A look at the core, for status answers, logs and tests. */
export interface CoreStatus {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: Term;
  readonly vote: MemberId;
  /** `noMember` while none is known. */
  readonly leader: MemberId;
  readonly commit: LogIndex;
  /** Everything up to here is only in the state machine. */
  readonly base: LogPosition;
  readonly lastIndex: LogIndex;
  /** The last index known to be on this member's disk. */
  readonly savedIndex: LogIndex;
}
