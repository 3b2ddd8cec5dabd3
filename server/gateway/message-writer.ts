// Writes protobuf messages as JSON, as Go's protojson does with the names of the .proto files: 64-bit integers are strings,
// bytes are base64, and fields with default values are omitted.

import { asBuffer } from "../../platform/index.js";
import type { FieldSchema, MessageSchema } from "./message-schema.js";

/** Writes an encoded message as JSON. @throws Error if the bytes are no message */
export const jsonOf = (message: Uint8Array, schema: MessageSchema): string => {
  const writer = new MessageWriter(asBuffer(message));
  return writer.message(schema, 0, message.length);
};

/**
 * Writes an encoded message in slices, each in a turn of the event loop.
 *
 * @returns a generator that yields after each slice, and returns the text in pieces
 */
export const jsonSlices = (message: Uint8Array, schema: MessageSchema): Generator<void, string[]> =>
  new MessageWriter(asBuffer(message)).slices(schema, message.length);

/** Bytes of a message per slice and per piece of text. */
const sliceBytes = 64 * 1024;

/** Reads the fields of a message and its nested messages in place. */
class MessageWriter {
  private at = 0;
  /** The field that was read last. */
  private found: FieldSchema | undefined;
  /** Offset at which the slice began. */
  private sliceStart = 0;

  constructor(private readonly bytes: Buffer) {}

  /** Writes the message from offset `start` to `end`. */
  message(schema: MessageSchema, start: number, end: number): string {
    const values: FieldValues = new Map();
    this.at = start;
    while (this.at < end) {
      const value = this.readField(schema);
      if (value !== undefined && this.found !== undefined) add(values, this.found, [value]);
    }
    return partsOf(schema, values).join("");
  }

  *slices(schema: MessageSchema, end: number): Generator<void, string[]> {
    const parts = yield* this.parts(schema, 0, end);
    const pieces: string[] = [];
    for (let from = 0; from < parts.length; from += partsPerPiece) {
      pieces.push(parts.slice(from, from + partsPerPiece).join(""));
      yield;
    }
    return pieces;
  }

  /** Writes the message from offset `start` to `end` in small parts. */
  private *parts(schema: MessageSchema, start: number, end: number): Generator<void, string[]> {
    const values: FieldValues = new Map();
    this.at = start;
    while (this.at < end) {
      const large = this.peekLargeMessage(schema);
      if (large === undefined) {
        const value = this.readField(schema);
        if (value !== undefined && this.found !== undefined) add(values, this.found, [value]);
      } else add(values, large.field, yield* this.parts(large.field.message(), large.start, large.end));
      if (this.at - this.sliceStart < sliceBytes) continue;
      this.sliceStart = this.at;
      yield;
    }
    return partsOf(schema, values);
  }

  /** Checks the next field. @returns undefined, with nothing read: the field is no message, or a small one */
  private peekLargeMessage(schema: MessageSchema) {
    const { at } = this;
    const tag = this.varint();
    const field = schema.byNumber.get(Math.floor(tag / 8));
    if (field?.type === "message" && tag % 8 === 2) {
      const length = this.varint();
      if (length > sliceBytes) return { field, start: this.at, end: this.at + length };
    }
    this.at = at;
    return undefined;
  }

  /** Reads a field. @returns its value; undefined: it is omitted */
  private readField(schema: MessageSchema): string | undefined {
    const tag = this.varint();
    const field = schema.byNumber.get(Math.floor(tag / 8));
    if (field === undefined) {
      this.skip(tag % 8);
      return undefined;
    }
    const value = this.value(field, tag % 8);
    this.found = field; // after its nested fields were read
    return value;
  }

  /** Reads a value. @returns undefined: the default, outside of oneofs and lists */
  private value(field: FieldSchema, wireType: number): string | undefined {
    if (wireType === 2) {
      const length = this.varint();
      const start = this.at;
      const end = start + length;
      if (end > this.bytes.length) throw new Error("a message ends within a field");
      if (isNumeric(field)) return this.writePacked(field, start, end);
      const text = this.content(field, start, end);
      this.at = end;
      return length === 0 && field.type !== "message" && isImplicit(field) ? undefined : text;
    }
    if (wireType !== 0) throw new Error(`field ${field.name} has wire type ${wireType}`);
    const number = this.varint64();
    return number === 0n && isImplicit(field) ? undefined : numberText(field, number);
  }

  private content(field: FieldSchema, start: number, end: number): string {
    if (field.type === "message") return this.message(field.message(), start, end);
    if (field.type === "bytes") return `"${this.bytes.toString("base64", start, end)}"`;
    return JSON.stringify(this.bytes.toString("utf8", start, end));
  }

  /** Writes the numbers of a packed list. */
  private writePacked(field: FieldSchema, start: number, end: number): string | undefined {
    const numbers: string[] = [];
    this.at = start;
    while (this.at < end) numbers.push(numberText(field, this.varint64()));
    return numbers.length === 0 ? undefined : numbers.join(",");
  }

  private skip(wireType: number): void {
    if (wireType === 0) this.varint64();
    else if (wireType === 1) this.at += 8;
    else if (wireType === 5) this.at += 4;
    else if (wireType === 2) {
      const length = this.varint();
      this.at += length;
    } else throw new Error(`an unknown field has wire type ${wireType}`);
  }

  /** Reads a number below 2^53. */
  private varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new Error("a message has too large a number");
  }

  private varint64(): bigint {
    const start = this.at;
    let end = start;
    while ((this.bytes[end] ?? 0) >= 0x80) end++;
    if (end - start < 7) return BigInt(this.varint());
    let value = 0n;
    for (let at = end; at >= start; at--) value = (value << 7n) | BigInt((this.bytes[at] ?? 0) & 0x7f);
    this.at = end + 1;
    return BigInt.asUintN(64, value);
  }
}

/** Texts by field; for a list, the texts of all values with commas between them. */
type FieldValues = Map<FieldSchema, string[]>;

const partsPerPiece = 500;

const add = (values: FieldValues, field: FieldSchema, parts: string[]): void => {
  const before = field.isList ? values.get(field) : undefined; // of a field that is no list, the last value counts
  if (before === undefined) values.set(field, parts);
  else {
    before.push(",");
    for (const part of parts) before.push(part);
  }
};

/** Joins the parts of an object, with its fields in the order of the .proto file. */
const partsOf = (schema: MessageSchema, values: FieldValues): string[] => {
  const parts = ["{"];
  for (const field of schema.fields) {
    const found = values.get(field);
    if (found === undefined) continue;
    parts.push(`${parts.length > 1 ? "," : ""}"${field.name}":${field.isList ? "[" : ""}`);
    for (const part of found) parts.push(part);
    if (field.isList) parts.push("]");
  }
  parts.push("}");
  return parts;
};

const isNumeric = ({ type }: FieldSchema): boolean => type !== "message" && type !== "bytes" && type !== "string";

/** Whether the field's default is the same as its absence. */
const isImplicit = ({ isList, oneof }: FieldSchema): boolean => !isList && oneof === undefined;

const numberText = ({ type, enumNames }: FieldSchema, value: bigint): string => {
  switch (type) {
    case "bool":
      return value === 0n ? "false" : "true";
    case "enum": {
      const number = Number(BigInt.asIntN(32, value));
      const name = enumNames.get(number);
      return name === undefined ? `${number}` : `"${name}"`;
    }
    case "int32":
      return `${BigInt.asIntN(32, value)}`;
    case "uint32":
      return `${BigInt.asUintN(32, value)}`;
    case "int64":
      return `"${BigInt.asIntN(64, value)}"`;
    case "uint64":
    case "string":
    case "bytes":
    case "message":
      return `"${value}"`;
  }
};
