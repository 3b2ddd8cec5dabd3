// The limits of a member. Each comment says what happens beyond the limit.

/**
 * The maximum number of pending proposals of a member; a further one is refused: too many requests. The size of replicated
 * state depends on it (`SeenProposals`), so it is the same on every member.
 */
export const maxPendingProposals = 5_000;

/** The maximum number of bytes of a member's pending proposals; beyond it a further one is refused: too many requests. */
export const maxPendingProposalBytes = 128 * 1024 * 1024;

/**
 * The maximum number of retransmitted proposals in flight to a new leader; the next follow when these are applied. Far less than
 * a leader accepts without the answer of a majority (`maxUncommittedBytes`).
 */
export const maxRepeats = 512;
/** The maximum number of bytes of retransmitted proposals in flight; the next follow when these are applied. */
export const maxRepeatBytes = 4 * 1024 * 1024;

/** The maximum number of linearizable reads that wait for their quorum round; a further one is refused: too many requests. */
export const maxPendingReads = 20_000;

/** The maximum number of pending calls of a member to its leader; a further one is refused: too many requests. */
export const maxPendingCalls = 20_000;

/**
 * The maximum number of calls of one member that the leader serves at a time; a further one is dropped, and that member
 * retransmits it.
 */
export const maxServedCalls = 20_000;

/**
 * The maximum number of keep-alives of one stream that are in progress or untaken; a further one ends the stream: too many
 * requests.
 */
export const maxKeepAlivesPerStream = 10_000;

/**
 * The maximum number of unanswered requests and untaken answers of one reflection stream; a further request ends the stream: too
 * many requests. An answer has up to 60 KiB.
 */
export const maxReflectionsPerStream = 100;

/** The maximum number of bytes that a message may have in addition to the largest proposal, for its framing (etcd: 512 KiB). */
export const messageOverheadBytes = 512 * 1024;

/**
 * The maximum number of messages on a stream that are not yet written to the client's socket; at the limit the sender waits.
 * Under load, this joins many small messages to a few large ones.
 */
export const maxUnsentMessages = 256;
/** The maximum number of bytes on a stream that are not yet written to the client's socket; at the limit the sender waits. */
export const maxUnsentBytes = 1024 * 1024;

/** The maximum number of watchers on one stream; a further one is refused: created and canceled in one answer. */
export const maxWatchersPerStream = 100_000;

/**
 * The maximum number of queued answers of a watch stream whose client does not read; a further one ends the stream: too many
 * requests.
 */
export const maxResponsesWhileFull = 10_000;

/**
 * The maximum number of waiting calls of Lock and Election on a member, and observers of elections; a further one is refused: too
 * many requests.
 */
export const maxQueuedCalls = 10_000;

/**
 * The maximum number of queued passwords of a member, of logins and of changes of users; a further one is refused: too many
 * requests.
 */
export const maxQueuedPasswords = 100;

/** The maximum number of client connections that wait for the member to become ready; a further one is closed at once. */
export const maxConnectionsBeforeReady = 1_000;

/**
 * The maximum number of concurrent client connections, if the process may open that many files (`descriptors.ts`); a further one
 * is closed at once.
 */
export const maxClientConnections = 20_000;

/** The maximum number of unknown connections on the peer port, if there are descriptors; a further one is closed at once. */
export const maxUnknownPeerConnections = 100;

/** The time after which a client connection whose protocol is still unknown is closed, in milliseconds. */
export const maxPrefaceMs = 30_000;

/** The time for the complete head of the first request of an HTTP/1.1 connection, in milliseconds; then it is closed. */
export const maxHttpRequestMs = 30_000;

/**
 * The time until the first request of a client connection, in milliseconds; then it gets a GOAWAY and is closed (the same time
 * as in grpc-go).
 */
export const maxConnectionWithoutRequestMs = 120_000;

/**
 * Bytes of untaken answers, over all connections, up to which every answer is kept. Beyond it, a connection with
 * `maxUntakenBytesOfConnection` is refused further reads (too many requests), and a connection with `maxStalledUntakenBytes`
 * whose client reads nothing is closed.
 */
export const untakenBytesUnderPressure = 128 * 1024 * 1024;
/** Bytes of untaken answers, over all connections, beyond which every read is refused: too many requests. */
export const maxUntakenBytes = 512 * 1024 * 1024;
/** Bytes of untaken answers of a connection, beyond which its reads are refused under pressure. */
export const maxUntakenBytesOfConnection = 4 * 1024 * 1024;
/** Bytes of untaken answers of a connection whose client reads nothing, beyond which it is closed under pressure. */
export const maxStalledUntakenBytes = 256 * 1024;
