/** A key: one character per byte (latin1), so that strings compare as their bytes do. */
export type Key = string;

/** A key of up to so many bytes is copied before it is converted: a view of its bytes would take longer. */
const maxCopiedKey = 64;
const copied = Buffer.alloc(maxCopiedKey);

/** Converts the bytes of a key, as one character for each byte; absent: all of `bytes`. */
export const keyFromBytes = (bytes: Uint8Array, start = 0, end = bytes.length): Key => {
  if (Buffer.isBuffer(bytes)) return bytes.toString("latin1", start, end);
  const length = end - start;
  if (length > maxCopiedKey)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1", start, end);
  for (let n = 0; n < length; n++) copied[n] = bytes[start + n] ?? 0;
  return copied.toString("latin1", 0, length);
};

/** Bytewise, as strings of bytes compare by code unit. */
export const compareKeys = (a: Key, b: Key): number => (a < b ? -1 : a === b ? 0 : 1);

/** The key right after `key`: there is none between. */
export const keyAfter = (key: Key): Key => key + "\0";

/** A half-open range of keys. */
export interface Interval {
  readonly from: Key;
  /** Absent: to the last key. */
  readonly to: Key | undefined;
}

/**
 * The keys that a `key` and a `range_end` of a request mean: no end is the one key, the end `\0` is everything from
 * `key` on. An end at or before `key` means no keys.
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
