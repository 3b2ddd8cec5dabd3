/** The end of an open-ended interval: greater than every key, whose characters are bytes. */
export const endOfKeys = "\uffff";

/** A request or permission for keys: one key, or `[key, rangeEnd)`. */
export interface KeyRange {
  readonly key: Uint8Array;
  /** Empty: only `key`. A single zero byte: all keys from `key` on. */
  readonly rangeEnd: Uint8Array;
}

/** Returns bytes as text of one character per byte. */
export const keyText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");

/** Whether a range has no upper bound. */
export const isOpenEnded = ({ rangeEnd }: KeyRange): boolean => rangeEnd.length === 1 && rangeEnd[0] === 0;

/** Returns the end of the interval of a range; `from` is its key as text. */
export const endOf = (from: string, range: KeyRange): string => {
  if (range.rangeEnd.length === 0) return `${from}\0`;
  return isOpenEnded(range) ? endOfKeys : keyText(range.rangeEnd);
};
