// Parses and formats numbers, booleans and durations like Go's packages, including the error texts: etcdctl's flags use these
// packages.
import { counterFromRequest } from "../../../proto/index.js";

/** The text is not a value of the expected type. The message is Go's. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

const minInt64 = -(2n ** 63n);
const maxInt64 = 2n ** 63n - 1n;

/** Notations of numbers by base, with the prefix that BigInt needs before the digits. */
const notations = {
  0: [
    { shape: /^0x((?:_?[\da-f])+)$/i, prefix: "0x" },
    { shape: /^0b((?:_?[01])+)$/i, prefix: "0b" },
    { shape: /^0o?((?:_?[0-7])+)$/i, prefix: "0o" },
    { shape: /^(0|[1-9](?:_?\d)*)$/, prefix: "" },
  ],
  10: [{ shape: /^(\d+)$/, prefix: "" }],
  16: [{ shape: /^([\da-f]+)$/i, prefix: "0x" }],
} as const;

const invalid = (fn: string, text: string) => new ValueError(`strconv.${fn}: parsing ${quote(text)}: invalid syntax`);

/** A character of UTF-8, or a byte that belongs to none, in a text with one letter for each byte. @see RFC 3629, §4 */
const utf8Character = new RegExp(
  [
    String.raw`[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]`,
    String.raw`\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]`,
    String.raw`\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}`,
    String.raw`[^]`,
  ].join("|"),
  "g",
);

const escapes: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

/** Quotes a text as Go's `%q` does: characters that cannot be printed, and bytes that are not UTF-8, are escaped. */
export const quote = (value: string | Uint8Array): string =>
  `"${Buffer.from(value as Uint8Array)
    .toString("latin1")
    .replace(utf8Character, quoteCharacter)}"`;

function quoteCharacter(bytes: string): string {
  if (bytes.length === 1 && bytes >= "\x80") return `\\x${hex(bytes, 2)}`;
  const character = Buffer.from(bytes, "latin1").toString("utf8");
  const escaped = escapes[character];
  if (escaped !== undefined) return escaped;
  if (/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(character)) return character;
  if (character <= "\x7f") return `\\x${hex(character, 2)}`;
  return character.length === 1 ? `\\u${hex(character, 4)}` : `\\U${hex(character, 8)}`;
}

const hex = (character: string, digits: number): string =>
  (character.codePointAt(0) ?? 0).toString(16).padStart(digits, "0");

/**
 * Parses an integer of 64 bits as Go's strconv.ParseInt does.
 *
 * @param base 0: as the prefix says (0x, 0o or 0, 0b), with underscores between digits allowed
 * @throws ValueError
 */
export function parseInt64(text: string, base: 0 | 10 | 16): bigint {
  const [, sign, digits = ""] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  for (const { shape, prefix } of notations[base]) {
    const [, found] = shape.exec(digits) ?? [];
    if (found === undefined) continue;
    const magnitude = BigInt(prefix + found.replaceAll("_", ""));
    const value = sign === "-" ? -magnitude : magnitude;
    if (value >= minInt64 && value <= maxInt64) return value;
    throw new ValueError(`strconv.ParseInt: parsing ${quote(text)}: value out of range`);
  }
  throw invalid("ParseInt", text);
}

/**
 * Parses a hexadecimal number of 64 bits without a sign as Go's strconv.ParseUint does.
 *
 * @throws ValueError
 */
export function parseHexUint64(text: string): bigint {
  if (!/^[\da-f]+$/i.test(text)) throw invalid("ParseUint", text);
  const value = BigInt(`0x${text}`);
  if (value !== BigInt.asUintN(64, value))
    throw new ValueError(`strconv.ParseUint: parsing ${quote(text)}: value out of range`);
  return value;
}

/** Parses a revision or a limit like `parseInt64`; saturates at 2^53-1, which no revision reaches. */
export const parseCounter = (text: string, base: 0 | 10): number => counterFromRequest(parseInt64(text, base));

/** Parses a Boolean as Go's strconv.ParseBool does. @throws ValueError */
export function parseBool(text: string): boolean {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw invalid("ParseBool", text);
}

const nanosecondsPer = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
} as const;

const nanosecondsPerMs = 1e6;

/**
 * Parses a duration ("1h2m3.5s", "100ms", "0") as Go's time.ParseDuration does: in nanoseconds of 64 bits, about 292 years. Returns
 * milliseconds.
 *
 * @throws ValueError
 */
export function parseDurationMs(text: string): number {
  const [, sign, rest = ""] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (rest === "0") return 0;
  const invalidDuration = new ValueError(`time: invalid duration ${quote(text)}`);
  if (!/^((\d+\.?\d*|\.\d+)[^\d.]*)+$/.test(rest)) throw invalidDuration;
  let nanoseconds = 0n;
  for (const [, whole = "", fraction = "", unit = ""] of rest.matchAll(/(\d*)(\.\d*)?([^\d.]*)/g)) {
    if (whole === "" && fraction === "") continue;
    if (unit === "") throw new ValueError(`time: missing unit in duration ${quote(text)}`);
    if (!Object.hasOwn(nanosecondsPer, unit))
      throw new ValueError(`time: unknown unit ${quote(unit)} in duration ${quote(text)}`);
    const perUnit = nanosecondsPer[unit as keyof typeof nanosecondsPer];
    nanoseconds += BigInt(whole) * perUnit + BigInt(Math.trunc(Number(`0${fraction}`) * Number(perUnit)));
  }
  const value = sign === "-" ? -nanoseconds : nanoseconds;
  if (value < minInt64 || value > maxInt64) throw invalidDuration;
  return Number(value) / nanosecondsPerMs;
}

/** Formats a duration as Go's time.Duration.String does: "1.472186ms", "5s", "1h2m3.5s". */
export function formatDuration(milliseconds: number): string {
  const sign = milliseconds < 0 ? "-" : "";
  const nanoseconds = Math.round(Math.abs(milliseconds) * 1e6);
  if (nanoseconds === 0) return "0s";
  if (nanoseconds < 1e3) return `${sign}${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${sign}${nanoseconds / 1e3}µs`;
  if (nanoseconds < 1e9) return `${sign}${nanoseconds / 1e6}ms`;
  const seconds = nanoseconds / 1e9;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = Number((seconds % 60).toFixed(9));
  return `${sign}${hours > 0 ? `${hours}h` : ""}${seconds >= 60 ? `${minutes}m` : ""}${rest}s`;
}

/** Formats a size as Bytes of Go's package dustin/go-humanize does: "33 kB", "4.1 MB". */
export function formatBytes(bytes: number): string {
  if (bytes < 10) return `${bytes} B`;
  const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  const exponent = Math.floor(Math.log(bytes) / Math.log(1000));
  const value = Math.floor((bytes / 1000 ** exponent) * 10 + 0.5) / 10;
  return `${value < 10 ? value.toFixed(1) : halfToEven(value)} ${units[exponent] ?? ""}`;
}

/** Rounds as Go's `%.0f` does: 20.5 to 20, and 21.5 to 22. */
const halfToEven = (value: number): number => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));
