import { ByteWriter } from "../codec/index.js";
import { writeBatch, type Batch } from "./batch.js";
import {
  batchRecord,
  nextRecordAt,
  recordEnd,
  recordHeaderBytes,
  sealRecord,
  sectorBytes,
  sectorEnd,
} from "./record.js";
import { firstRecordAt, writeSegmentHeader, type NewSegmentHeader } from "./segment.js";

/** What goes to the disk in one write. */
export interface Sealed {
  readonly bytes: Uint8Array;
  /** From the first of `bytes` to where the next record begins. */
  readonly length: number;
  /** Seeds the next record's. */
  readonly checksum: number;
}

/**
 * Where a batch becomes a record, in memory that serves one after the other. A record depends on its place in a sector,
 * so in front of it is room for a segment header, should it begin a segment, and it lies as far from there as it
 * will lie from the beginning of a sector.
 */
export class RecordBuffer {
  private readonly writer = new ByteWriter(64 * 1024);
  private start = firstRecordAt;
  private payloadBytes = 0;

  /** Takes the place of the one before. @param position where in a segment it is to be */
  putBatch(batch: Batch, position: number): void {
    this.start = firstRecordAt + (position % sectorBytes);
    this.writer.reset();
    this.writer.skipBytes(this.start + recordHeaderBytes);
    writeBatch(this.writer, batch);
    this.payloadBytes = this.writer.length - this.start - recordHeaderBytes;
  }

  /** Where the record ends if it begins at `position` of a segment. */
  endFrom(position: number): number {
    return recordEnd(position, recordHeaderBytes + this.payloadBytes);
  }

  /** It is to be the first of a segment instead. */
  moveToFront(): void {
    if (this.start > firstRecordAt) this.writer.writtenBytes().copyWithin(firstRecordAt, this.start);
    this.start = firstRecordAt;
  }

  /** The record, to follow one with the checksum `seed`. */
  seal(seed: number): Sealed {
    return this.complete(seed, this.start);
  }

  /** The record as the first of a segment, behind the header. */
  sealFirst(header: NewSegmentHeader): Sealed {
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
