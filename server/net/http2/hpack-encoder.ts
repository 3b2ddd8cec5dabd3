// Encodes the header blocks of answers (RFC 7541). A gRPC server sends few different fields, so this is no general encoder: the
// two fields of every answer are in the client's dynamic table after the first answer, and all others are sent as literals.

import { staticTable } from "./header-field.js";

/** Writes an integer behind the leading bits of its first byte (§5.1). @returns the offset behind it */
const writeInteger = (bytes: Buffer, at: number, first: number, prefix: number, value: number): number => {
  if (value < prefix) {
    bytes[at] = first | value;
    return at + 1;
  }
  bytes[at++] = first | prefix;
  let rest = value - prefix;
  for (; rest >= 0x80; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at] = rest;
  return at + 1;
};

const writeText = (bytes: Buffer, at: number, text: string): number => {
  const start = writeInteger(bytes, at, 0, 0x7f, text.length);
  return start + bytes.write(text, start, "latin1");
};

const indexOfName = (name: string): number => staticTable.findIndex((field) => field.name === name) + 1;
const contentTypeIndex = indexOfName("content-type");
const statusIndex = 8;

/** The content type of every answer. */
const contentType = "application/grpc";

/** Encodes the header blocks of one connection's answers, in the order in which they are sent. */
export class HpackEncoder {
  /** Number of fields that were added to the client's table. */
  private added = 0;
  /** The number of the content type among the added fields; 0: it is not in the table. */
  private contentTypeAdded = 0;
  private statusOkAdded = 0;
  private usesTable = true;
  private owesSizeUpdate = false;

  /** Applies SETTINGS_HEADER_TABLE_SIZE. A client that allows less than the default gets no indexed fields, as it saves memory. */
  setTableSize(bytes: number): void {
    if (bytes >= defaultTableBytes || !this.usesTable) return;
    this.usesTable = false;
    this.owesSizeUpdate = true;
  }

  /** Writes the headers before the messages of an answer. @returns the offset behind them */
  writeHeaders(bytes: Buffer, at: number): number {
    at = this.writeSizeUpdate(bytes, at);
    bytes[at++] = 0x80 | statusIndex;
    if (this.contentTypeAdded > 0) return this.writeAdded(bytes, at, this.contentTypeAdded);
    if (this.usesTable) this.contentTypeAdded = this.added += 1;
    return this.writeContentType(bytes, at, this.usesTable);
  }

  /** Writes the trailers of an answer without an error. @returns the offset behind them */
  writeOkTrailers(bytes: Buffer, at: number): number {
    at = this.writeSizeUpdate(bytes, at);
    if (this.statusOkAdded > 0) return this.writeAdded(bytes, at, this.statusOkAdded);
    bytes[at++] = this.usesTable ? 0x40 : 0;
    if (this.usesTable) this.statusOkAdded = this.added += 1;
    return writeText(bytes, writeText(bytes, at, "grpc-status"), "0");
  }

  /** Writes `:status` and the content type of an answer without messages. @returns the offset behind them */
  writeHeadersOfError(bytes: Buffer, at: number, httpStatus: number): number {
    if (httpStatus === 200) return this.writeHeaders(bytes, at);
    at = this.writeSizeUpdate(bytes, at);
    at = writeInteger(bytes, at, 0, 0x0f, statusIndex);
    at = writeText(bytes, at, String(httpStatus));
    return this.writeContentType(bytes, at, false);
  }

  /** Writes a field as a literal without indexing, in Latin-1. @returns the offset behind it */
  writeField(bytes: Buffer, at: number, name: string, value: string): number {
    at = this.writeSizeUpdate(bytes, at);
    bytes[at++] = 0;
    return writeText(bytes, writeText(bytes, at, name), value);
  }

  private writeContentType(bytes: Buffer, at: number, isIndexed: boolean): number {
    at = isIndexed
      ? writeInteger(bytes, at, 0x40, 0x3f, contentTypeIndex)
      : writeInteger(bytes, at, 0, 0x0f, contentTypeIndex);
    return writeText(bytes, at, contentType);
  }

  /** Writes the index of an added field; the newest has the first index after the static table. */
  private writeAdded(bytes: Buffer, at: number, added: number): number {
    return writeInteger(bytes, at, 0x80, 0x7f, staticTable.length + 1 + this.added - added);
  }

  private writeSizeUpdate(bytes: Buffer, at: number): number {
    if (!this.owesSizeUpdate) return at;
    this.owesSizeUpdate = false;
    this.contentTypeAdded = this.statusOkAdded = 0;
    bytes[at] = 0x20; // sets the table size to 0 (§4.2)
    return at + 1;
  }
}

const defaultTableBytes = 4_096;
