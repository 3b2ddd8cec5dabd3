// Splits standard input into lines and words, for `txn` and `watch -i`.
//
// A line consists of bytes. It is held as text with one character for each byte, so that bytes that are not UTF-8 stay unchanged.
import type { Readable } from "node:stream";
import { exitCodes, Failure } from "./failure.js";

/** Returns the bytes of a line or of a part of a line. */
export const bytesOf = (line: string): Uint8Array => Buffer.from(line, "latin1");
/** Decodes a line for a message. */
export const decodeLine = (line: string): string => Buffer.from(line, "latin1").toString("utf8");

/**
 * Yields each line as soon as it is complete, with one character for each byte. Bytes after the last line end are ignored, as in
 * etcdctl.
 */
export async function* linesOf(stdin: Readable): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const chunk of stdin) {
    const parts = (rest + Buffer.from(chunk as Uint8Array).toString("latin1")).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  return undefined;
}

/** Pattern of a text in double quotes, with Go's escapes. */
export const quoted = String.raw`"(?:[^"\\]|\\.)*"`;

/** Splits a line at spaces. Text in "double" quotes has Go's escapes; text in 'single' quotes is taken literally. */
export function splitWords(line: string): string[] {
  const words = line.match(new RegExp(String.raw`${quoted}|'[^']*'|[^'" \t\r\f][^ \t\r\f]*`, "gs")) ?? [];
  return words.map((word) => {
    if (word.startsWith('"')) return unquote(word);
    return word.startsWith("'") ? word.slice(1, -1) : word;
  });
}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
};

const escape = /\\(?:x([\da-fA-F]{2})|([0-3][0-7]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/gs;

/** Returns the text between double quotes, with Go's escapes resolved. @throws Failure on an unknown escape */
export function unquote(literal: string): string {
  return literal.slice(1, -1).replace(escape, (whole, hex, octal, short, long, letter: string | undefined) => {
    const byte = (digits: string, base: number) => String.fromCharCode(Number.parseInt(digits, base));
    if (typeof hex === "string") return byte(hex, 16);
    if (typeof octal === "string") return byte(octal, 8);
    const point: unknown = short ?? long;
    if (typeof point === "string") return codePoint(Number.parseInt(point, 16), whole);
    const resolved = letter === undefined ? undefined : simpleEscapes[letter];
    if (resolved === undefined) throw badEscape(`${whole} in ${decodeLine(literal)}`);
    return resolved;
  });
}

/** The message has no more details, as in Go. */
const badEscape = (what: string) => new Failure(exitCodes.invalidInput, "invalid syntax", `Reason: bad escape ${what}`);

function codePoint(point: number, whole: string): string {
  const surrogate = point >= 0xd800 && point <= 0xdfff;
  if (surrogate || point > 0x10ffff) throw badEscape(`${whole}: there is no such character`);
  return Buffer.from(String.fromCodePoint(point), "utf8").toString("latin1");
}
