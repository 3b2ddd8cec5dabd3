// Keys, and which of them a request is about.
import { isUint8Array } from "node:util/types";

/** Bytes; text stands for its UTF-8. */
export type Bytes = string | Uint8Array;

/**
 * Encodes text as UTF-8; returns bytes as they are.
 *
 * @throws TypeError if it is neither
 */
export const toBytes = (value: Bytes): Uint8Array => {
  if (typeof value === "string") return utf8(value);
  if (isUint8Array(value)) return value;
  throw new TypeError(`Cannot send a key or a value: expected text or bytes, not ${kindOf(value)}`);
};

/** Length up to which a caller's bytes are copied instead of referenced. */
export const maxOwnBytes = 1024;

/** The same, but bytes of up to `maxOwnBytes` are copied, so the caller may change its own. @throws TypeError if it is neither */
export const toOwnBytes = (value: Bytes): Uint8Array => {
  const bytes = toBytes(value);
  return bytes === value && bytes.length <= maxOwnBytes ? Uint8Array.from(bytes) : bytes;
};

/** Memory that short texts share. */
const poolBytes = 8 * 1024;
/** Length of text, in characters, up to which a loop is faster than a call of Node's. */
const maxLoopCharacters = 64;
let pool = new Uint8Array(poolBytes);
let poolUsed = 0;

/** Encodes short text in memory that it shares with others, without a call of Node's if it is ASCII. */
const utf8 = (text: string): Uint8Array =>
  (text.length <= maxLoopCharacters ? ascii(text) : undefined) ?? encodeText(text);

/** @returns undefined if there are other characters */
const ascii = (text: string): Uint8Array | undefined => {
  const { length } = text;
  if (poolUsed + length > poolBytes) {
    pool = new Uint8Array(poolBytes);
    poolUsed = 0;
  }
  for (let n = 0; n < length; n++) {
    const character = text.charCodeAt(n);
    if (character > 0x7f) return undefined;
    pool[poolUsed + n] = character;
  }
  const start = poolUsed;
  poolUsed += length;
  return new Uint8Array(pool.buffer, start, length);
};

/** Encodes in memory that Node shares between texts: a fraction of the time of a TextEncoder. */
const encodeText = (text: string): Uint8Array => {
  const { buffer, byteOffset, length } = Buffer.from(text);
  return new Uint8Array(buffer, byteOffset, length);
};

/** A word for what was given in place of text or bytes. */
const kindOf = (value: unknown): string =>
  value === undefined || value === null ? String(value) : `a value of type ${typeof value}`;

const fromUtf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The text that bytes stand for.
 *
 * @throws TypeError if they are not UTF-8
 */
export const toText = (bytes: Uint8Array): string => fromUtf8.decode(bytes);

/** Selects more keys than the request's own; at most one of these may be given. None: only that key. */
export interface KeyInterval {
  /** The keys from `key` up to this one, which is not among them. */
  readonly rangeEnd?: Bytes | undefined;
  /** The keys that begin with `key`; all, if it is empty. */
  readonly prefix?: boolean | undefined;
  /** `key` and all after it; all, if it is empty. */
  readonly fromKey?: boolean | undefined;
}

const zero = Uint8Array.of(0);
const empty = new Uint8Array(0);

/** The first key after all that begin with `prefix`; a zero byte stands for "no end". @see etcd v3 API, KV.Range */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  if (last < 0) return zero;
  const end = Uint8Array.from(prefix.subarray(0, last + 1)); // a copy: Buffer's own slice() is none
  end[last] = (end[last] ?? 0) + 1;
  return end;
}

/**
 * The `key` and `rangeEnd` of a request.
 *
 * @throws TypeError if more than one way to choose keys is given
 */
export function intervalOf(key: Bytes, { rangeEnd, prefix, fromKey }: KeyInterval) {
  if ([rangeEnd !== undefined, prefix, fromKey].filter(Boolean).length > 1)
    throw new TypeError("Cannot choose keys: give only one of rangeEnd, prefix and fromKey");
  const start = toBytes(key);
  if (prefix || fromKey) {
    const end = prefix ? prefixEnd(start) : zero;
    return { key: start.length === 0 ? zero : start, rangeEnd: end };
  }
  return { key: start, rangeEnd: rangeEnd === undefined ? empty : toBytes(rangeEnd) };
}
