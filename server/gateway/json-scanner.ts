// Finds the ends of JSON values in a body that arrives in pieces, and refuses invalid JSON with the text of Go's encoding/json.

import { InvalidJsonError } from "./invalid-json-error.js";

/** The state within a value, named after the expected element, or after the element of the last byte. */
type State =
  | "beginValue"
  | "beginValueOrEmpty"
  | "beginName"
  | "beginNameOrEmpty"
  | "endValue"
  | "inString"
  | "inEscape"
  | "inUnicode"
  | "literal"
  | NumberState;

type NumberState =
  "negative" | "zero" | "digits" | "point" | "fraction" | "exponent" | "exponentSign" | "exponentDigits";

/** The container of the current value: an object, before or after the colon, or an array. */
type Within = "name" | "member" | "array";

/** The maximum depth of objects and arrays, as in Go; deeper ones are refused. */
const maxDepth = 10_000;

/**
 * Scans one value after the other, as Go's `json.Decoder` does. Example: in `{"a":1} {"b`, `scan` from 0 returns 7, the end of
 * the first value; from 7 it returns -1: the second value continues in the next piece.
 */
export class JsonScanner {
  private state: State = "beginValue";
  private readonly within: Within[] = [];
  /** The missing rest of the current literal (`true`), and the whole literal. */
  private expected = "";
  private word = "";
  private unicodeDigits = 0;

  /** Whether only space was read since the last value. */
  get isBetweenValues(): boolean {
    return this.state === "beginValue" && this.within.length === 0;
  }

  /**
   * Scans from an offset on.
   *
   * @returns the offset behind the last byte of the value; -1: the value is incomplete
   * @throws InvalidJsonError
   */
  scan(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      if (this.state === "inString") at = skipText(bytes, at);
      const byte = bytes[at];
      if (byte === undefined) return -1;
      if (this.within.length === 0 && this.hasEndedBefore(byte)) {
        this.state = "beginValue";
        return at;
      }
      this.step(byte);
      if (this.within.length === 0 && (byte === 0x7d || byte === 0x5d) && this.state === "endValue") {
        this.state = "beginValue";
        return at + 1;
      }
    }
    return -1;
  }

  /** Ends the body. @returns whether it ends a value, which is a number then; @throws InvalidJsonError */
  endBody(): boolean {
    if (this.isBetweenValues) return false;
    if (this.within.length > 0 || !this.hasEndedBefore(space)) throw new InvalidJsonError("unexpected EOF");
    this.state = "beginValue";
    return true;
  }

  /** Whether a value outside of objects and arrays has ended before this byte. */
  private hasEndedBefore(byte: number): boolean {
    if (this.state === "endValue") return true;
    if (!isNumberEnd(this.state)) return false;
    return afterNumberByte(this.state, byte) === undefined;
  }

  private step(byte: number): void {
    switch (this.state) {
      case "beginValueOrEmpty":
        if (byte === 0x5d) return this.close();
        return this.beginValue(byte);
      case "beginValue":
        return this.beginValue(byte);
      case "beginNameOrEmpty":
        if (byte === 0x7d) {
          this.within[this.within.length - 1] = "member";
          return this.close();
        }
        return this.beginName(byte);
      case "beginName":
        return this.beginName(byte);
      case "endValue":
        return this.endValue(byte);
      case "inString":
      case "inEscape":
      case "inUnicode":
        return this.stringByte(byte);
      case "literal":
        return this.literalByte(byte);
      case "negative":
      case "zero":
      case "digits":
      case "point":
      case "fraction":
      case "exponent":
      case "exponentSign":
      case "exponentDigits":
        return this.numberByte(byte, this.state);
    }
  }

  private beginValue(byte: number): void {
    if (isSpace(byte)) return;
    if (byte === 0x7b) return this.open("name", "beginNameOrEmpty");
    if (byte === 0x5b) return this.open("array", "beginValueOrEmpty");
    if (byte === quote) this.state = "inString";
    else if (byte === 0x2d) this.state = "negative";
    else if (byte === 0x30) this.state = "zero";
    else if (isDigit(byte)) this.state = "digits";
    else if (byte === 0x74) this.beginLiteral("true");
    else if (byte === 0x66) this.beginLiteral("false");
    else if (byte === 0x6e) this.beginLiteral("null");
    else throw invalidByteError(byte, "looking for beginning of value");
  }

  private beginName(byte: number): void {
    if (isSpace(byte)) return;
    if (byte !== quote) throw invalidByteError(byte, "looking for beginning of object key string");
    this.state = "inString";
  }

  private open(within: Within, state: State): void {
    this.within.push(within);
    if (this.within.length > maxDepth) throw invalidByteError(within === "array" ? 0x5b : 0x7b, "exceeded max depth");
    this.state = state;
  }

  private beginLiteral(word: string): void {
    this.word = word;
    this.expected = word.slice(1);
    this.state = "literal";
  }

  private literalByte(byte: number): void {
    if (byte !== this.expected.charCodeAt(0))
      throw invalidByteError(byte, `in literal ${this.word} (expecting '${this.expected.charAt(0)}')`);
    this.expected = this.expected.slice(1);
    if (this.expected === "") this.state = "endValue";
  }

  private endValue(byte: number): void {
    if (isSpace(byte)) {
      this.state = "endValue";
      return;
    }
    const last = this.within.length - 1;
    switch (this.within[last]) {
      case "name":
        if (byte !== 0x3a) throw invalidByteError(byte, "after object key");
        this.within[last] = "member";
        this.state = "beginValue";
        return;
      case "member":
        if (byte === 0x7d) return this.close();
        if (byte !== 0x2c) throw invalidByteError(byte, "after object key:value pair");
        this.within[last] = "name";
        this.state = "beginName";
        return;
      case "array":
      case undefined:
        if (byte === 0x5d) return this.close();
        if (byte !== 0x2c) throw invalidByteError(byte, "after array element");
        this.state = "beginValue";
    }
  }

  private close(): void {
    this.within.pop();
    this.state = "endValue";
  }

  private stringByte(byte: number): void {
    if (this.state === "inEscape") {
      if (byte !== 0x75 && !escapes.includes(byte)) throw invalidByteError(byte, "in string escape code");
      this.state = byte === 0x75 ? "inUnicode" : "inString";
      this.unicodeDigits = 0;
    } else if (this.state === "inUnicode") {
      if (!isHexDigit(byte)) throw invalidByteError(byte, "in \\u hexadecimal character escape");
      if (++this.unicodeDigits === 4) this.state = "inString";
    } else if (byte === quote) this.state = "endValue";
    else if (byte === backslash) this.state = "inEscape";
    else if (byte < space) throw invalidByteError(byte, "in string literal");
  }

  private numberByte(byte: number, state: NumberState): void {
    const next = afterNumberByte(state, byte);
    if (next !== undefined) this.state = next;
    else if (isNumberEnd(state)) this.endValue(byte);
    else throw invalidByteError(byte, numberProblem(state));
  }
}

const space = 0x20;
const quote = 0x22;
const backslash = 0x5c;
const escapes = Buffer.from('bfnrt\\/"');

/** Returns the offset of the next byte that is not plain text of a string. */
const skipText = (bytes: Uint8Array, from: number): number => {
  let at = from;
  for (; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === quote || byte === backslash || byte < space) break;
  }
  return at;
};

const isSpace = (byte: number): boolean => byte === space || byte === 0x0a || byte === 0x0d || byte === 0x09;
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isHexDigit = (byte: number): boolean =>
  isDigit(byte) || (byte >= 0x61 && byte <= 0x66) || (byte >= 0x41 && byte <= 0x46);

/** Whether a number may end here. */
const isNumberEnd = (state: State): state is NumberState =>
  state === "zero" || state === "digits" || state === "fraction" || state === "exponentDigits";

/** Returns the state after another byte of a number; undefined: the number may not continue with it. */
const afterNumberByte = (state: NumberState, byte: number): NumberState | undefined => {
  const isExponent = byte === 0x65 || byte === 0x45;
  switch (state) {
    case "negative":
      if (byte === 0x30) return "zero";
      return isDigit(byte) ? "digits" : undefined;
    case "digits":
      if (isDigit(byte)) return "digits";
      return afterNumberByte("zero", byte);
    case "zero":
      if (byte === 0x2e) return "point";
      return isExponent ? "exponent" : undefined;
    case "point":
      return isDigit(byte) ? "fraction" : undefined;
    case "fraction":
      if (isDigit(byte)) return "fraction";
      return isExponent ? "exponent" : undefined;
    case "exponent":
      if (byte === 0x2b || byte === 0x2d) return "exponentSign";
      return isDigit(byte) ? "exponentDigits" : undefined;
    case "exponentSign":
    case "exponentDigits":
      return isDigit(byte) ? "exponentDigits" : undefined;
  }
};

const numberProblem = (state: NumberState): string => {
  if (state === "negative") return "in numeric literal";
  return state === "point" ? "after decimal point in numeric literal" : "in exponent of numeric literal";
};

const invalidByteError = (byte: number, where: string): InvalidJsonError =>
  new InvalidJsonError(`invalid character ${quoteByte(byte)} ${where}`);

/** Formats a byte as Go does: as the character with that number. */
const quoteByte = (byte: number): string => {
  if (byte === 0x27) return "'\\''";
  if (byte === quote) return "'\"'";
  const named = namedCharacters.get(byte);
  if (named !== undefined) return `'${named}'`;
  if (byte < space || byte === 0x7f) return `'\\x${byte.toString(16).padStart(2, "0")}'`;
  // Go does not print Latin-1's control characters, its no-break space and its soft hyphen.
  if ((byte >= 0x80 && byte <= 0xa0) || byte === 0xad) return `'\\u${byte.toString(16).padStart(4, "0")}'`;
  return `'${String.fromCharCode(byte)}'`;
};

const namedCharacters: ReadonlyMap<number, string> = new Map([
  [0x07, "\\a"],
  [0x08, "\\b"],
  [0x0c, "\\f"],
  [0x0a, "\\n"],
  [0x0d, "\\r"],
  [0x09, "\\t"],
  [0x0b, "\\v"],
  [backslash, "\\\\"],
]);
