// Converts requests from JSON to protobuf messages, by the rules of Go's protojson with unknown fields ignored, and with its
// error texts.

import { integerOf, integerRanges } from "./json-integer.js";
import { InvalidJsonError } from "./invalid-json-error.js";
import { fromBytes, JsonTokens } from "./json-tokens.js";
import type { FieldSchema, MessageSchema } from "./message-schema.js";
import { WireBuffer } from "./wire-buffer.js";

/** The maximum depth of messages, which allows 500 nested transactions; a greater depth might overflow the stack. */
const maxDepth = 1_000;

/**
 * Encodes one well-formed JSON value as a message.
 *
 * @throws InvalidJsonError
 */
export const encodeJson = (json: Buffer, schema: MessageSchema): Buffer => {
  const output = new WireBuffer(json.length);
  new JsonMessageReader(new JsonTokens(json.toString("latin1")), output).message(schema, 1);
  return output.finish();
};

class JsonMessageReader {
  constructor(
    private readonly tokens: JsonTokens,
    private readonly output: WireBuffer,
  ) {}

  message(schema: MessageSchema, depth: number): void {
    const { tokens } = this;
    if (depth > maxDepth) throw new InvalidJsonError("proto: exceeded max recursion depth");
    if (tokens.next() !== "{") throw tokens.unexpectedTokenError();
    const seen = new Set<FieldSchema | string>();
    while (tokens.next() !== "}") {
      const field = schema.byName.get(fromBytes(tokens.content));
      if (field === undefined) this.skipValue();
      else this.member(field, seen, depth);
    }
  }

  /** Reads the value of a field; its name has been read. */
  private member(field: FieldSchema, seen: Set<FieldSchema | string>, depth: number): void {
    const { tokens } = this;
    const { start, end } = tokens;
    if (seen.has(field)) throw tokens.error(`duplicate field ${tokens.raw}`);
    seen.add(field);
    if (tokens.peek() === "null") {
      tokens.next();
      return;
    }
    if (field.isList) return this.list(field, depth);
    if (field.oneof !== undefined) {
      if (seen.has(field.oneof))
        throw tokens.error(`error parsing ${tokens.rawAt(start, end)}, oneof ${field.oneof} is already set`, start);
      seen.add(field.oneof);
    }
    this.value(field, depth);
  }

  private list(field: FieldSchema, depth: number): void {
    const { tokens } = this;
    if (tokens.next() !== "[") throw tokens.unexpectedTokenError();
    while (tokens.peek() !== "]") this.value(field, depth);
    tokens.next();
  }

  private value(field: FieldSchema, depth: number): void {
    const { output, tokens } = this;
    if (field.type === "message") {
      output.lengthTag(field.number);
      const start = output.enter();
      this.message(field.message(), depth + 1);
      output.leave(start);
      return;
    }
    tokens.next();
    if (!this.readScalar(field))
      throw tokens.error(`invalid value for ${field.type} field ${field.jsonName}: ${tokens.raw}`);
  }

  /** Writes the current token as a field. @returns whether the token is a value of the field's type */
  private readScalar(field: FieldSchema): boolean {
    const { output, tokens } = this;
    switch (field.type) {
      case "bool":
        return tokens.kind === "bool" && this.readNumber(field, tokens.raw === "true" ? 1n : 0n);
      case "string":
        if (tokens.kind !== "string") return false;
        output.lengthTag(field.number);
        output.latin1(tokens.content);
        return true;
      case "bytes":
        return tokens.kind === "string" && this.readBytes(field, tokens.content);
      case "enum":
        return this.readEnumValue(field);
      case "message":
        return false;
      case "int32":
      case "uint32":
      case "int64":
      case "uint64":
        return this.readNumber(field, this.integer(field.type));
    }
  }

  private readNumber({ number }: FieldSchema, value: bigint | undefined): boolean {
    if (value === undefined) return false;
    this.output.varint(number * 8);
    this.output.varint64(value);
    return true;
  }

  private integer(type: keyof typeof integerRanges): bigint | undefined {
    const { tokens } = this;
    if (tokens.kind === "number") return integerOf(tokens.raw, integerRanges[type]);
    if (tokens.kind !== "string") return undefined;
    const text = fromBytes(tokens.content);
    return text === text.trim() ? integerOf(text, integerRanges[type]) : undefined;
  }

  /** Reads a name or a number; an unknown name is ignored. */
  private readEnumValue(field: FieldSchema): boolean {
    const { tokens } = this;
    if (tokens.kind === "number") return this.readNumber(field, integerOf(tokens.raw, integerRanges.int32));
    if (tokens.kind !== "string") return false;
    const value = field.enumNumbers.get(fromBytes(tokens.content));
    return value === undefined || this.readNumber(field, BigInt(value));
  }

  private readBytes({ number }: FieldSchema, text: string): boolean {
    const base64 = withoutLineEnds(text);
    if (!isBase64(base64, text.length % 4 === 0)) return false;
    this.output.lengthTag(number);
    this.output.base64(base64);
    return true;
  }

  /** Skips the value of an unknown name. */
  private skipValue(): void {
    const { tokens } = this;
    let open = 0;
    do {
      const kind = tokens.next();
      if (kind === "{" || kind === "[") open++;
      else if (kind === "}" || kind === "]") open--;
    } while (open > 0);
  }
}

/** Go's base64 decoders skip line ends, which are escaped in a string. */
const withoutLineEnds = (text: string): string => (/[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, "") : text);

/** Whether a text is base64 of one alphabet, padded if it `isPadded`. Unused bits of the last character are ignored. */
const isBase64 = (text: string, isPadded: boolean): boolean => {
  const alphabet = /[-_]/.test(text) ? /^[A-Za-z0-9_-]*(={0,2})$/ : /^[A-Za-z0-9+/]*(={0,2})$/;
  const padding = alphabet.exec(text)?.[1];
  if (padding === undefined) return false;
  return isPadded ? text.length % 4 === 0 : padding === "" && text.length % 4 !== 1;
};
