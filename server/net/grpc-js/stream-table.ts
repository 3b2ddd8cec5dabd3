/** Bits of a stream's state: a side that has ended sends no more. */
const clientEnded = 1;
const serverEnded = 2;

/** The streams of a connection that are open on either side, derived from the frames of both directions. */
export class StreamTable {
  private readonly open = new Map<number, number>();
  private last = 0;
  private isFrozen = false;

  /** The client's newest stream; 0: none. */
  get newest(): number {
    return this.last;
  }

  /** Whether any stream has an incomplete answer. */
  get hasOpenCalls(): boolean {
    return this.unanswered > 0;
  }
  private unanswered = 0;

  /** The number of open streams. */
  get size(): number {
    return this.open.size;
  }

  isOpen(stream: number): boolean {
    return this.open.has(stream);
  }

  /** Whether the client may send on the stream. */
  isOpenForClient(stream: number): boolean {
    const ended = this.open.get(stream);
    return ended !== undefined && (ended & clientEnded) === 0;
  }

  /** Handles headers of the client: of a new stream, or trailers. */
  handleHeaders(stream: number): void {
    if (stream <= this.last || this.isFrozen) return;
    this.last = stream;
    this.open.set(stream, 0);
    this.unanswered += 1;
  }

  /** Ignores new streams: the server has sent GOAWAY. */
  freeze(): void {
    this.isFrozen = true;
  }

  endOfClient(stream: number): void {
    this.endSide(stream, clientEnded);
  }

  endOfServer(stream: number): void {
    this.endSide(stream, serverEnded);
  }

  /** Removes a stream that either side has reset. */
  reset(stream: number): void {
    this.endSide(stream, clientEnded | serverEnded);
  }

  private endSide(stream: number, side: number): void {
    const ended = this.open.get(stream);
    if (ended === undefined) return;
    if ((ended & serverEnded) === 0 && (side & serverEnded) !== 0) this.unanswered -= 1;
    if ((ended | side) === (clientEnded | serverEnded)) this.open.delete(stream);
    else this.open.set(stream, ended | side);
  }
}
