/** The time for which a stream keeps the process alive after it was opened, or after the last event of a watch. */
const holdMs = 30_000;

/**
 * Keeps the process alive while a client in the same process may wait for a message of a stream, as a socket would. The test
 * server itself does not keep the process alive. A stream that a test has forgotten to close does so for half a minute only.
 */
export class StreamHold {
  private open = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param isNeeded false in virtual time, in which no message arrives by itself */
  constructor(private readonly isNeeded: boolean) {}

  /** A stream has been opened. @returns a function for its end */
  addStream(): () => void {
    this.open += 1;
    if (this.isNeeded) {
      this.timer ??= setTimeout(() => (this.timer = undefined), holdMs);
      this.timer.refresh();
    }
    return () => {
      this.open -= 1;
      if (this.open > 0) return;
      clearTimeout(this.timer);
      this.timer = undefined;
    };
  }

  /** Events of a watch have arrived. */
  touch(): void {
    this.timer?.refresh();
  }
}
