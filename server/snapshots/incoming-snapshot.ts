import type { Clock } from "../../platform/index.js";
import type { LogPosition, MemberId, Term } from "../../raft/index.js";
import type { AppliedState } from "../replication/apply/index.js";
import { errorText } from "../base/index.js";
import type { SnapshotChannel } from "../peers/index.js";
import type { SnapshotReader } from "./messages.js";
import { encodeInstalled, encodeProgress, encodeRefused, SnapshotDamagedError } from "./messages.js";
import { checkIntervalMs, InactivityTimer } from "./inactivity-timer.js";
import type { NewStore } from "./new-store.js";

/** So many seconds in which nothing comes end it; the leader, which is not told, begins anew. */
const maxInactiveChecks = 10;

/** A snapshot as its sender announced it. */
export interface SnapshotHeader {
  readonly from: MemberId;
  readonly leaderTerm: Term;
  readonly position: LogPosition;
}

/** Takes the announcement off a channel that has just been opened. */
export const receiveHeader = async (
  clock: Clock,
  from: MemberId,
  channel: SnapshotChannel,
  reader: SnapshotReader,
): Promise<SnapshotHeader> => {
  const inactivity = new InactivityTimer(clock, maxInactiveChecks, () => channel.close("the sender is silent"));
  try {
    const { leaderTerm, position } = reader.begin(await channel.receive());
    return { from, leaderTerm, position };
  } finally {
    inactivity.stop();
  }
};

/**
 * The receiving end of one channel, from the announcement on. It takes a chunk only when the one before is written, so
 * the disk here bounds the sender, and there is one chunk in memory.
 */
export class IncomingSnapshot {
  /** Bytes of rows taken so far. */
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
    this.inactivity = new InactivityTimer(clock, maxInactiveChecks, () => channel.close("the sender is silent"));
    this.stopProgress = clock.every(checkIntervalMs, () => {
      if (!this.isReceiving) this.inactivity.reset(); // it is our turn, not the sender's
      this.sendProgress();
    });
  }

  /**
   * Takes all rows into `store`, which must then contain the log up to the position announced.
   *
   * @returns what the store contains
   * @throws SnapshotDamagedError, ChannelClosedError, DamagedError, or what the disk says
   */
  async receiveInto(store: NewStore): Promise<AppliedState> {
    for (;;) {
      const payload = await this.receivePayload();
      const message = this.reader.next(payload);
      if (message.kind === "end") break;
      await store.write(message.rows);
      this.bytes += payload.length;
    }
    const { position } = this.header;
    const found = await store.finish();
    if (found.index !== position.index || found.term !== position.term)
      throw new SnapshotDamagedError(
        `it contains the log up to entry ${found.index} of term ${found.term}, ` +
          `not up to ${position.index} of term ${position.term} as announced`,
      );
    return found;
  }

  /** The last word, if the snapshot is in use now. */
  reportInstalled(): void {
    this.sendLastMessage(encodeInstalled(), "the snapshot is installed");
  }

  /** The last word, if it is not. */
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

  /** Nothing is said to who does not listen: a silent way must not gather bytes. */
  private sendProgress(): void {
    if (this.isSending) return;
    this.isSending = true;
    const told = (): void => void (this.isSending = false);
    this.channel.send(encodeProgress(this.bytes)).then(told, told);
  }

  private sendLastMessage(lastMessage: Uint8Array, reason: string): void {
    this.stopProgress();
    this.inactivity.stop();
    const close = (): void => this.channel.close(reason);
    this.channel.send(lastMessage).then(close, close);
  }
}
