// The encoding of messages between members: one byte of kind, then the fields in the order of core/types.ts.
// A change here is a new version of the peer protocol; members compare versions when a link opens.
import type { LogIndex, PeerMessage, Term, Vote } from "../core/index.js";
import { ByteReader, ByteWriter } from "./bytes.js";
import { mostBytesOfRun, readRun, writeRun } from "./entries.js";

/** The number of each kind on the wire. A number is never used for another kind. */
const kindCode = {
  preVote: 1,
  preVoteReply: 2,
  vote: 3,
  voteReply: 4,
  append: 5,
  appendReply: 6,
  heartbeat: 7,
  heartbeatReply: 8,
  forwardedProposal: 9,
  forwardedRead: 10,
  forwardedReadReply: 11,
  timeoutNow: 12,
  commit: 13,
} as const satisfies Record<PeerMessage["kind"], number>;

/** Encodes a message. @throws RangeError if an append's entries do not continue its `prevIndex` and `prevTerm` */
export const encodePeerMessage = (message: PeerMessage): Uint8Array => {
  const writer = new ByteWriter(mostBytesOf(message, Infinity));
  writePeerMessage(writer, message);
  return writer.writtenBytes();
};

/** The initial size of a buffer of messages, in bytes. */
const initialBufferBytes = 16 * 1024;

/** The length from which the data of entries and proposals is not copied: below it, a copy costs less than one more piece to send. */
const attachedFrom = 16 * 1024;

/** Encodes messages one after the other, each after a header that the caller fills in, into one reused buffer. */
export class PeerMessageBuffer {
  private writer = new ByteWriter(initialBufferBytes, attachedFrom);

  /** @param fillHeader fills in the header: the first `headerBytes` of `first`. The message is the remainder of `first`, then `rest` */
  constructor(
    private readonly headerBytes: number,
    private readonly fillHeader: (first: Uint8Array, rest: readonly Uint8Array[]) => void,
  ) {}

  /**
   * Encodes `messages`.
   *
   * @returns pieces to send one after the other, valid until the next call unless `keepBytes` is called before it. Large data is
   * a piece of its own and not copied
   */
  encode(messages: readonly PeerMessage[]): readonly Uint8Array[] {
    const { writer } = this;
    writer.reset();
    let most = 0;
    for (const message of messages) most += this.headerBytes + mostBytesOf(message, attachedFrom);
    writer.ensureRoom(most);
    for (const message of messages) {
      const start = writer.length;
      writer.skipBytes(this.headerBytes);
      writePeerMessage(writer, message);
      const [first, ...rest] = writer.pieces(start);
      this.fillHeader(first, rest);
    }
    return writer.pieces();
  }

  /** Keeps the pieces of the last `encode` valid: the next call encodes into a new buffer. */
  keepBytes(): void {
    this.writer = new ByteWriter(initialBufferBytes, attachedFrom);
  }
}

/** An upper bound of a message without data: numbers take up to 8 bytes. */
const mostBytesWithoutData = 56;

/**
 * Returns an upper bound of a message's size, without data of `attachedAt` bytes or more, so that a large message is not copied as its
 * buffer grows.
 */
const mostBytesOf = (message: PeerMessage, attachedAt: number): number => {
  if (message.kind === "forwardedProposal")
    return mostBytesWithoutData + (message.data.length < attachedAt ? message.data.length : 0);
  return mostBytesWithoutData + (message.kind === "append" ? mostBytesOfRun(message.entries, attachedAt) : 0);
};

const writePeerMessage = (writer: ByteWriter, message: PeerMessage): void => {
  writer.writeByte(kindCode[message.kind]);
  switch (message.kind) {
    case "preVote":
    case "vote":
      writer.writeNumbers(message.term, message.lastIndex, message.lastTerm);
      writer.writeFlag(message.transfer);
      return;
    case "preVoteReply":
    case "voteReply":
      writer.writeNumber(message.term);
      writer.writeFlag(message.granted);
      return;
    case "append":
      writer.writeNumbers(message.term, message.prevIndex, message.prevTerm, message.commit);
      writeRun(writer, message.entries, { index: message.prevIndex, term: message.prevTerm });
      return;
    case "appendReply":
      writer.writeNumber(message.term);
      writer.writeFlag(message.accepted);
      writer.writeNumbers(message.index, message.hintIndex, message.hintTerm);
      return;
    case "heartbeat":
      writer.writeNumbers(message.term, message.commit, message.round);
      return;
    case "heartbeatReply":
      writer.writeNumbers(message.term, message.round);
      return;
    case "commit":
      writer.writeNumbers(message.term, message.commit);
      return;
    case "timeoutNow":
      writer.writeNumbers(message.term, message.lastIndex);
      return;
    case "forwardedProposal":
      writer.writeBytes(message.data);
      return;
    case "forwardedRead":
      writer.writeNumber(message.request);
      return;
    case "forwardedReadReply":
      writer.writeNumbers(message.request, message.index);
      return;
    default:
      assertNever(message);
  }
};

/**
 * Decodes a message. Entries and proposals are views into `bytes`, and an append's entries follow its `prevIndex` and
 * `prevTerm` without a gap. The core validates the values.
 *
 * @throws MalformedMessageError if `bytes` are not exactly one message
 */
export const decodePeerMessage = (bytes: Uint8Array): PeerMessage => {
  const reader = new ByteReader(bytes);
  const message = readPeerMessage(reader);
  reader.expectEnd();
  return message;
};

const readPeerMessage = (reader: ByteReader): PeerMessage => {
  const code = reader.readByte();
  switch (code) {
    case kindCode.preVote:
      return { kind: "preVote", ...readCandidacy(reader) };
    case kindCode.preVoteReply:
      return { kind: "preVoteReply", term: readTerm(reader), granted: reader.readFlag() };
    case kindCode.vote:
      return { kind: "vote", ...readCandidacy(reader) };
    case kindCode.voteReply:
      return { kind: "voteReply", term: readTerm(reader), granted: reader.readFlag() };
    case kindCode.append: {
      const head = {
        term: readTerm(reader),
        prevIndex: readIndex(reader),
        prevTerm: readTerm(reader),
        commit: readIndex(reader),
      };
      return { kind: "append", ...head, entries: readRun(reader, { index: head.prevIndex, term: head.prevTerm }) };
    }
    case kindCode.appendReply:
      return {
        kind: "appendReply",
        term: readTerm(reader),
        accepted: reader.readFlag(),
        index: readIndex(reader),
        hintIndex: readIndex(reader),
        hintTerm: readTerm(reader),
      };
    case kindCode.heartbeat:
      return { kind: "heartbeat", term: readTerm(reader), commit: readIndex(reader), round: reader.readNumber() };
    case kindCode.heartbeatReply:
      return { kind: "heartbeatReply", term: readTerm(reader), round: reader.readNumber() };
    case kindCode.commit:
      return { kind: "commit", term: readTerm(reader), commit: readIndex(reader) };
    case kindCode.timeoutNow:
      return { kind: "timeoutNow", term: readTerm(reader), lastIndex: readIndex(reader) };
    case kindCode.forwardedProposal:
      return { kind: "forwardedProposal", data: reader.readBytes() };
    case kindCode.forwardedRead:
      return { kind: "forwardedRead", request: reader.readNumber() };
    case kindCode.forwardedReadReply:
      return { kind: "forwardedReadReply", request: reader.readNumber(), index: readIndex(reader) };
    default:
      throw reader.malformedError(`no message has kind ${code}`);
  }
};

const readCandidacy = (reader: ByteReader): Omit<Vote, "kind"> => ({
  term: readTerm(reader),
  lastIndex: readIndex(reader),
  lastTerm: readTerm(reader),
  transfer: reader.readFlag(),
});
const readTerm = (reader: ByteReader): Term => reader.readNumber() as Term;
const readIndex = (reader: ByteReader): LogIndex => reader.readNumber() as LogIndex;

const assertNever = (message: never): never => {
  throw new TypeError(`Cannot encode ${JSON.stringify(message)}: unknown kind`);
};
