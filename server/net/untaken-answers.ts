import type { Clock } from "../../platform/index.js";
import {
  maxStalledUntakenBytes,
  maxUntakenBytes,
  maxUntakenBytesOfConnection,
  untakenBytesUnderPressure,
} from "../base/index.js";

/** The time between two looks at the connections while there is pressure, and the looks without progress after which one is closed. */
const lookMs = 1_000;
const maxLooksWithoutProgress = 5;
/** Less is no progress: answers to pings are bytes, too. */
const minProgressBytes = 16 * 1024;

/** A connection whose client has answers to take. */
export interface AnsweredConnection {
  /** Bytes that have left so far: more and more as long as the client takes something. */
  readonly bytesWritten: number;
  destroy(): unknown;
}

/**
 * Counts the bytes of answers that clients have asked for and do not take, over all connections and streams. Every answer is
 * kept as long as the sum is small. Under pressure a connection that holds much already gets no more answers to reads, and is
 * closed once its client has taken nothing for five seconds; above the bound nobody gets any.
 *
 * One connection asks for 200 values of 1 MiB and takes none: 129 are kept for it, the others are refused, and five seconds
 * later it is closed. Whoever asks for a value meanwhile gets it.
 */
export class UntakenAnswers {
  private readonly connections = new Set<UntakenOfConnection>();
  private total = 0;
  private stopLooking: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    /** A connection was closed that held so many bytes. */
    private readonly onStalled: (bytes: number) => void,
  ) {}

  /** All that is kept now. */
  get bytes(): number {
    return this.total;
  }

  /** Whether a stream should send nothing more before its client has taken what it has. */
  get isPressed(): boolean {
    return this.total > untakenBytesUnderPressure;
  }

  /** No answer that can be refused is kept for anybody. */
  get isFull(): boolean {
    return this.total >= maxUntakenBytes;
  }

  /** Counts what is kept for one more connection, until it is closed. */
  add(connection: AnsweredConnection): UntakenOfConnection {
    const untaken = new UntakenOfConnection(this, connection, (bytes) => this.change(bytes));
    this.connections.add(untaken);
    return untaken;
  }

  /** The connection is closed: nobody takes what was kept for it. */
  delete(untaken: UntakenOfConnection): void {
    if (this.connections.delete(untaken)) untaken.close();
  }

  /** Looks at no connection any more. */
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
      untaken.connection.destroy(); // its calls end, and with them what is kept for them
    }
  }
}

/** The answers that one connection's client has not taken. */
export class UntakenOfConnection {
  private kept = 0;
  private isClosed = false;
  private looks = 0;
  /** Bytes that had left at the last progress. */
  private bytesWritten = 0;

  constructor(
    private readonly all: UntakenAnswers,
    readonly connection: AnsweredConnection,
    private readonly change: (bytes: number) => void,
  ) {}

  get bytes(): number {
    return this.kept;
  }

  /** Whether an answer that can be refused, as nothing was done for it, is kept all the same. */
  get admits(): boolean {
    return !this.all.isPressed || (this.kept < maxUntakenBytesOfConnection && !this.all.isFull);
  }

  /** Whether a stream should send nothing more before its client has taken what it has. */
  get isPressed(): boolean {
    return this.all.isPressed;
  }

  /** An answer is kept until `release` is called with as many bytes. */
  keep(bytes: number): void {
    if (this.isClosed) return;
    if (this.kept === 0) this.startChecking();
    this.kept += bytes;
    this.change(bytes);
  }

  /** An answer has been taken, or nobody will take it. */
  release(bytes: number): void {
    if (this.isClosed) return;
    this.kept -= bytes;
    this.change(-bytes);
  }

  close(): void {
    this.release(this.kept);
    this.isClosed = true;
  }

  /** Called at regular times. @returns whether much is kept and nothing of it was taken at the last looks */
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
