// The limits of a connection. Each comment says what happens beyond the limit.

/** The largest payload of a client's frame (RFC 9113 §4.2: the minimum that must be allowed). Beyond: FRAME_SIZE_ERROR. */
export const maxFrameBytes = 16_384;

/** The maximum size of HPACK's dynamic table of a client. A client that sets more is disconnected: COMPRESSION_ERROR. */
export const headerTableBytes = 4_096;

/** Fields of one request. Beyond: the stream is reset. */
export const maxHeaderFields = 1_000;

/** Bytes of these fields by RFC 9113 §6.5.2 (32 for each beside its text). Beyond: the stream is reset. */
export const maxHeaderListBytes = 256 * 1024;

/** Bytes of one encoded header block. Beyond: ENHANCE_YOUR_CALM. */
export const maxHeaderBlockBytes = 256 * 1024;

/** CONTINUATION frames of one header block. Beyond: ENHANCE_YOUR_CALM. */
export const maxContinuations = 64;

/**
 * Concurrent streams of a connection, unless a flag sets a lower limit. A further one is refused: the client may retry it
 * elsewhere.
 */
export const maxStreams = 100_000;

/** The client's flow-control window on a stream, in bytes. Restored when half of it is used. */
export const streamWindowBytes = 256 * 1024;

/** The client's flow-control window on its connection, in bytes. Restored when half of it is used. */
export const connectionWindowBytes = 1024 * 1024;

/**
 * Bytes of incomplete messages on one connection. Beyond: the call ends with RESOURCE_EXHAUSTED. The first message always fits,
 * as `--max-request-bytes` bounds it.
 */
export const maxPartialBytes = 64 * 1024 * 1024;

/** The same limit for all connections together; the first message always fits, too. */
export const maxPartialBytesOfAll = 256 * 1024 * 1024;

/** Bytes of output in addition to the current write to the socket; beyond, answers wait in the queues of their streams. */
export const maxGatheredBytes = 128 * 1024;

/** The approximate number of bytes of answers in pieces that one sweep copies for a connection: 2 ms. The next sweep copies more. */
export const maxCopiedBytes = 2 * 1024 * 1024;

/** Bytes of a status text, which may quote the client; it fits in a frame and in a chunk of output. Beyond: the text is cut. */
export const maxStatusTextBytes = 8 * 1024;

/** Bytes of output at which a connection is not read until its client has read some of them. */
export const maxUnreadBytes = 256 * 1024;

/** Streams that a client may reset in a burst before they are answered. Beyond: ENHANCE_YOUR_CALM. */
export const resetBurst = 10_000;

/** Resets per second after the burst. */
export const resetsPerSecond = 1_000;

/** Frames without effect (SETTINGS, empty DATA, PRIORITY, unknown types) in a burst. Beyond: ENHANCE_YOUR_CALM. */
export const idleFrameBurst = 1_000;

/** Frames without effect per second after the burst. */
export const idleFramesPerSecond = 100;

/** The time to complete a frame or a header block, in milliseconds. Beyond: the connection ends. */
export const maxIncompleteMs = 30_000;

/** Cached literal header fields, over all connections. A new one replaces an old one. */
export const cachedLiterals = 1_024;

/** Bytes of a cached literal. A longer one is decoded each time. */
export const maxCachedLiteralBytes = 256;

/** Cached request heads of a connection: a client of etcd calls few methods at a time. A new one replaces an old one. */
export const rememberedHeads = 8;

/** Bytes of the fields of a cached head. A larger one is built each time. */
export const maxRememberedHeadBytes = 2 * 1024;

/** The time to send the last frames and for the client to close, once a connection is over; in milliseconds. */
export const lingerMs = 1_000;

/**
 * The interval, at a stop, in which a client must read some of its last answers, and close after all of them; in milliseconds.
 * Beyond: the connection is closed.
 */
export const drainCheckMs = 500;

/**
 * Closed streams that a connection records, to distinguish a late frame from a wrong one. Beyond: a late frame is answered by a
 * reset.
 */
export const rememberedStreams = 32;

/** The size of a chunk of output memory, in bytes. */
export const chunkBytes = 16 * 1024;

/** Free chunks in the pool. Beyond: a chunk is left to the garbage collector. */
export const maxFreeChunks = 256;

/** The size of a chunk for a TLS connection with more output: room for the maximum of output, so that it is one piece. */
export const largeChunkBytes = maxGatheredBytes + 2 * chunkBytes;

/** Free large chunks in the pool. Beyond: a chunk is left to the garbage collector. */
export const maxFreeLargeChunks = 32;
