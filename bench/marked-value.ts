// Values that say which put they are of and when it was sent.

/** Includes padding, so that values are of a usual size. */
const valueBytes = 64;

/** Number of a put, from 1 on: 0 means "none". */
export type PutNumber = number;

export const markValue = (put: PutNumber): Uint8Array => {
  const value = new Uint8Array(valueBytes);
  const view = new DataView(value.buffer);
  view.setFloat64(0, readSharedClock());
  view.setUint32(8, put);
  return value;
};

export const readSentAt = (value: Uint8Array): number =>
  new DataView(value.buffer, value.byteOffset, value.length).getFloat64(0);

/** 0: the value is not one of ours. */
export const readPutNumber = (value: Uint8Array): PutNumber => {
  if (value.length !== valueBytes) return 0;
  const [a = 0, b = 0, c = 0, d = 0] = value.subarray(8, 12);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
};

/** Milliseconds by a clock that the processes of this machine share. */
export const readSharedClock = (): number => performance.timeOrigin + performance.now();
