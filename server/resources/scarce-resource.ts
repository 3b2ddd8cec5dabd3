import type { Clock } from "../../platform/index.js";
import type { Logger } from "../base/index.js";

/** The interval of checks during a shortage, in milliseconds. */
const retryMs = 1_000;

/** The options of `ScarceResource`. */
export interface ScarceResourceOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The log lines at the beginning and at the end of a shortage. */
  readonly messages: { readonly missing: string; readonly again: string };
  /** The directory in both log lines. */
  readonly directory: string;
  /** The text of the error of waiting operations after `stop`. */
  readonly stopped: string;
}

/** Lets operations wait for a scarce resource of the process or the machine. */
export abstract class ScarceResource {
  private readonly waiting = new Set<() => void>();
  private isMissing = false;
  private isStopped = false;

  constructor(private readonly options: ScarceResourceOptions) {}

  /**
   * Resolves once there is enough.
   *
   * @throws Error after `stop`
   */
  async whenAvailable(): Promise<void> {
    while (!this.isStopped && !(await this.checkAgain())) await this.pause();
    if (this.isStopped && this.isMissing) throw new Error(this.options.stopped);
  }

  /**
   * Resolves once there is enough, one interval later at the earliest: an operation has failed for lack of it.
   *
   * @throws Error after `stop`
   */
  async whenAvailableAgain(): Promise<void> {
    this.report(true);
    if (!this.isStopped) await this.pause();
    await this.whenAvailable();
  }

  /** Whether there is enough now. */
  protected abstract isThere(): Promise<boolean>;

  /** Ends all waits. */
  stop(): void {
    this.isStopped = true;
    for (const wake of this.waiting) wake();
  }

  private async checkAgain(): Promise<boolean> {
    const isThere = await this.isThere();
    this.report(!isThere);
    return isThere;
  }

  private report(isMissing: boolean): void {
    if (isMissing === this.isMissing) return;
    this.isMissing = isMissing;
    const { logger, messages, directory } = this.options;
    if (isMissing) logger.error(messages.missing, { directory });
    else logger.info(messages.again, { directory });
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.waiting.delete(wake);
        resolve();
      };
      const cancel = this.options.clock.after(retryMs, wake);
      this.waiting.add(wake);
    });
  }
}
