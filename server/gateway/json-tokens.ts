// The tokens of a JSON value that `JsonScanner` has found: as in Go's protojson, including its errors about strings that are
// not Unicode.

import { isUtf8 } from "node:buffer";
import { InvalidJsonError } from "./invalid-json-error.js";

/** The kinds of tokens. A name is the string before a colon. */
export type TokenKind = "{" | "}" | "[" | "]" | "name" | "string" | "number" | "bool" | "null" | "end";

/** Reads one token after the other. The properties describe the last token. */
export class JsonTokens {
  kind: TokenKind = "end";
  /** The offsets of the token. */
  start = 0;
  end = 0;
  /** The content of a name or a string: one character per byte of its UTF-8. */
  content = "";
  private hasPeeked = false;

  /** @param text the value, one character per byte */
  constructor(private readonly text: string) {}

  /** The text of the token. */
  get raw(): string {
    return this.rawAt(this.start, this.end);
  }

  rawAt(start: number, end: number): string {
    return this.text.slice(start, end);
  }

  /** Reads the next token. @throws InvalidJsonError for a string that is not Unicode */
  next(): TokenKind {
    if (this.hasPeeked) this.hasPeeked = false;
    else this.read();
    return this.kind;
  }

  /** Reads the next token; `next` returns it once more. */
  peek(): TokenKind {
    const kind = this.next();
    this.hasPeeked = true;
    return kind;
  }

  /** Returns an error with the position of a token. @param message one character per byte */
  error(message: string, at = this.start): InvalidJsonError {
    return new InvalidJsonError(`proto: (${this.place(at)}): ${fromBytes(message)}`);
  }

  /** Returns the error of an unexpected token. */
  unexpectedTokenError(): InvalidJsonError {
    return this.syntaxError(`unexpected token ${fromBytes(this.raw)}`);
  }

  private syntaxError(message: string): InvalidJsonError {
    return new InvalidJsonError(`proto: syntax error (${this.place(this.start)}): ${message}`);
  }

  /** Returns the line and column; columns are counted in characters. */
  private place(at: number): string {
    const lines = fromBytes(this.text.slice(0, at)).split("\n");
    return `line ${lines.length}:${Array.from(lines.at(-1) ?? "").length + 1}`;
  }

  private read(): void {
    const { text } = this;
    let at = this.end;
    while (isBetweenTokens(text.charCodeAt(at))) at++;
    this.start = at;
    const first = text.charAt(at);
    if (first === '"') return this.readString();
    if (first === "") this.kind = "end";
    else if (first === "{" || first === "}" || first === "[" || first === "]") this.kind = first;
    else {
      this.kind = first === "n" ? "null" : first === "t" || first === "f" ? "bool" : "number";
      while (isWord(text.charCodeAt(at))) at++;
      this.end = at;
      return;
    }
    this.end = at + first.length;
  }

  private readString(): void {
    const { text } = this;
    const from = this.start + 1;
    let end = text.indexOf('"', from);
    let content = text.slice(from, end);
    if (content.includes("\\")) {
      for (end = from; text.charAt(end) !== '"';) end += text.charAt(end) === "\\" ? 2 : 1;
      this.end = end + 1;
      content = this.unescape(text.slice(from, end));
    } else this.check(content);
    this.content = content;
    this.end = end + 1;
    let next = end + 1;
    while (isSpace(text.charCodeAt(next))) next++;
    this.kind = text.charAt(next) === ":" ? "name" : "string";
  }

  private check(content: string): void {
    if (notAscii.test(content) && !isUtf8(Buffer.from(content, "latin1")))
      throw this.syntaxError("invalid UTF-8 in string");
  }

  private unescape(inner: string): string {
    let content = "";
    for (let from = 0; ;) {
      const escape = inner.indexOf("\\", from);
      const plain = inner.slice(from, escape === -1 ? undefined : escape);
      this.check(plain);
      content += plain;
      if (escape === -1) return content;
      const letter = inner.charAt(escape + 1);
      if (letter === "u") {
        const { character, length } = this.unicode(inner, escape);
        content += toBytes(character);
        from = escape + length;
      } else {
        content += shortEscapes[letter] ?? letter;
        from = escape + 2;
      }
    }
  }

  /** Reads `\uXXXX`, or a surrogate pair of them. */
  private unicode(inner: string, at: number): { readonly character: string; readonly length: number } {
    const unit = parseInt(inner.slice(at + 2, at + 6), 16);
    if (unit < 0xd800 || unit > 0xdfff) return { character: String.fromCharCode(unit), length: 6 };
    const offset = this.start + 1 + at + 6;
    if (offset + 6 > this.text.length) throw new InvalidJsonError("proto: unexpected EOF");
    const next = this.text.slice(offset, offset + 6);
    const low = /^\\u([dD][c-fC-F][0-9a-fA-F]{2})$/.exec(next)?.[1];
    if (unit > 0xdbff || low === undefined)
      throw this.syntaxError(`invalid escape code ${quoteBytes(Buffer.from(next, "latin1"))} in string`);
    return { character: String.fromCharCode(unit, parseInt(low, 16)), length: 12 };
  }
}

const notAscii = /[\x80-\xff]/;
const shortEscapes: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/** Decodes UTF-8 from one character per byte. */
export const fromBytes = (bytes: string): string =>
  notAscii.test(bytes) ? Buffer.from(bytes, "latin1").toString() : bytes;

const toBytes = (text: string): string => Buffer.from(text).toString("latin1");

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
/** Spaces, commas and colons: `JsonScanner` has checked them. */
const isBetweenTokens = (code: number): boolean => code === 0x2c || code === 0x3a || isSpace(code);
/** Whether a number or a literal continues; NaN: the end of the text. */
const isWord = (code: number): boolean => code >= 0 && !isBetweenTokens(code) && code !== 0x7d && code !== 0x5d;

/** Quotes bytes as Go's `%q` does. */
const quoteBytes = (bytes: Buffer): string => {
  let shown = "";
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((count) => at + count <= bytes.length && isUtf8(bytes.subarray(at, at + count)));
    shown += length === undefined ? hexEscape(bytes[at] ?? 0) : quoteCharacter(bytes.toString("utf8", at, at + length));
    at += length ?? 1;
  }
  return `"${shown}"`;
};

const hexEscape = (byte: number): string => `\\x${byte.toString(16).padStart(2, "0")}`;

const quoteCharacter = (character: string): string => {
  if (character === '"' || character === "\\") return `\\${character}`;
  const code = character.charCodeAt(0);
  if (code >= 0x20 && code !== 0x7f) return character;
  return { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\v": "\\v" }[character] ?? hexEscape(code);
};
