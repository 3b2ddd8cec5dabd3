import { close, openSync, write } from "node:fs";
import type { Clock } from "./clock.js";

/** The time after which a write that failed is tried again, in milliseconds. */
const retryMs = 1_000;

/**
 * A file that lines are appended to, behind the back of whoever writes them: what the disk has not taken waits in memory, up to a
 * bound. Each write goes to the end of the file as it is then, so the file may be copied and truncated meanwhile.
 */
export class AppendFile {
  private waiting: Buffer[] = [];
  private bytes = 0;
  private isWriting = false;
  private isClosing = false;
  private cancelRetry: (() => void) | undefined;
  private onIdle: () => void = () => undefined;
  private fd: number;

  /**
   * @param maxBytes the bytes that may wait
   * @throws Error of the system if the file cannot be opened
   */
  constructor(
    private readonly path: string,
    private readonly maxBytes: number,
    private readonly clock: Pick<Clock, "after">,
  ) {
    this.fd = openSync(path, "a", 0o600);
  }

  /** Takes a line. @returns false: too much waits for the disk, and the line is lost */
  append(line: string): boolean {
    const bytes = Buffer.from(line);
    if (this.isClosing || this.bytes + bytes.length > this.maxBytes) return false;
    this.waiting.push(bytes);
    this.bytes += bytes.length;
    this.pump();
    return true;
  }

  /**
   * Opens the file of this path anew, as after the former one was renamed. A write that is under way ends in the former one.
   *
   * @throws Error of the system if it cannot be opened; the former file stays in use
   */
  reopen(): void {
    if (this.isClosing) return;
    const next = openSync(this.path, "a", 0o600);
    this.whenIdle(() => {
      const former = this.fd;
      this.fd = next;
      close(former, () => undefined);
    });
  }

  /** Writes what waits, unless the disk refuses it, and closes the file. */
  close(): Promise<void> {
    this.isClosing = true;
    this.cancelRetry?.();
    this.cancelRetry = undefined;
    this.pump();
    return new Promise((resolve) => this.whenIdle(() => close(this.fd, () => resolve())));
  }

  private whenIdle(callback: () => void): void {
    if (!this.isWriting) return callback();
    const { onIdle } = this;
    this.onIdle = () => {
      onIdle();
      callback();
    };
  }

  private pump(): void {
    if (this.isWriting || this.cancelRetry !== undefined || this.bytes === 0) return;
    const bytes = Buffer.concat(this.waiting);
    this.waiting = [bytes];
    this.isWriting = true;
    write(this.fd, bytes, 0, bytes.length, null, (error, written) => this.onWritten(error, written));
  }

  private onWritten(error: Error | null, written: number): void {
    this.isWriting = false;
    if (error === null) this.drop(written);
    const { onIdle } = this;
    if (this.isClosing && error === null && this.bytes > 0) return this.pump(); // the rest, then idle
    this.onIdle = () => undefined;
    onIdle();
    if (error === null) this.pump();
    else if (!this.isClosing)
      this.cancelRetry = this.clock.after(retryMs, () => {
        this.cancelRetry = undefined;
        this.pump();
      });
  }

  /** Drops what has been written: all of it, or a part. */
  private drop(written: number): void {
    const [first, ...others] = this.waiting;
    this.bytes -= written;
    this.waiting = first === undefined || first.length === written ? others : [first.subarray(written), ...others];
  }
}
