import { close, constants, openSync, write } from "node:fs";
import type { Clock } from "./clock.js";
import { errorCode } from "./error-codes.js";

/** The time after which a write that failed is tried again, in milliseconds. */
const retryMs = 1_000;
/** The same for a full FIFO, in milliseconds: its reader takes 64 KiB at a time. */
const fullPipeRetryMs = 20;
/** The bytes of one write; its last line may exceed them. */
const batchBytes = 256 * 1024;

/** Opens with O_NONBLOCK: a FIFO without a reader, or a full one, would block the thread. */
const open = (path: string): number =>
  openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o600);

/**
 * A file to which lines are appended in the background: lines that are not written yet wait in memory, up to a bound. Each write
 * goes to the present end of the file, so other programs may copy and truncate the file meanwhile.
 */
export class AppendFile {
  private waiting: Buffer[] = [];
  private bytes = 0;
  private isWriting = false;
  private isClosing = false;
  private closing: Promise<void> | undefined;
  private cancelRetry: (() => void) | undefined;
  private onIdle: () => void = () => undefined;
  private hasFailed = false;
  private fd: number;

  /**
   * @param maxBytes the bytes that may wait
   * @param onStateChange called with the error when a write fails after one that succeeded, without one when the reverse happens
   * @throws Error of the system if the file cannot be opened
   */
  constructor(
    private readonly path: string,
    private readonly maxBytes: number,
    private readonly clock: Pick<Clock, "after">,
    private readonly onStateChange: (error: Error | undefined) => void = () => undefined,
  ) {
    this.fd = open(path);
  }

  /** Appends a line. @returns false if too much waits for the disk: the line is lost */
  append(line: string): boolean {
    const bytes = Buffer.from(line);
    if (this.isClosing || this.bytes + bytes.length > this.maxBytes) return false;
    this.waiting.push(bytes);
    this.bytes += bytes.length;
    this.pump();
    return true;
  }

  /**
   * Opens the path again, for example after the file was renamed. A write under way ends in the former file.
   *
   * @throws Error of the system if it cannot be opened; the former file stays in use
   */
  reopen(): void {
    if (this.isClosing) return;
    const next = open(this.path);
    this.callWhenIdle(() => {
      const former = this.fd;
      this.fd = next;
      close(former, () => undefined);
    });
  }

  /** Writes the waiting lines, unless the disk refuses them, and closes the file. May be called twice. */
  close(): Promise<void> {
    this.closing ??= this.closeWhenIdle();
    return this.closing;
  }

  private closeWhenIdle(): Promise<void> {
    this.isClosing = true;
    this.cancelRetry?.();
    this.cancelRetry = undefined;
    this.pump();
    return new Promise((resolve) => this.callWhenIdle(() => close(this.fd, () => resolve())));
  }

  private callWhenIdle(callback: () => void): void {
    if (!this.isWriting) return callback();
    const { onIdle } = this;
    this.onIdle = () => {
      onIdle();
      callback();
    };
  }

  private pump(): void {
    if (this.isWriting || this.cancelRetry !== undefined || this.bytes === 0) return;
    const bytes = this.joinWaiting();
    this.isWriting = true;
    write(this.fd, bytes, 0, bytes.length, null, (error, written) => this.onWritten(error, written));
  }

  /** Joins the first waiting lines into the bytes of one write. */
  private joinWaiting(): Buffer {
    let count = 0;
    for (let bytes = 0; bytes < batchBytes && count < this.waiting.length; count++)
      bytes += this.waiting[count]?.length ?? 0;
    const bytes = Buffer.concat(this.waiting.slice(0, count));
    this.waiting.splice(0, count, bytes);
    return bytes;
  }

  private onWritten(error: Error | null, written: number): void {
    this.isWriting = false;
    if (error === null) this.drop(written);
    const isFullPipe = errorCode(error) === "EAGAIN";
    if (!isFullPipe) this.noteOutcome(error ?? undefined);
    const { onIdle } = this;
    if (this.isClosing && error === null && this.bytes > 0) return this.pump(); // writes the remaining lines before it becomes idle
    this.onIdle = () => undefined;
    onIdle();
    if (error === null) this.pump();
    else if (!this.isClosing)
      this.cancelRetry = this.clock.after(isFullPipe ? fullPipeRetryMs : retryMs, () => {
        this.cancelRetry = undefined;
        this.pump();
      });
  }

  private noteOutcome(error: Error | undefined): void {
    if (this.hasFailed === (error !== undefined)) return;
    this.hasFailed = error !== undefined;
    this.onStateChange(error);
  }

  /** Drops the first `written` bytes: a write may end early. */
  private drop(written: number): void {
    const [first] = this.waiting;
    this.bytes -= written;
    if (first === undefined || first.length === written) this.waiting.shift();
    else this.waiting[0] = first.subarray(written);
  }
}
