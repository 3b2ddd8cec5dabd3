import type { Clock } from "../../platform/index.js";
import type { Logger } from "../base/index.js";

/** The time between two looks while there is too little, in milliseconds. */
const retryMs = 1_000;

/** The options of `Shortfall`. */
export interface ShortfallOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Logged when there is too little, and when there is enough again. */
  readonly messages: { readonly missing: string; readonly again: string };
  /** The directory that both log lines name. */
  readonly directory: string;
  /** Error text for waiting operations when this is stopped. */
  readonly stopped: string;
}

/** Lets operations wait for a resource that the process or the machine has too little of. */
export abstract class Shortfall {
  private readonly waiting = new Set<() => void>();
  private isMissing = false;
  private isStopped = false;

  constructor(private readonly options: ShortfallOptions) {}

  /**
   * Resolves once there is enough.
   *
   * @throws Error if this is stopped before
   */
  async whenAvailable(): Promise<void> {
    while (!this.isStopped && !(await this.checkAgain())) await this.pause();
    if (this.isStopped && this.isMissing) throw new Error(this.options.stopped);
  }

  /**
   * Resolves once there is enough, after a while: an operation has failed for the lack of it.
   *
   * @throws Error if this is stopped before
   */
  async whenAvailableAgain(): Promise<void> {
    this.report(true);
    if (!this.isStopped) await this.pause();
    await this.whenAvailable();
  }

  /** Tells whether there is enough now. */
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
