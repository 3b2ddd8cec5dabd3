// The bounds of a member, in one place. Each says what happens there.

/**
 * Proposals a member may have under way; one more is refused: too many requests.
 * Replicated state is sized by it (`SeenProposals`), so it is the same on every member.
 */
export const maxPendingProposals = 5_000;

/** Bytes of the proposals a member may have under way; beyond it one more is refused: too many requests. */
export const maxPendingProposalBytes = 128 * 1024 * 1024;

/**
 * Proposals, and their bytes, that a new leader is sent at a time of those that its predecessor had or nobody; the next
 * follow as these are applied. Far less than what a leader takes without a majority's answer (`maxUncommittedBytes`).
 */
export const maxRepeats = 512;
export const maxRepeatBytes = 4 * 1024 * 1024;

/** Linearizable reads that may wait for their quorum round; one more is refused: too many requests. */
export const maxPendingReads = 20_000;

/** The pending calls of a member to its leader; one more is refused: too many requests. */
export const maxPendingCalls = 20_000;

/** The calls of one member that the leader serves at a time; one more is dropped, and that member retransmits it. */
export const maxServedCalls = 20_000;

/** Keep-alives of one stream whose answers are not there, or not taken; one more ends the stream: too many requests. */
export const maxKeepAlivesPerStream = 10_000;

/** Answers of one reflection stream that its client has not taken; one more ends the stream: too many requests. Each has up to 60 KiB. */
export const maxReflectionsPerStream = 100;

/** The bytes that a message may have beyond the largest proposal, for its framing (etcd: 512 KiB). */
export const messageOverheadBytes = 512 * 1024;

/**
 * Messages, and bytes, on a stream that its client has not taken yet. At either, whoever sends is told to wait; under
 * load it is the number that makes few messages with much in them out of many with little.
 */
export const maxUnsentMessages = 256;
export const maxUnsentBytes = 1024 * 1024;

/** Watchers on one stream; one more is refused: created and canceled in one answer. */
export const maxWatchersPerStream = 100_000;

/** Answers that wait on a watch stream whose client takes none; one more ends the stream: too many requests. */
export const maxRepliesWhileFull = 10_000;

/** Calls of Lock and Election that wait on a member, and observers of elections; one more is refused: too many requests. */
export const maxQueuedCalls = 10_000;

/**
 * Passwords, of logins and of changes of users, that a member hashes one after the other; one more is refused: too many requests.
 */
export const maxQueuedPasswords = 100;

/** Client connections that wait for the member to become ready; one more is closed at once. */
export const maxConnectionsBeforeReady = 1_000;

/** Client connections at a time, if the process may open that many files (`descriptors.ts`); one more is closed at once. */
export const maxClientConnections = 20_000;

/** Connections on the peer port that have not said who they are, if there are descriptors; one more is closed at once. */
export const maxUnknownPeerConnections = 100;

/** Time after which a client connection whose protocol is still unknown is closed. */
export const maxPrefaceMs = 30_000;

/** An HTTP/1.1 connection that has not sent the whole head of its first request is closed. */
export const maxHttpRequestMs = 30_000;

/** A client connection that has not begun a request is told to go and closed (as long as gRPC's servers in Go wait for a client). */
export const maxConnectionWithoutRequestMs = 120_000;

/**
 * Bytes of answers that clients do not take, over all connections. Up to the first, everything is kept; beyond it a connection
 * that has `maxUntakenBytesOfConnection` waiting is refused further reads (too many requests), and one that has
 * `maxStalledUntakenBytes` waiting and takes nothing is closed; from the second on, every read is refused.
 */
export const untakenBytesUnderPressure = 128 * 1024 * 1024;
export const maxUntakenBytes = 512 * 1024 * 1024;
export const maxUntakenBytesOfConnection = 4 * 1024 * 1024;
export const maxStalledUntakenBytes = 256 * 1024;
