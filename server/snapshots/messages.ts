// The messages on a snapshot's channel. The sender sends `begin`, `rows` …, `end`. The receiver sends `progress` once a second and
// at last `installed` or `refused`.

import { crc32 } from "node:zlib";
import { asBuffer } from "../../platform/index.js";
import type { LogIndex, LogPosition, Term } from "../../raft/index.js";
import type { Row } from "../../store/index.js";

/** An error for a message that was altered in transit, or was not sent by a member. */
export class SnapshotDamagedError extends Error {
  override readonly name = "SnapshotDamagedError";
}

/** The first message: the position of the snapshot. */
export interface Begin {
  readonly kind: "begin";
  /** The term in which the sender leads. */
  readonly leaderTerm: Term;
  /** The position of the last entry that the snapshot contains. */
  readonly position: LogPosition;
}
/** A chunk of rows. */
export interface SnapshotRows {
  readonly kind: "rows";
  readonly rows: readonly Row[];
}
/** The last message of the sender. */
export interface End {
  readonly kind: "end";
  /** The number of rows sent. */
  readonly rows: number;
}
/** The receiver's progress, also a keepalive. */
export interface Progress {
  readonly kind: "progress";
  /** The bytes of rows written. */
  readonly bytes: number;
}
/** The receiver's last message: the snapshot is installed. */
export interface Installed {
  readonly kind: "installed";
}
/** The receiver's last message: the snapshot is not installed. */
export interface Refused {
  readonly kind: "refused";
  readonly reason: string;
}

/** The maximum length of a sent reason, as the sender reads only small answers; the complete one is in the receiver's log. */
const maxReasonBytes = 400;

const kinds = { begin: 1, rows: 2, end: 3, progress: 4, installed: 5, refused: 6 } as const;

/** The size of kind and checksum; the checksum covers `begin` and all rows so far. */
const rowsHeaderBytes = 5;
/** The size of the lengths of key and value. */
const rowHeaderBytes = 8;

/** Encodes the sender's messages. The checksum of each chunk covers all chunks so far, so a missing chunk is detected. */
export class SnapshotWriter {
  private checksum = 0;
  private rowCount = 0;

  /** Encodes the first message. */
  encodeBegin({ leaderTerm, position }: Omit<Begin, "kind">): Uint8Array {
    const bytes = numbers(kinds.begin, leaderTerm, position.index, position.term);
    this.checksum = crc32(bytes);
    return bytes;
  }

  /** Encodes a chunk. */
  encodeRows(rows: readonly Row[]): Uint8Array {
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

  /** Encodes the last message. */
  encodeEnd(): Uint8Array {
    return numbers(kinds.end, this.rowCount);
  }
}

/** Decodes the sender's messages in order. */
export class SnapshotReader {
  private checksum = 0;
  private rowCount = 0;
  private chunks = 0;

  /** Decodes the first message. @throws SnapshotDamagedError */
  decodeBegin(payload: Uint8Array): Begin {
    const bytes = asBuffer(payload);
    if (bytes[0] !== kinds.begin) throw new SnapshotDamagedError("not a snapshot: unexpected first message");
    const [leaderTerm, index, term] = readNumbers(bytes, 3);
    this.checksum = crc32(bytes);
    return {
      kind: "begin",
      leaderTerm: leaderTerm as Term,
      position: { index: index as LogIndex, term: term as Term },
    };
  }

  /**
   * Decodes the next message. Rows are views into `payload`.
   *
   * @throws SnapshotDamagedError
   */
  decodeNext(payload: Uint8Array): SnapshotRows | End {
    const bytes = asBuffer(payload);
    if (bytes[0] === kinds.rows) return { kind: "rows", rows: this.readRows(bytes) };
    if (bytes[0] !== kinds.end) throw new SnapshotDamagedError(`an unknown message after chunk ${this.chunks}`);
    const [rows = 0] = readNumbers(bytes, 1);
    if (rows !== this.rowCount) throw new SnapshotDamagedError(`received ${this.rowCount} of ${rows} rows`);
    return { kind: "end", rows };
  }

  private readRows(bytes: Buffer): Row[] {
    this.chunks++;
    if (bytes.length < rowsHeaderBytes) throw this.cutShortError();
    const stated = bytes.readUInt32BE(1);
    this.checksum = crc32(bytes.subarray(rowsHeaderBytes), this.checksum);
    if (this.checksum !== stated)
      throw new SnapshotDamagedError(
        `chunk ${this.chunks} has a wrong checksum: ${hex(this.checksum)}, expected ${hex(stated)}`,
      );
    const rows: Row[] = [];
    for (let at = rowsHeaderBytes; at < bytes.length;) {
      if (at + rowHeaderBytes > bytes.length) throw this.cutShortError();
      const valueAt = at + rowHeaderBytes + bytes.readUInt32BE(at);
      const end = valueAt + bytes.readUInt32BE(at + 4);
      if (end > bytes.length) throw this.cutShortError();
      rows.push([bytes.subarray(at + rowHeaderBytes, valueAt), bytes.subarray(valueAt, end)]);
      at = end;
    }
    this.rowCount += rows.length;
    return rows;
  }

  private cutShortError(): SnapshotDamagedError {
    return new SnapshotDamagedError(`chunk ${this.chunks} is cut short`);
  }
}

/** Encodes the receiver's progress. */
export const encodeProgress = (bytes: number): Uint8Array => numbers(kinds.progress, bytes);
/** Encodes the receiver's success. */
export const encodeInstalled = (): Uint8Array => Buffer.of(kinds.installed);
/** Encodes the receiver's refusal; a long reason is cut. */
export const encodeRefused = (reason: string): Uint8Array =>
  Buffer.concat([Buffer.of(kinds.refused), Buffer.from(reason, "utf8").subarray(0, maxReasonBytes)]);

/** Decodes a message of the receiver. @throws SnapshotDamagedError if it is not one */
export const decodeReceiverMessage = (payload: Uint8Array): Progress | Installed | Refused => {
  const bytes = asBuffer(payload);
  const kind = bytes[0];
  if (kind === kinds.progress) return { kind: "progress", bytes: readNumbers(bytes, 1)[0] ?? 0 };
  if (kind === kinds.installed) return { kind: "installed" };
  if (kind === kinds.refused) return { kind: "refused", reason: bytes.toString("utf8", 1) };
  throw new SnapshotDamagedError("unknown answer");
};

const numbers = (kind: number, ...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(1 + 8 * values.length);
  bytes[0] = kind;
  values.forEach((value, n) => void bytes.writeBigUInt64BE(BigInt(value), 1 + 8 * n));
  return bytes;
};

const readNumbers = (bytes: Buffer, count: number): number[] => {
  if (bytes.length !== 1 + 8 * count) throw new SnapshotDamagedError("message of a wrong length");
  const values = Array.from({ length: count }, (_, n) => Number(bytes.readBigUInt64BE(1 + 8 * n)));
  if (!values.every(Number.isSafeInteger)) throw new SnapshotDamagedError("number out of range");
  return values;
};

const hex = (sum: number): string => sum.toString(16).padStart(8, "0");
