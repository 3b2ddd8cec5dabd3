// The bounds of a connection, in one place. Each says what happens there.

/** The largest payload of a frame that a client may send (RFC 9113 §4.2: the least that must be allowed). Beyond: FRAME_SIZE_ERROR. */
export const maxFrameBytes = 16_384;

/** The size of HPACK's dynamic table that a client may use. A client that sets more is closed: COMPRESSION_ERROR. */
export const headerTableBytes = 4_096;

/** Fields of one request. Beyond: the stream is reset. */
export const maxHeaderFields = 1_000;

/** Bytes of these fields by RFC 9113 §6.5.2 (32 for each beside its text). Beyond: the stream is reset. */
export const maxHeaderListBytes = 256 * 1024;

/** Bytes of one header block as it is sent. Beyond: ENHANCE_YOUR_CALM. */
export const maxHeaderBlockBytes = 256 * 1024;

/** CONTINUATION frames of one header block. Beyond: ENHANCE_YOUR_CALM. */
export const maxContinuations = 64;

/** Streams at a time on a connection where no flag says less. One more is refused: the client may try it elsewhere. */
export const maxStreams = 100_000;

/** The flow-control window that a client has on a stream. It opens again once half of it is used. */
export const streamWindowBytes = 256 * 1024;

/** The flow-control window that a client has on its connection. It opens again once half of it is used. */
export const connectionWindowBytes = 1024 * 1024;

/**
 * Bytes of messages that have begun to arrive, on one connection. One more ends its call: RESOURCE_EXHAUSTED. A first one
 * always fits, as `--max-request-bytes` bounds it.
 */
export const maxPartialBytes = 64 * 1024 * 1024;

/** The same on all connections together; there, too, a first one fits. */
export const maxPartialBytesOfAll = 256 * 1024 * 1024;

/** Bytes that are gathered for a connection before its client has taken those before; answers wait in their streams then. */
export const maxGatheredBytes = 128 * 1024;

/** Bytes gathered at which a connection is not read any more until its client takes some of them. */
export const maxUnreadBytes = 256 * 1024;

/** Streams that a client may reset at once before they are answered. Beyond: ENHANCE_YOUR_CALM. */
export const resetBurst = 10_000;

/** The same per second after that. */
export const resetsPerSecond = 1_000;

/** Frames that bring nothing (SETTINGS, empty DATA, PRIORITY, unknown types) at once. Beyond: ENHANCE_YOUR_CALM. */
export const idleFrameBurst = 1_000;

/** The same per second after that. */
export const idleFramesPerSecond = 100;

/** A frame or a header block that has begun, and is not complete after so long, ends its connection. */
export const maxIncompleteMs = 30_000;

/** Literal header fields that are remembered decoded, over all connections. A new one takes an old one's place. */
export const cachedLiterals = 1_024;

/** Bytes of a literal that is remembered. A longer one is decoded each time. */
export const maxCachedLiteralBytes = 256;

/** Heads of requests that a connection remembers: a client of etcd calls few methods at a time. A new one takes an old one's place. */
export const rememberedHeads = 8;

/** Bytes of the fields of a head that is remembered. A larger one is judged each time. */
export const maxRememberedHeadBytes = 2 * 1024;

/** The time that the last frames have to leave, and the client to close, once a connection is over. */
export const lingerMs = 1_000;

/** Closed streams that a connection remembers, to tell a late frame from a wrong one. An older one's late frame is answered by a reset. */
export const rememberedStreams = 32;

/** Memory in which bytes for clients are gathered, in one piece. */
export const chunkBytes = 16 * 1024;

/** Pieces of this memory that are kept for later use. More are left to the garbage collector. */
export const maxFreeChunks = 256;

/** The same memory for a connection with TLS that has more to send: room for all that is gathered at a time, so that it lies in one piece. */
export const largeChunkBytes = maxGatheredBytes + 2 * chunkBytes;

/** Pieces of that size that are kept for later use. */
export const maxFreeLargeChunks = 32;
