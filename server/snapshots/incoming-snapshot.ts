import type { Clock } from "../../platform/index.js";
import type { LogPosition, MemberId, Term } from "../../raft/index.js";
import type { AppliedState } from "../replication/apply/index.js";
import { errorText } from "../base/index.js";
import type { SnapshotChannel } from "../peers/index.js";
import type { SnapshotReader } from "./messages.js";
import { encodeInstalled, encodeProgress, encodeRefused, SnapshotDamagedError } from "./messages.js";
import { checkIntervalMs, InactivityTimer } from "./inactivity-timer.js";
import type { NewStore } from "./new-store.js";

/** The number of seconds without a payload after which the channel is closed; the leader then starts another snapshot. */
const maxInactiveChecks = 10;

/** The header of a snapshot: its sender and its position. */
export interface SnapshotHeader {
  readonly from: MemberId;
  readonly leaderTerm: Term;
  readonly position: LogPosition;
}

/** Receives the header from a new channel. @throws ChannelClosedError, SnapshotDamagedError */
export const receiveHeader = async (
  clock: Clock,
  from: MemberId,
  channel: SnapshotChannel,
  reader: SnapshotReader,
): Promise<SnapshotHeader> => {
  const inactivity = new InactivityTimer(clock, maxInactiveChecks, () => channel.close("sender timed out"));
  try {
    const { leaderTerm, position } = reader.decodeBegin(await channel.receive());
    return { from, leaderTerm, position };
  } finally {
    inactivity.stop();
  }
};

/**
 * A snapshot being received, after its header. A chunk is received only after the previous one is written: the disk limits the
 * sender, and a single chunk is in memory.
 */
export class IncomingSnapshot {
  /** The bytes of rows written. */
  bytes = 0;
  private readonly stopProgress: () => void;
  private readonly inactivity: InactivityTimer;
  private isReceiving = false;
  private isSending = false;

  constructor(
    clock: Clock,
    readonly header: SnapshotHeader,
    private readonly channel: SnapshotChannel,
    private readonly reader: SnapshotReader,
  ) {
    this.inactivity = new InactivityTimer(clock, maxInactiveChecks, () => channel.close("sender timed out"));
    this.stopProgress = clock.every(checkIntervalMs, () => {
      if (!this.isReceiving) this.inactivity.reset(); // this side is busy, the sender is not inactive
      this.sendProgress();
    });
  }

  /**
   * Receives all rows into `store`, which must then contain the log up to the header's position.
   *
   * @returns the replicated state of the store
   * @throws SnapshotDamagedError, ChannelClosedError, DamagedError, or an error of the disk
   */
  async receiveInto(store: NewStore): Promise<AppliedState> {
    for (;;) {
      const payload = await this.receivePayload();
      const message = this.reader.decodeNext(payload);
      if (message.kind === "end") break;
      await store.write(message.rows);
      this.bytes += payload.length;
    }
    const { position } = this.header;
    const found = await store.finishStore();
    if (found.index !== position.index || found.term !== position.term)
      throw new SnapshotDamagedError(
        `it contains the log up to entry ${found.index} of term ${found.term}, ` +
          `not up to ${position.index} of term ${position.term} as announced`,
      );
    return found;
  }

  /** Reports to the sender that the snapshot is installed, and closes the channel. */
  reportInstalled(): void {
    this.sendLastMessage(encodeInstalled(), "the snapshot is installed");
  }

  /** Reports to the sender that the snapshot is not installed, and closes the channel. */
  reportRefused(error: unknown): void {
    this.sendLastMessage(encodeRefused(errorText(error)), errorText(error));
  }

  private async receivePayload(): Promise<Uint8Array> {
    this.isReceiving = true;
    try {
      return await this.channel.receive();
    } finally {
      this.isReceiving = false;
      this.inactivity.reset();
    }
  }

  /** Sends the progress unless the previous one is still being sent: a channel that is not read must not buffer them. */
  private sendProgress(): void {
    if (this.isSending) return;
    this.isSending = true;
    const onSent = (): void => void (this.isSending = false);
    this.channel.send(encodeProgress(this.bytes)).then(onSent, onSent);
  }

  private sendLastMessage(lastMessage: Uint8Array, reason: string): void {
    this.stopProgress();
    this.inactivity.stop();
    const close = (): void => this.channel.close(reason);
    this.channel.send(lastMessage).then(close, close);
  }
}
