import { frameFlag, frameType, maxFrameBytes, type FrameHeader } from "./http2-frames.js";
import type { StreamTable } from "./stream-table.js";

/** Requests that reach Node in one tick. It ends a connection at once after it has refused a hundred streams. */
const maxRequestsAtOnce = 32;

/** Bytes up to the headers of a request and including them; the last piece may have none. */
interface Piece {
  readonly bytes: Buffer[];
  /** Tells that these bytes cannot make Node end a request before them. */
  isHarmless: boolean;
}

/**
 * Bytes for Node, and how much of them it may read in one tick. Node tells of a new stream a tick after it has read its headers; until
 * then the stream must stay open, as its handlers rely on it. So the headers of a request are the last that Node reads in a tick,
 * with one exception, for the sake of speed: further requests and their data, as every
 * client sends them. Neither can end the request before them, as long as
 *
 * - no stream gets more data than its headers declare: none declares a length;
 * - Node does not end the connection for too many streams: no more are open than it has taken before, and it has reset none.
 */
export class NodeInput {
  /** Bytes that wait. */
  size = 0;
  private pieces: Piece[] = [];
  /** Frames go to the last piece. */
  private isOpen = false;
  private mostStreams = 0;
  private declaresLength = false;
  private hasReset = false;

  constructor(private readonly streams: StreamTable) {}

  /** A frame comes, of which `streams` does not know yet. Its bytes follow. */
  begin(header: FrameHeader): void {
    const piece = this.last();
    piece.isHarmless &&= this.isHarmless(header);
  }

  add(bytes: Buffer): void {
    this.last().bytes.push(bytes);
    this.size += bytes.length;
  }

  /** Headers are complete; `streams` knows of the request. */
  endHeaders(declaresLength: boolean): void {
    this.declaresLength ||= declaresLength;
    this.mostStreams = Math.max(this.mostStreams, this.streams.size);
    this.isOpen = false;
  }

  /** Node has reset a stream of its own accord: from now on each request has a tick of its own. */
  onReset(): void {
    this.hasReset = true;
  }

  /** Takes out what Node may read in one tick. */
  take(): Buffer | undefined {
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

  private last(): Piece {
    const last = this.isOpen ? this.pieces.at(-1) : undefined;
    if (last !== undefined) return last;
    const piece = { bytes: [], isHarmless: true };
    this.pieces.push(piece);
    this.isOpen = true;
    return piece;
  }

  private isHarmless({ type, flags, stream, length }: FrameHeader): boolean {
    if (length > maxFrameBytes) return false;
    if (type === frameType.data)
      return (flags & ~frameFlag.endStream) === 0 && !this.declaresLength && this.streams.isOpenForClient(stream);
    const isPlain = (flags | frameFlag.endStream) === (frameFlag.endStream | frameFlag.endHeaders);
    const isNew = stream % 2 === 1 && stream > this.streams.newest;
    return type === frameType.headers && isPlain && isNew && this.streams.size < this.mostStreams;
  }
}
