/** The time after it was opened, or after the last change of a watch, for which a stream keeps Node alive. */
const holdMs = 30_000;

/**
 * Keeps Node alive while a client in the same process may wait for a message of a stream, as a socket would: nothing else does, as a
 * test server lets Node end. A stream that was forgotten does so for half a minute only.
 */
export class StreamHold {
  private open = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param isNeeded false in virtual time, where no message comes by itself */
  constructor(private readonly isNeeded: boolean) {}

  /** A stream has been opened. @returns a function for its end */
  begin(): () => void {
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

  /** A change has come that is watched. */
  touch(): void {
    this.timer?.refresh();
  }
}
