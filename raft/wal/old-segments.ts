import { type Disk, errorCode } from "../../platform/index.js";
import type { Entry, LogIndex } from "../core/index.js";
import { WalFailedError } from "./errors.js";
import type { LogFiles, SegmentFile } from "./segment-files.js";
import type { WalListener } from "./wal-listener.js";

/** The part of a segment that decides whether earlier ones may be removed. */
type Known = Pick<SegmentFile, "file" | "header">;

/** The options of `OldSegments`. */
export interface OldSegmentsOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** The existing files; obsolete ones are removed at once. */
  readonly files: LogFiles;
  readonly listener: Pick<WalListener, "onRemovalFailure">;
}

/**
 * Removes obsolete segments in the background: oldest first, each durably before the next, so that after a power cut no
 * segment is missing between two others.
 */
export class OldSegments {
  /** The segments that exist, oldest first. */
  private readonly segments: Known[];
  /** The number of obsolete segments at the front. */
  private obsolete: number;
  /** The last index that the state machine is known to hold durably. */
  private through = 0 as LogIndex;
  private isBusy = false;
  private onIdle: (() => void) | undefined;
  private isClosed = false;

  constructor(private readonly options: OldSegmentsOptions) {
    const { obsolete, segments } = options.files;
    this.segments = [...obsolete, ...segments];
    this.obsolete = obsolete.length;
    this.advance();
  }

  /** Returns the reason to refuse entries that would replace truncated ones; undefined if they do not. */
  reasonToRefuse([first]: readonly Entry[]): string | undefined {
    if (first === undefined || first.index > this.through) return undefined;
    return `entry ${first.index} replaces a truncated one`;
  }

  /** Adds a segment that is durable under its name. */
  onSegmentBegun(segment: Known): void {
    this.segments.push(segment);
    if (segment.header.restarts) this.obsolete = this.segments.length - 1;
    this.advance();
  }

  /** Removes the segments whose entries all lie at or before `through`. */
  truncate(through: LogIndex): void {
    if (through > this.through) this.through = through;
    this.advance();
  }

  /** Ends the removals; calls `done` after the one under way. */
  close(done: () => void): void {
    this.isClosed = true;
    if (this.isBusy) this.onIdle = done;
    else done();
  }

  private advance(): void {
    if (this.isBusy || this.isClosed) return;
    const [oldest] = this.segments;
    if (oldest === undefined || this.countRemovable() === 0) return;
    this.isBusy = true;
    const { disk, directory } = this.options;
    disk.remove(oldest.file, (error) => {
      // The file is missing if an earlier removal was not made durable.
      if (error !== null && !isMissing(error)) this.onRemoved(error, "remove", oldest.file);
      else disk.syncDirectory(directory, (syncError) => this.onRemoved(syncError, "sync", directory));
    });
  }

  private onRemoved(error: Error | null, operation: string, file: string): void {
    this.isBusy = false;
    if (error === null) {
      this.segments.shift();
      this.obsolete = Math.max(0, this.obsolete - 1);
    } else {
      this.options.listener.onRemovalFailure(new WalFailedError(file, operation, error));
    }
    if (this.isClosed) this.onIdle?.();
    else if (error === null) this.advance();
  }

  /**
   * Returns how many of the oldest segments may be removed: all before the last segment that begins at or before the index
   * after `through`. Entries of the log after that index are in later segments.
   */
  private countRemovable(): number {
    const from = this.segments.findLastIndex(({ header }) => header.firstIndex - 1 <= this.through);
    return Math.max(from, this.obsolete, 0);
  }
}

const isMissing = (error: Error): boolean => errorCode(error) === "ENOENT";
