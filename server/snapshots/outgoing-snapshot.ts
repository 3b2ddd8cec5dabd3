import type { Clock } from "../../platform/index.js";
import type { LogPosition, Term } from "../../raft/index.js";
import type { Row } from "../../store/index.js";
import { errorText } from "../base/index.js";
import type { SnapshotChannel } from "../peers/index.js";
import { decodeAnswer, SnapshotWriter } from "./messages.js";
import type { Pace } from "./rate-limiter.js";
import { Silence } from "./inactivity-timer.js";

/**
 * Bytes of rows in one message; a larger row travels alone. What is made, checked and sent without a pause: small, so
 * that a leader with a snapshot under way still answers at once.
 */
const chunkBytes = 128 * 1024;
/** So many seconds without a sign of life from the receiver end the transfer … */
const maxSilentLooks = 5;
/** … and so many in which it took no more rows; what it was sent, it writes and checks within that. */
const maxStalledLooks = 300;

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

export interface TransferOptions {
  readonly channel: SnapshotChannel;
  readonly snapshot: StoreRows;
  readonly leaderTerm: Term;
  readonly position: LogPosition;
  readonly clock: Clock;
  readonly pace: Pace;
}

/** One snapshot on its way to one member. Holds one chunk of it at a time, and waits until the channel has room. */
export class Transfer {
  /** Bytes of messages sent so far. */
  bytes = 0;

  constructor(private readonly options: TransferOptions) {}

  /**
   * Sends everything; resolves once the other side has installed it.
   *
   * @throws SnapshotRefusedError, ChannelClosedError, SnapshotDamagedError for an answer no member gives, DamagedError of the store
   */
  async run(): Promise<void> {
    const { channel, clock } = this.options;
    const silence = new Silence(clock, maxSilentLooks, () => channel.close("the receiver is silent"));
    const stall = new Silence(clock, maxStalledLooks, () => channel.close("the receiver takes no more"));
    const answered = this.awaitAnswer(silence, stall);
    const sent = this.sendAll().catch(async (error: unknown) => {
      channel.close(errorText(error));
      await answered; // if the other side said why it closed the channel, that is the reason
      throw error;
    });
    try {
      await Promise.all([answered, sent]); // a refusal may come early, and ends the sending
    } finally {
      silence.end();
      stall.end();
      channel.close("the transfer has ended");
      await Promise.allSettled([sent]); // nobody reads the snapshot any more
    }
  }

  private async sendAll(): Promise<void> {
    const { channel, snapshot, leaderTerm, position, pace } = this.options;
    const writer = new SnapshotWriter();
    await this.send(writer.begin({ leaderTerm, position }));
    for (;;) {
      const rows = await snapshot.next(chunkBytes);
      if (rows.length === 0) break;
      const message = writer.rows(rows);
      await pace.take(message.length);
      await this.send(message);
    }
    await channel.send(writer.end());
  }

  private async send(message: Uint8Array): Promise<void> {
    await this.options.channel.send(message);
    this.bytes += message.length;
  }

  private async awaitAnswer(silence: Silence, stall: Silence): Promise<void> {
    let taken = 0;
    for (;;) {
      const answer = decodeAnswer(await this.options.channel.receive());
      silence.broken();
      if (answer.kind === "installed") return;
      if (answer.kind === "refused") throw new SnapshotRefusedError(answer.reason);
      if (answer.bytes > taken) stall.broken();
      taken = answer.bytes;
    }
  }
}
