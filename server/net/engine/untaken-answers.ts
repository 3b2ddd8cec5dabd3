import type { Clock } from "../../../platform/index.js";
import {
  maxStalledUntakenBytes,
  maxUntakenBytes,
  maxUntakenBytesOfConnection,
  untakenBytesUnderPressure,
} from "../../base/index.js";

/**
 * The interval of checks under pressure, in milliseconds, and the number of checks without progress after which a connection is
 * closed.
 */
const lookMs = 1_000;
const maxLooksWithoutProgress = 5;
/** The bytes that count as progress: answers to pings are bytes, too. */
const minProgressBytes = 16 * 1024;

/** A connection with untaken answers. */
export interface AnsweredConnection {
  /** Bytes written to the socket: grows while the client reads. */
  readonly bytesWritten: number;
  destroy(): unknown;
}

/**
 * Counts the bytes of untaken answers over all connections and streams. Every answer is sent or kept while the sum is small.
 * Under pressure, a connection with many untaken bytes gets no more answers to reads, and is closed when its client has read
 * nothing for five seconds; above the bound, no connection gets any.
 *
 * One connection requests 200 values of 1 MiB and reads none: 129 are kept for it, the others are refused, and five seconds
 * later the connection is closed. Other clients get their values meanwhile.
 */
export class UntakenAnswers {
  private readonly connections = new Set<UntakenOfConnection>();
  private total = 0;
  private stopLooking: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    /** Called when a connection with this number of untaken bytes was closed. */
    private readonly onStalled: (bytes: number) => void,
  ) {}

  /** The sum of untaken bytes. */
  get bytes(): number {
    return this.total;
  }

  /** Whether a stream should pause until its client has read its answers. */
  get isPressed(): boolean {
    return this.total > untakenBytesUnderPressure;
  }

  /** Whether no connection gets an answer that can be refused. */
  get isFull(): boolean {
    return this.total >= maxUntakenBytes;
  }

  /** Adds a connection, until it is closed. */
  add(connection: AnsweredConnection): UntakenOfConnection {
    const untaken = new UntakenOfConnection(this, connection, (bytes) => this.change(bytes));
    this.connections.add(untaken);
    return untaken;
  }

  /** Removes a closed connection; its untaken answers are dropped. */
  delete(untaken: UntakenOfConnection): void {
    if (this.connections.delete(untaken)) untaken.close();
  }

  /** Ends the checks of connections. */
  stop(): void {
    this.stopLooking?.();
    this.stopLooking = undefined;
  }

  private change(bytes: number): void {
    this.total += bytes;
    if (this.isPressed) this.stopLooking ??= this.clock.every(lookMs, () => this.look());
    else if (this.stopLooking !== undefined) this.stop();
  }

  private look(): void {
    for (const untaken of [...this.connections]) {
      if (!untaken.isStalled()) continue;
      this.onStalled(untaken.bytes);
      untaken.connection.destroy(); // ends its calls, and drops their untaken answers
    }
  }
}

/** The untaken answers of one connection. */
export class UntakenOfConnection {
  private kept = 0;
  private isClosed = false;
  private looks = 0;
  /** Bytes written at the last progress. */
  private bytesWritten = 0;

  constructor(
    private readonly all: UntakenAnswers,
    readonly connection: AnsweredConnection,
    private readonly change: (bytes: number) => void,
  ) {}

  get bytes(): number {
    return this.kept;
  }

  /** Whether there is room for an answer that can be refused, as its request had no effect. */
  get hasRoom(): boolean {
    return !this.all.isPressed || (this.kept < maxUntakenBytesOfConnection && !this.all.isFull);
  }

  /** Whether a stream should pause until its client has read its answers. */
  get isPressed(): boolean {
    return this.all.isPressed;
  }

  /** Counts an untaken answer until `release` is called with the same number of bytes. */
  keep(bytes: number): void {
    if (this.isClosed) return;
    if (this.kept === 0) this.startChecking();
    this.kept += bytes;
    this.change(bytes);
  }

  /** Counts an answer that was taken or dropped. */
  release(bytes: number): void {
    if (this.isClosed) return;
    this.kept -= bytes;
    this.change(-bytes);
  }

  close(): void {
    this.release(this.kept);
    this.isClosed = true;
  }

  /** Called at each check. @returns whether many bytes are untaken and none were taken at the last checks */
  isStalled(): boolean {
    const hasTaken = this.connection.bytesWritten - this.bytesWritten >= minProgressBytes;
    if (hasTaken) this.startChecking();
    else this.looks += 1;
    return this.kept >= maxStalledUntakenBytes && this.looks >= maxLooksWithoutProgress;
  }

  private startChecking(): void {
    this.looks = 0;
    this.bytesWritten = this.connection.bytesWritten;
  }
}
