import { ByteWriter } from "../codec/index.js";
import { writeBatch, type RecordedBatch } from "./batch.js";
import {
  batchRecord,
  nextRecordAt,
  recordEnd,
  recordHeaderBytes,
  sealRecord,
  sectorBytes,
  sectorEnd,
} from "./record.js";
import { firstRecordAt, writeSegmentHeader, type SegmentHeader } from "./segment.js";

/** A record ready for one write. */
export interface Sealed {
  readonly bytes: Uint8Array;
  /** The distance from the first of `bytes` to the start of the next record. */
  readonly length: number;
  /** The checksum, which seeds the next record's. */
  readonly checksum: number;
}

/**
 * Encodes batches as records in one reused buffer. The encoding depends on the record's offset in a sector, so the record has the
 * same offset in the buffer, after one sector of room for a segment header.
 */
export class RecordBuffer {
  private readonly writer = new ByteWriter(64 * 1024);
  private start = firstRecordAt;
  private payloadBytes = 0;

  /** Encodes a batch, replacing the one before. @param position the record's position in its segment */
  putBatch(batch: RecordedBatch, position: number): void {
    this.start = firstRecordAt + (position % sectorBytes);
    this.writer.reset();
    this.writer.skipBytes(this.start + recordHeaderBytes);
    writeBatch(this.writer, batch);
    this.payloadBytes = this.writer.length - this.start - recordHeaderBytes;
  }

  /** Returns the end of the record if it begins at `position` of a segment. */
  endFrom(position: number): number {
    return recordEnd(position, recordHeaderBytes + this.payloadBytes);
  }

  /** Completes the record after one with the checksum `seed`. */
  seal(seed: number): Sealed {
    return this.complete(seed, this.start);
  }

  /** Completes the record as the first of a segment, after the header. */
  sealFirst(header: SegmentHeader): Sealed {
    return this.complete(writeSegmentHeader(this.writer.writtenBytes(), header), 0);
  }

  private complete(seed: number, from: number): Sealed {
    const { writer, start, payloadBytes } = this;
    const end = this.endFrom(start);
    writer.skipBytes(Math.max(0, sectorEnd(end) - writer.length));
    const buffer = writer.writtenBytes();
    const sealed = sealRecord(buffer, start, { type: batchRecord, payloadBytes, seed });
    return { bytes: buffer.subarray(from, sealed.end), length: nextRecordAt(end) - from, checksum: sealed.checksum };
  }
}
