/** A key: one character per byte (latin1), so that strings compare as their bytes do. */
export type Key = string;

/** The longest key, in bytes, that is copied before it is converted: for short keys a Buffer view costs more than the copy. */
const maxCopiedKey = 64;
const copied = Buffer.alloc(maxCopiedKey);

/** Converts the bytes of a key to a string with one character per byte. `start` and `end` default to all of `bytes`. */
export const keyFromBytes = (bytes: Uint8Array, start = 0, end = bytes.length): Key => {
  if (Buffer.isBuffer(bytes)) return bytes.toString("latin1", start, end);
  const length = end - start;
  if (length > maxCopiedKey)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1", start, end);
  for (let n = 0; n < length; n++) copied[n] = bytes[start + n] ?? 0;
  return copied.toString("latin1", 0, length);
};

/** Compares two keys bytewise: strings of bytes compare by code unit. */
export const compareKeys = (a: Key, b: Key): number => (a < b ? -1 : a === b ? 0 : 1);

/** Returns the smallest key that is greater than `key`. */
export const keyAfter = (key: Key): Key => key + "\0";

/** A half-open range of keys. */
export interface Interval {
  readonly from: Key;
  /** The first key after the interval; undefined: the interval reaches to the last key. */
  readonly to: Key | undefined;
}

/**
 * Returns the interval of a request's `key` and `range_end`: without an end only `key`, with the end `\0` all keys from `key` on. An
 * end at or before `key` gives an empty interval.
 *
 * @see etcd v3 API, RangeRequest.range_end
 */
export function intervalOf(request: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }): Interval {
  const from = keyFromBytes(request.key);
  const end = request.rangeEnd;
  if (end.length === 0) return { from, to: keyAfter(from) };
  if (end.length === 1 && end[0] === 0) return { from, to: undefined };
  return { from, to: keyFromBytes(end) };
}
