// What two members say to each other on a snapshot's channel. The sender: `begin`, `rows` …, `end`. The receiver:
// `progress` as a sign of life, then `installed` or `refused`, once, as the last word.

import { crc32 } from "node:zlib";
import type { LogIndex, LogPosition, Term } from "../../raft/index.js";
import type { Row } from "../../store/index.js";

/** What came is not what was sent, or not from a member. */
export class SnapshotDamagedError extends Error {
  override readonly name = "SnapshotDamagedError";
}

export interface Begin {
  readonly kind: "begin";
  /** The term in which the sender leads. */
  readonly leaderTerm: Term;
  /** The last entry that the snapshot contains. */
  readonly position: LogPosition;
}
export interface Rows {
  readonly kind: "rows";
  readonly rows: readonly Row[];
}
/** What was sent in all. */
export interface End {
  readonly kind: "end";
  readonly rows: number;
}
export interface Progress {
  readonly kind: "progress";
  /** Bytes of rows that were taken. */
  readonly bytes: number;
}
export interface Installed {
  readonly kind: "installed";
}
export interface Refused {
  readonly kind: "refused";
  readonly reason: string;
}

/** The rest of a longer reason stays here, in the log: answers are small, as whoever sends a snapshot reads no large ones. */
const maxReasonBytes = 400;

const kinds = { begin: 1, rows: 2, end: 3, progress: 4, installed: 5, refused: 6 } as const;

/** Kind, then the checksum of the announcement and all rows so far. */
const rowsHeaderBytes = 5;
/** Length of the key, length of the value. */
const rowHeaderBytes = 8;

/** Writes the sender's side. Each message of rows has a checksum over all that was said so far: nothing can be missing either. */
export class SnapshotWriter {
  private checksum = 0;
  private rowCount = 0;

  begin({ leaderTerm, position }: Omit<Begin, "kind">): Uint8Array {
    const bytes = numbers(kinds.begin, leaderTerm, position.index, position.term);
    this.checksum = crc32(bytes);
    return bytes;
  }

  rows(rows: readonly Row[]): Uint8Array {
    const size = rows.reduce((sum, [key, value]) => sum + rowHeaderBytes + key.length + value.length, rowsHeaderBytes);
    const bytes = Buffer.allocUnsafe(size);
    let at = rowsHeaderBytes;
    for (const [key, value] of rows) {
      bytes.writeUInt32BE(key.length, at);
      bytes.writeUInt32BE(value.length, at + 4);
      bytes.set(key, at + rowHeaderBytes);
      bytes.set(value, at + rowHeaderBytes + key.length);
      at += rowHeaderBytes + key.length + value.length;
    }
    this.checksum = crc32(bytes.subarray(rowsHeaderBytes), this.checksum);
    this.rowCount += rows.length;
    bytes[0] = kinds.rows;
    bytes.writeUInt32BE(this.checksum, 1);
    return bytes;
  }

  end(): Uint8Array {
    return numbers(kinds.end, this.rowCount);
  }
}

/** Reads the sender's side, one message after the other. */
export class SnapshotReader {
  private checksum = 0;
  private rowCount = 0;
  private chunks = 0;

  /** @throws SnapshotDamagedError */
  begin(payload: Uint8Array): Begin {
    const bytes = asBuffer(payload);
    if (bytes[0] !== kinds.begin) throw new SnapshotDamagedError("it does not begin as a snapshot does");
    const [leaderTerm, index, term] = readNumbers(bytes, 3);
    this.checksum = crc32(bytes);
    return {
      kind: "begin",
      leaderTerm: leaderTerm as Term,
      position: { index: index as LogIndex, term: term as Term },
    };
  }

  /**
   * Rows are views into `payload`.
   *
   * @throws SnapshotDamagedError
   */
  next(payload: Uint8Array): Rows | End {
    const bytes = asBuffer(payload);
    if (bytes[0] === kinds.rows) return { kind: "rows", rows: this.readRows(bytes) };
    if (bytes[0] !== kinds.end) throw new SnapshotDamagedError(`an unknown message after chunk ${this.chunks}`);
    const [rows = 0] = readNumbers(bytes, 1);
    if (rows !== this.rowCount) throw new SnapshotDamagedError(`${this.rowCount} rows came, ${rows} were sent`);
    return { kind: "end", rows };
  }

  private readRows(bytes: Buffer): Row[] {
    this.chunks++;
    if (bytes.length < rowsHeaderBytes) throw this.cutShort();
    const stated = bytes.readUInt32BE(1);
    this.checksum = crc32(bytes.subarray(rowsHeaderBytes), this.checksum);
    if (this.checksum !== stated)
      throw new SnapshotDamagedError(
        `chunk ${this.chunks} has the wrong checksum: it is ${hex(this.checksum)}, was ${hex(stated)} when sent`,
      );
    const rows: Row[] = [];
    for (let at = rowsHeaderBytes; at < bytes.length;) {
      if (at + rowHeaderBytes > bytes.length) throw this.cutShort();
      const valueAt = at + rowHeaderBytes + bytes.readUInt32BE(at);
      const end = valueAt + bytes.readUInt32BE(at + 4);
      if (end > bytes.length) throw this.cutShort();
      rows.push([bytes.subarray(at + rowHeaderBytes, valueAt), bytes.subarray(valueAt, end)]);
      at = end;
    }
    this.rowCount += rows.length;
    return rows;
  }

  private cutShort(): SnapshotDamagedError {
    return new SnapshotDamagedError(`chunk ${this.chunks} is cut short`);
  }
}

export const encodeProgress = (bytes: number): Uint8Array => numbers(kinds.progress, bytes);
export const encodeInstalled = (): Uint8Array => Buffer.of(kinds.installed);
export const encodeRefused = (reason: string): Uint8Array =>
  Buffer.concat([Buffer.of(kinds.refused), Buffer.from(reason, "utf8").subarray(0, maxReasonBytes)]);

/** @throws SnapshotDamagedError if it is not what a receiver says */
export const decodeAnswer = (payload: Uint8Array): Progress | Installed | Refused => {
  const bytes = asBuffer(payload);
  const kind = bytes[0];
  if (kind === kinds.progress) return { kind: "progress", bytes: readNumbers(bytes, 1)[0] ?? 0 };
  if (kind === kinds.installed) return { kind: "installed" };
  if (kind === kinds.refused) return { kind: "refused", reason: bytes.toString("utf8", 1) };
  throw new SnapshotDamagedError("an answer that no member gives");
};

const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

const numbers = (kind: number, ...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(1 + 8 * values.length);
  bytes[0] = kind;
  values.forEach((value, n) => void bytes.writeBigUInt64BE(BigInt(value), 1 + 8 * n));
  return bytes;
};

const readNumbers = (bytes: Buffer, count: number): number[] => {
  if (bytes.length !== 1 + 8 * count) throw new SnapshotDamagedError("a message of the wrong length");
  const values = Array.from({ length: count }, (_, n) => Number(bytes.readBigUInt64BE(1 + 8 * n)));
  if (!values.every(Number.isSafeInteger)) throw new SnapshotDamagedError("a number that is too large");
  return values;
};

const hex = (sum: number): string => sum.toString(16).padStart(8, "0");
