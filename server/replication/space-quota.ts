// The quota of a member's store (etcd: --quota-backend-bytes), by etcd's rules: a write that would exceed it raises the alarm.

import { AlarmRequest_AlarmAction as Action, AlarmType } from "../../proto/index.js";
import type { Clock } from "../../platform/index.js";
import type { MemberId } from "../../raft/index.js";
import type { KvStore } from "../../store/index.js";
import {
  type AppliedAlarms,
  errorText,
  type Logger,
  maxPendingProposals,
  type ResultHandler,
  ServerError,
} from "../base/index.js";
import type { ResultsByKind } from "./command.js";
import type { Proposals } from "./proposals.js";

/** The options of `SpaceQuota`. */
export interface SpaceQuotaOptions {
  /** The bytes at which the store is full; below 0: never. */
  readonly quotaBytes: number;
  /** Whether this member deactivates its alarm once the store is small enough again. */
  readonly shouldDisarmItself: boolean;
  readonly member: MemberId;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The minimum number of written bytes between two measurements; otherwise an eighth of the room below the quota. */
const minWrittenBytes = 64 * 1024;
const partOfRoom = 1 / 8;

/** The interval at which a member that deactivates its own alarm measures the store, in milliseconds. */
const disarmCheckMs = 10_000;
/** The part of the quota below which such a member deactivates its alarm. */
const partBelowQuota = 0.9;

/**
 * Compares the size of the store with its quota before a write is proposed. A measurement reads the size of every file, so it
 * is taken only after the store has written an eighth of the remaining room, and while the quota seems to be exceeded:
 *
 *     measured  1.0 GiB of 2 GiB: writes pass until 128 MiB more are on disk
 *     measured  1.9 GiB of 2 GiB: writes pass until 12.8 MiB more are on disk
 *     measured  2.0 GiB of 2 GiB: each write waits for a measurement, and is refused while the store is too large
 */
export class SpaceQuota {
  /** The size at the last measurement; Infinity before the first. */
  private sizeBytes = Infinity;
  /** The value of the store's `writtenBytes` at which the next measurement is due. */
  private measureAt = 0;
  private measuring: Promise<void> | undefined = undefined;
  private raising: Promise<void> | undefined = undefined;
  /** Writes that wait for a measurement. */
  private waiting = 0;
  private readonly limitBytes: number;
  private readonly stopTimer: (() => void) | undefined;

  constructor(
    private readonly options: SpaceQuotaOptions,
    private readonly store: Pick<KvStore, "size" | "writtenBytes">,
    private readonly proposals: Pick<Proposals<ResultsByKind>, "proposeOwn">,
    private readonly applied: AppliedAlarms,
  ) {
    this.limitBytes = options.quotaBytes < 0 ? Infinity : options.quotaBytes;
    if (options.shouldDisarmItself) this.stopTimer = options.clock.every(disarmCheckMs, () => void this.disarmIfFree());
  }

  /** The configured quota, as the member reports it. */
  get reportedBytes(): number {
    return this.options.quotaBytes;
  }

  /** Whether a write of this cost passes at once; a cost of 0 always does. Else call `passAfterMeasuring`. */
  hasRoomFor(cost: number): boolean {
    if (this.limitBytes === Infinity || cost === 0) return true;
    if (this.store.writtenBytes >= this.measureAt) void this.measure();
    return this.sizeBytes + cost < this.limitBytes;
  }

  /**
   * Measures the store, then calls `pass`, or raises the alarm of this member and reports `no-space` to `handler`.
   *
   * @throws ServerError `too-many-requests`
   */
  passAfterMeasuring(cost: number, pass: () => void, handler: Pick<ResultHandler<never>, "onError">): void {
    if (this.waiting >= maxPendingProposals)
      throw new ServerError("too-many-requests", `${this.waiting} writes wait for the size of the store`);
    this.waiting++;
    void this.checkQuota(cost).then((refusal) => {
      this.waiting--;
      if (refusal !== undefined) return handler.onError(refusal);
      try {
        pass();
      } catch (error) {
        handler.onError(error);
      }
    });
  }

  stop(): void {
    this.stopTimer?.();
  }

  /** @returns the reason to refuse a write; undefined: it passes. Never rejects */
  private async checkQuota(cost: number): Promise<ServerError | undefined> {
    await this.measuring; // the measurement in progress may have begun before space was freed
    if (this.hasRoomFor(cost)) return undefined;
    await this.measure();
    if (this.hasRoomFor(cost)) return undefined;
    await this.raiseAlarm();
    return new ServerError("no-space", `the store takes ${this.sizeBytes} bytes, ${this.limitBytes} allowed`);
  }

  /** Measures the store; a measurement in progress is shared. Never rejects. */
  private measure(): Promise<void> {
    this.measuring ??= this.takeSize().finally(() => (this.measuring = undefined));
    return this.measuring;
  }

  private async takeSize(): Promise<void> {
    const { logger } = this.options;
    const written = this.store.writtenBytes;
    try {
      this.sizeBytes = (await this.store.size()).allocatedBytes;
    } catch (error) {
      if (this.sizeBytes === Infinity) this.sizeBytes = 0; // an unknown size does not exceed the quota
      logger.warn("cannot measure the store", { error: errorText(error) });
    }
    this.measureAt = written + Math.max(minWrittenBytes, (this.limitBytes - this.sizeBytes) * partOfRoom);
  }

  /** Raises the alarm, unless it is active; resolves also if that fails. */
  private raiseAlarm(): Promise<void> {
    if (this.isAlarmActive) return Promise.resolve();
    this.raising ??= this.changeAlarm(Action.ACTIVATE).finally(() => (this.raising = undefined));
    return this.raising;
  }

  private async disarmIfFree(): Promise<void> {
    if (!this.isAlarmActive) return;
    await this.measuring;
    await this.measure();
    if (this.sizeBytes < this.limitBytes * partBelowQuota) await this.changeAlarm(Action.DEACTIVATE);
  }

  private get isAlarmActive(): boolean {
    const { member } = this.options;
    return this.applied.alarms.all.some(({ memberID, alarm }) => memberID === member && alarm === AlarmType.NOSPACE);
  }

  private changeAlarm(action: Action): Promise<void> {
    const { member, logger, quotaBytes } = this.options;
    const fields = { sizeBytes: this.sizeBytes, quotaBytes };
    if (action === Action.ACTIVATE) logger.warn("store exceeds its quota: raising the alarm NOSPACE", fields);
    else logger.info("store has space again: deactivating the alarm NOSPACE", fields);
    return new Promise((resolve) => {
      const onError = (error: unknown): void => {
        logger.warn("cannot change the alarm NOSPACE", { error: errorText(error) });
        resolve();
      };
      try {
        this.proposals.proposeOwn(
          { $case: "alarm", value: { action, memberID: member, alarm: AlarmType.NOSPACE } },
          { onResult: () => resolve(), onError },
        );
      } catch (error) {
        onError(error);
      }
    });
  }
}
