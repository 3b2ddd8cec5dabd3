import type { Clock } from "../../platform/index.js";
import type { Logger } from "../base/index.js";

/** How often something is looked for while there is too little of it. */
const retryMs = 1_000;

export interface ShortfallOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether there is enough now. */
  readonly isThere: () => Promise<boolean>;
  /** Logged when there is too little, and when there is enough again. */
  readonly messages: { readonly missing: string; readonly again: string };
  /** For both log lines. */
  readonly directory: string;
  /** Error text for waiting operations when this is stopped. */
  readonly stopped: string;
}

/** Lets operations wait for something that the process or the machine has too little of. */
export class Shortfall {
  private readonly waiting = new Set<() => void>();
  private isMissing = false;
  private isStopped = false;

  constructor(private readonly options: ShortfallOptions) {}

  /**
   * Resolves once there is enough.
   *
   * @throws Error if this is stopped before
   */
  async available(): Promise<void> {
    while (!this.isStopped && !(await this.look())) await this.pause();
    if (this.isStopped && this.isMissing) throw new Error(this.options.stopped);
  }

  /**
   * Resolves once there is enough, after a while: an operation has failed for the lack of it.
   *
   * @throws Error if this is stopped before
   */
  async availableAgain(): Promise<void> {
    this.changed(true);
    if (!this.isStopped) await this.pause();
    await this.available();
  }

  /** Ends what waits. */
  stop(): void {
    this.isStopped = true;
    for (const wake of this.waiting) wake();
  }

  private async look(): Promise<boolean> {
    const isThere = await this.options.isThere();
    this.changed(!isThere);
    return isThere;
  }

  private changed(isMissing: boolean): void {
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
