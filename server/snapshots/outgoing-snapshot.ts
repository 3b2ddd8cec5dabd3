import type { Clock } from "../../platform/index.js";
import type { LogPosition, Term } from "../../raft/index.js";
import type { Row } from "../../store/index.js";
import { errorText } from "../base/index.js";
import type { SnapshotChannel } from "../peers/index.js";
import { decodeReceiverMessage, SnapshotWriter } from "./messages.js";
import type { RateLimiter } from "./rate-limiter.js";
import { InactivityTimer } from "./inactivity-timer.js";

/**
 * The maximum number of bytes of rows in one message; a larger row is sent alone. Small, because a chunk is built and sent in
 * one turn of the event loop, between other requests of the leader.
 */
const chunkBytes = 128 * 1024;
/** The number of seconds without progress messages after which the channel is closed. */
const maxInactiveChecks = 5;
/**
 * The number of seconds without further written rows after which the channel is closed; a chunk, or the verification, must take
 * less.
 */
const maxStalledChecks = 300;

/** An error for a snapshot that the receiver refused or could not install. */
export class SnapshotRefusedError extends Error {
  override readonly name = "SnapshotRefusedError";
}

/** The rows of a store at one moment. */
export interface StoreRows {
  /** The store's marker: the applied position and the rest of the replicated state. */
  readonly marker: Uint8Array;
  /** Returns the next rows, about `maxBytes` and at least one; none at the end. */
  next(maxBytes: number): Promise<readonly Row[]>;
  close(): Promise<void>;
}

/** The options of `OutgoingSnapshot`. */
export interface OutgoingSnapshotOptions {
  readonly channel: SnapshotChannel;
  readonly snapshot: StoreRows;
  readonly leaderTerm: Term;
  readonly position: LogPosition;
  readonly clock: Clock;
  readonly rateLimiter: RateLimiter;
}

/** A snapshot being sent to one member. A single chunk is in memory at a time; the room of the channel limits the rate. */
export class OutgoingSnapshot {
  /** The bytes of sent messages. */
  bytes = 0;

  constructor(private readonly options: OutgoingSnapshotOptions) {}

  /**
   * Sends the snapshot; resolves once the receiver has installed it.
   *
   * @throws SnapshotRefusedError, ChannelClosedError, SnapshotDamagedError for an unknown answer, DamagedError of the store
   */
  async run(): Promise<void> {
    const { channel, clock } = this.options;
    const inactivity = new InactivityTimer(clock, maxInactiveChecks, () => channel.close("receiver timed out"));
    const stall = new InactivityTimer(clock, maxStalledChecks, () => channel.close("receiver makes no progress"));
    const answered = this.receiveAnswers(inactivity, stall);
    const sent = this.sendRows().catch(async (error: unknown) => {
      channel.close(errorText(error));
      await answered; // the receiver's own reason is reported, if there is one
      throw error;
    });
    try {
      await Promise.all([answered, sent]); // an early refusal ends the sending
    } finally {
      inactivity.stop();
      stall.stop();
      channel.close("the transfer has ended");
      await Promise.allSettled([sent]); // the snapshot is not read any more
    }
  }

  private async sendRows(): Promise<void> {
    const { channel, snapshot, leaderTerm, position, rateLimiter } = this.options;
    const writer = new SnapshotWriter();
    await this.sendMessage(writer.encodeBegin({ leaderTerm, position }));
    for (;;) {
      const rows = await snapshot.next(chunkBytes);
      if (rows.length === 0) break;
      const message = writer.encodeRows(rows);
      await rateLimiter.whenAllowed(message.length);
      await this.sendMessage(message);
    }
    await channel.send(writer.encodeEnd());
  }

  private async sendMessage(message: Uint8Array): Promise<void> {
    await this.options.channel.send(message);
    this.bytes += message.length;
  }

  private async receiveAnswers(inactivity: InactivityTimer, stall: InactivityTimer): Promise<void> {
    let taken = 0;
    for (;;) {
      const answer = decodeReceiverMessage(await this.options.channel.receive());
      inactivity.reset();
      if (answer.kind === "installed") return;
      if (answer.kind === "refused") throw new SnapshotRefusedError(answer.reason);
      if (answer.bytes > taken) stall.reset();
      taken = answer.bytes;
    }
  }
}
