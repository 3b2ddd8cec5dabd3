import { frameFlag, frameType } from "../http2/index.js";
import { maxNodeFrameBytes, type FrameHeader } from "./http2-frames.js";
import type { StreamTable } from "./stream-table.js";

/** The maximum number of requests that reach Node in one tick. Node ends a connection after it has refused a hundred streams. */
const maxRequestsAtOnce = 32;

/** Bytes up to and including the headers of a request; the last piece may have no headers. */
interface Piece {
  readonly bytes: Buffer[];
  /** Whether these bytes cannot make Node end an earlier request. */
  isHarmless: boolean;
}

/**
 * Bytes for Node, and the part of them that it may read in one tick. Node reports a new stream one tick after it has read the
 * headers; until then the stream must stay open, as its handlers rely on it. The headers of a request are therefore the last
 * bytes of a tick, with one exception, for speed: further requests and their data, as every client sends them. Neither can end
 * an earlier request, as long as
 *
 * - no stream gets more data than its headers declare: none declares a length;
 * - Node does not end the connection for too many streams: no more are open than it has accepted before, and it has reset none.
 */
export class NodeInput {
  /** Bytes in the queue. */
  size = 0;
  private pieces: Piece[] = [];
  /** Whether further frames go to the last piece. */
  private isOpen = false;
  private mostStreams = 0;
  private declaresLength = false;
  private hasReset = false;

  constructor(private readonly streams: StreamTable) {}

  /** Begins a frame that `streams` does not know yet; its bytes follow. */
  beginFrame(header: FrameHeader): void {
    const piece = this.lastPiece();
    piece.isHarmless &&= this.isHarmless(header);
  }

  add(bytes: Buffer): void {
    this.lastPiece().bytes.push(bytes);
    this.size += bytes.length;
  }

  /** Ends a piece: headers are complete, and `streams` knows the request. */
  endHeaders(declaresLength: boolean): void {
    this.declaresLength ||= declaresLength;
    this.mostStreams = Math.max(this.mostStreams, this.streams.size);
    this.isOpen = false;
  }

  /** Called when Node has reset a stream itself: from now on each request has a tick of its own. */
  onReset(): void {
    this.hasReset = true;
  }

  /** Removes and returns the bytes of one tick. */
  takeBytes(): Buffer | undefined {
    const [first] = this.pieces;
    if (first === undefined) return undefined;
    let count = 1;
    while (count < maxRequestsAtOnce && !this.hasReset && this.pieces[count]?.isHarmless === true) count += 1;
    const parts = count === 1 ? first.bytes : this.pieces.slice(0, count).flatMap(({ bytes }) => bytes);
    this.pieces.splice(0, count);
    if (this.pieces.length === 0) this.isOpen = false;
    const bytes = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
    this.size -= bytes.length;
    return bytes;
  }

  private lastPiece(): Piece {
    const last = this.isOpen ? this.pieces.at(-1) : undefined;
    if (last !== undefined) return last;
    const piece = { bytes: [], isHarmless: true };
    this.pieces.push(piece);
    this.isOpen = true;
    return piece;
  }

  private isHarmless({ type, flags, stream, length }: FrameHeader): boolean {
    if (length > maxNodeFrameBytes) return false;
    if (type === frameType.data)
      return (flags & ~frameFlag.endStream) === 0 && !this.declaresLength && this.streams.isOpenForClient(stream);
    const isPlain = (flags | frameFlag.endStream) === (frameFlag.endStream | frameFlag.endHeaders);
    const isNew = stream % 2 === 1 && stream > this.streams.newest;
    return type === frameType.headers && isPlain && isNew && this.streams.size < this.mostStreams;
  }
}
