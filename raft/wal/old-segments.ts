import { type Disk, errorCode } from "../../platform/index.js";
import type { Entry, LogIndex } from "../core/index.js";
import { WalFailedError } from "./errors.js";
import type { LogFiles, SegmentFile } from "./segment-files.js";

/** What is known of a segment that decides whether the ones before it may go. */
type Known = Pick<SegmentFile, "file" | "header">;

export interface OldSegmentsOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** What there is already; the obsolete ones are removed at once. */
  readonly files: LogFiles;
  /** A segment could not be removed. */
  readonly onFailure: (error: Error) => void;
}

/**
 * Removes the segments that nobody needs any more, in the background. Oldest first, and each durably before the next: so
 * whatever a power cut undoes, no segment is ever missing between two others.
 */
export class OldSegments {
  /** All there are, oldest first. */
  private readonly segments: Known[];
  /** How many of them do not count: the log begins behind them. */
  private obsolete: number;
  /** The state machine holds durably everything up to here. */
  private through = 0 as LogIndex;
  private busy = false;
  private onIdle: (() => void) | undefined;
  private closed = false;

  constructor(private readonly options: OldSegmentsOptions) {
    const { obsolete, segments } = options.files;
    this.segments = [...obsolete, ...segments];
    this.obsolete = obsolete.length;
    this.advance();
  }

  /** Nobody may want to replace what the state machine holds. */
  reasonToRefuse([first]: readonly Entry[]): string | undefined {
    if (first === undefined || first.index > this.through) return undefined;
    return `entry ${first.index} replaces a truncated one`;
  }

  /** A segment was begun, durably. */
  onSegmentBegun(segment: Known): void {
    this.segments.push(segment);
    if (segment.header.restarts) this.obsolete = this.segments.length - 1;
    this.advance();
  }

  truncate(through: LogIndex): void {
    if (through > this.through) this.through = through;
    this.advance();
  }

  close(done: () => void): void {
    this.closed = true;
    if (this.busy) this.onIdle = done;
    else done();
  }

  private advance(): void {
    if (this.busy || this.closed) return;
    const [oldest] = this.segments;
    if (oldest === undefined || this.countRemovable() === 0) return;
    this.busy = true;
    const { disk, directory } = this.options;
    disk.remove(oldest.file, (error) => {
      // It is gone already if its removal was not durable the last time.
      if (error !== null && !isMissing(error)) this.onRemoved(error, "remove", oldest.file);
      else disk.syncDirectory(directory, (syncError) => this.onRemoved(syncError, "sync", directory));
    });
  }

  private onRemoved(error: Error | null, operation: string, file: string): void {
    this.busy = false;
    if (error === null) {
      this.segments.shift();
      this.obsolete = Math.max(0, this.obsolete - 1);
    } else {
      this.options.onFailure(new WalFailedError(file, operation, error));
    }
    if (this.closed) this.onIdle?.();
    else if (error === null) this.advance();
  }

  /**
   * How many of the oldest may go: those before a segment whose first index follows what the state machine holds. The log
   * may have been longer in between, but what it holds now after that index was written later.
   */
  private countRemovable(): number {
    const from = this.segments.findLastIndex(
      // What begins the log must say the term before its first entry, as version 1 does not.
      ({ header }) => header.termBefore !== undefined && header.firstIndex - 1 <= this.through,
    );
    return Math.max(from, this.obsolete, 0);
  }
}

const isMissing = (error: Error): boolean => errorCode(error) === "ENOENT";
