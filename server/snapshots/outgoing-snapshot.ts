import type { Clock } from "../../platform/index.js";
import type { LogPosition, Term } from "../../raft/index.js";
import type { Row } from "../../store/index.js";
import { errorText } from "../base/index.js";
import type { SnapshotChannel } from "../peers/index.js";
import { decodeAnswer, SnapshotWriter } from "./messages.js";
import type { RateLimiter } from "./rate-limiter.js";
import { InactivityTimer } from "./inactivity-timer.js";

/**
 * Bytes of rows in one message; a larger row travels alone. What is made, checked and sent without a pause: small, so
 * that a leader with a snapshot under way still answers at once.
 */
const chunkBytes = 128 * 1024;
/** So many seconds without a sign of life from the receiver end the transfer … */
const maxInactiveChecks = 5;
/** … and so many in which it took no more rows; what it was sent, it writes and checks within that. */
const maxStalledChecks = 300;

/** The other side does not want the snapshot, or could not use it. */
export class SnapshotRefusedError extends Error {
  override readonly name = "SnapshotRefusedError";
}

/** The rows of a store as they were at one moment. */
export interface StoreRows {
  /** What that store contains of the log, and the rest of the replicated state. */
  readonly marker: Uint8Array;
  /** About so many bytes of them, and at least one row; none: the end. */
  next(maxBytes: number): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export interface OutgoingSnapshotOptions {
  readonly channel: SnapshotChannel;
  readonly snapshot: StoreRows;
  readonly leaderTerm: Term;
  readonly position: LogPosition;
  readonly clock: Clock;
  readonly rateLimiter: RateLimiter;
}

/** One snapshot on its way to one member. Holds one chunk of it at a time, and waits until the channel has room. */
export class OutgoingSnapshot {
  /** Bytes of messages sent so far. */
  bytes = 0;

  constructor(private readonly options: OutgoingSnapshotOptions) {}

  /**
   * Sends everything; resolves once the other side has installed it.
   *
   * @throws SnapshotRefusedError, ChannelClosedError, SnapshotDamagedError for an answer no member gives, DamagedError of the store
   */
  async run(): Promise<void> {
    const { channel, clock } = this.options;
    const inactivity = new InactivityTimer(clock, maxInactiveChecks, () => channel.close("the receiver is silent"));
    const stall = new InactivityTimer(clock, maxStalledChecks, () => channel.close("the receiver takes no more"));
    const answered = this.receiveAnswers(inactivity, stall);
    const sent = this.sendRows().catch(async (error: unknown) => {
      channel.close(errorText(error));
      await answered; // if the other side said why it closed the channel, that is the reason
      throw error;
    });
    try {
      await Promise.all([answered, sent]); // a refusal may come early, and ends the sending
    } finally {
      inactivity.stop();
      stall.stop();
      channel.close("the transfer has ended");
      await Promise.allSettled([sent]); // nobody reads the snapshot any more
    }
  }

  private async sendRows(): Promise<void> {
    const { channel, snapshot, leaderTerm, position, rateLimiter } = this.options;
    const writer = new SnapshotWriter();
    await this.sendMessage(writer.begin({ leaderTerm, position }));
    for (;;) {
      const rows = await snapshot.next(chunkBytes);
      if (rows.length === 0) break;
      const message = writer.rows(rows);
      await rateLimiter.whenAllowed(message.length);
      await this.sendMessage(message);
    }
    await channel.send(writer.end());
  }

  private async sendMessage(message: Uint8Array): Promise<void> {
    await this.options.channel.send(message);
    this.bytes += message.length;
  }

  private async receiveAnswers(inactivity: InactivityTimer, stall: InactivityTimer): Promise<void> {
    let taken = 0;
    for (;;) {
      const answer = decodeAnswer(await this.options.channel.receive());
      inactivity.reset();
      if (answer.kind === "installed") return;
      if (answer.kind === "refused") throw new SnapshotRefusedError(answer.reason);
      if (answer.bytes > taken) stall.reset();
      taken = answer.bytes;
    }
  }
}
