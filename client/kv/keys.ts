// Converts keys and texts, and selects the keys of a request.
import { isUint8Array } from "node:util/types";

/** Bytes; text stands for its UTF-8. */
export type Bytes = string | Uint8Array;

/**
 * Encodes text as UTF-8; returns bytes unchanged.
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

/**
 * Converts like `toBytes`, but copies up to `maxOwnBytes` bytes, so that the caller may change its array.
 *
 * @throws TypeError if it is neither
 */
export const toOwnBytes = (value: Bytes): Uint8Array => {
  const bytes = toBytes(value);
  return bytes === value && bytes.length <= maxOwnBytes ? Uint8Array.from(bytes) : bytes;
};

/** Size of a piece of memory that short texts share. */
const poolBytes = 8 * 1024;
/** Length of text, in characters, up to which a loop is faster than a call into Node. */
const maxLoopCharacters = 64;
let pool = new Uint8Array(poolBytes);
let poolUsed = 0;

/** Encodes short text in memory that texts share, without a call into Node if the text is ASCII. */
const utf8 = (text: string): Uint8Array =>
  (text.length <= maxLoopCharacters ? ascii(text) : undefined) ?? encodeText(text);

/** Encodes ASCII text; undefined if there are other characters. */
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

/** Encodes in Node's pool of memory, which takes a fraction of the time of a TextEncoder. */
const encodeText = (text: string): Uint8Array => {
  const { buffer, byteOffset, length } = Buffer.from(text);
  return new Uint8Array(buffer, byteOffset, length);
};

/** Returns the word for the type of an invalid argument, for error texts. */
const kindOf = (value: unknown): string =>
  value === undefined || value === null ? String(value) : `a value of type ${typeof value}`;

const fromUtf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Decodes bytes as UTF-8.
 *
 * @throws TypeError if they are not UTF-8
 */
export const toText = (bytes: Uint8Array): string => fromUtf8.decode(bytes);

/** Selects an interval of keys that begins at the request's key; at most one option may be given. None: only that key. */
export interface KeyInterval {
  /** The keys from `key` on, below this key. */
  readonly rangeEnd?: Bytes | undefined;
  /** The keys that begin with `key`; all keys if it is empty. */
  readonly prefix?: boolean | undefined;
  /** `key` and all keys after it; all keys if it is empty. */
  readonly fromKey?: boolean | undefined;
}

const zero = Uint8Array.of(0);
const empty = new Uint8Array(0);

/** Returns the first key after all keys that begin with `prefix`; a zero byte stands for "no end". @see etcd v3 API, KV.Range */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  if (last < 0) return zero;
  const end = Uint8Array.from(prefix.subarray(0, last + 1)); // a copy, which a Buffer's slice() is not
  end[last] = (end[last] ?? 0) + 1;
  return end;
}

/**
 * Returns the `key` and `rangeEnd` of a request.
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
