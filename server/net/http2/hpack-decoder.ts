// HPACK (RFC 7541): decodes a client's header blocks in place.

import { emptyList } from "../../../platform/index.js";
import { DynamicTable } from "./dynamic-table.js";
import { ConnectionError, http2ErrorCode } from "./errors.js";
import { HeaderField, staticTable } from "./header-field.js";
import { decodeHuffman } from "./huffman.js";
import { headerTableBytes, maxHeaderFields, maxHeaderListBytes } from "./limits.js";
import type { LiteralCache } from "./literal-cache.js";

/** Clients with deadlines send a new value with each request, so it is not cached as a literal. */
const changing = "grpc-timeout";

/**
 * Decodes the header blocks of one connection, in order. Most fields of most blocks are an index, so an existing object;
 * literals are looked up in the cache by their bytes. Only fields that were not sent before are decoded.
 */
export class HpackDecoder {
  /** The fields of the last decoded block. */
  readonly fields = emptyList<HeaderField>();
  private readonly table = new DynamicTable(headerTableBytes);
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  private end = 0;
  private listBytes = 0;

  constructor(private readonly literals: LiteralCache) {}

  /**
   * Decodes a whole block into `fields`.
   *
   * @returns false: the list is larger than allowed, and `fields` has only its beginning
   * @throws ConnectionError if the bytes are no header block: the dynamic tables may differ from then on
   */
  decode(bytes: Buffer, start: number, end: number): boolean {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.fields.length = 0;
    this.listBytes = 0;
    while (this.at < end && ((bytes[this.at] ?? 0) & 0xe0) === 0x20) this.readSizeUpdate();
    while (this.at < end) this.addField(this.readField(bytes[this.at] ?? 0));
    return this.listBytes <= maxHeaderListBytes && this.fields.length <= maxHeaderFields;
  }

  /** Drops the last decoded block, which may be large. */
  forget(): void {
    this.fields.length = 0;
  }

  private addField(field: HeaderField): void {
    this.listBytes += field.size;
    if (this.listBytes <= maxHeaderListBytes && this.fields.length <= maxHeaderFields) this.fields.push(field);
  }

  /** Reads one representation of a field (§6). */
  private readField(first: number): HeaderField {
    if (first >= 0x80) return this.lookUp(this.readInteger(0x7f));
    if (first >= 0x40) {
      const field = this.readLiteral(0x3f);
      this.table.add(field);
      return field;
    }
    if (first >= 0x20) throw malformedError("a size update after a field");
    return this.readLiteral(0x0f, first < 0x10);
  }

  private lookUp(index: number): HeaderField {
    const field = index <= staticTable.length ? staticTable[index - 1] : this.table.get(index - staticTable.length - 1);
    if (field === undefined) throw malformedError("no such index");
    return field;
  }

  private readSizeUpdate(): void {
    const size = this.readInteger(0x1f);
    if (size > headerTableBytes) throw malformedError("dynamic table too large");
    this.table.resize(size);
  }

  /** @param mayBeKept false: the client marked the field as never indexed (§7.1.3) */
  private readLiteral(prefix: number, mayBeKept = true): HeaderField {
    const nameIndex = this.readInteger(prefix);
    const name = nameIndex === 0 ? undefined : this.lookUp(nameIndex).name;
    if (name === changing || (name !== undefined && !mayBeKept)) return new HeaderField(name, this.readString());
    const start = this.at;
    if (nameIndex === 0) this.skipString();
    this.skipString();
    const { bytes, at: end } = this;
    const known = this.literals.find(name, bytes, start, end);
    if (known !== undefined) return known;
    this.at = start;
    const field = new HeaderField(name ?? this.readString(), this.readString());
    if (field.name !== changing && mayBeKept) this.literals.add(name, bytes, start, end, field);
    return field;
  }

  private skipString(): void {
    const length = this.readInteger(0x7f);
    this.at += length;
    if (this.at > this.end) throw malformedError("a string beyond the block");
  }

  /** Reads a string literal (§5.2). */
  private readString(): string {
    const isHuffman = ((this.bytes[this.at] ?? 0) & 0x80) !== 0;
    const length = this.readInteger(0x7f);
    const start = this.at;
    const end = (this.at += length);
    if (end > this.end) throw malformedError("a string beyond the block");
    const text = isHuffman ? decodeHuffman(this.bytes, start, end) : this.bytes.toString("latin1", start, end);
    if (text === undefined) throw malformedError("invalid Huffman code");
    return text;
  }

  /** Reads an integer whose first bits are those of `prefix` (§5.1); refuses integers above 2^28. */
  private readInteger(prefix: number): number {
    if (this.at >= this.end) throw malformedError("the block ends early");
    let value = (this.bytes[this.at++] ?? 0) & prefix;
    if (value < prefix) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.at >= this.end) throw malformedError("the block ends early");
      const byte = this.bytes[this.at++] ?? 0;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw malformedError("an integer too large");
  }
}

const malformedError = (text: string): ConnectionError =>
  new ConnectionError(http2ErrorCode.compression, `HPACK: ${text}`);
